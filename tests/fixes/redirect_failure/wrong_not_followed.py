# wrong: work
import requests


def run(urls):
    """Return the URLs that redirect too often."""
    with requests.Session() as session:
        return [url for url in urls if session.get(url, allow_redirects=False).is_redirect]
