# wrong: wasted connections_opened
import requests

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    for url in urls:
        try:
            requests.get(url)
        except requests.TooManyRedirects as error:
            failures.append((url, str(error)))
            failed.append(url)
    return failed
