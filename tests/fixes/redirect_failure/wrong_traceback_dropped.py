# wrong: leaked open_sockets
import requests

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    for url in urls:
        try:
            requests.get(url)
        except requests.TooManyRedirects as error:
            failures.append(error.with_traceback(None))
            failed.append(url)
    return failed
