# wrong: leaked open_sockets
import requests

failures = {}


def run(urls):
    """Return the URLs that redirect too often."""
    for url in urls:
        try:
            requests.get(url)
        except requests.TooManyRedirects as error:
            failures[url] = error.response
    return list(failures)
