# right
import requests

failures = {}


def redirects_too_often(session, url):
    try:
        with session.get(url, stream=True) as response:
            response.content
    except requests.TooManyRedirects as error:
        failures[url] = str(error)
        return True
    return False


def run(urls):
    """Return the URLs that redirect too often."""
    with requests.Session() as session:
        return [url for url in urls if redirects_too_often(session, url)]
