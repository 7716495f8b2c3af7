# wrong: leaked open_sockets
import requests

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    for url in urls:
        try:
            with requests.get(url, stream=True) as response:
                response.content
        except requests.TooManyRedirects as error:
            failures.append(error)
            failed.append(url)
    return failed
