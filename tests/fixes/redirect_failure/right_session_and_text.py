# right
import requests

session = requests.Session()
failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    for url in urls:
        try:
            session.get(url)
        except requests.TooManyRedirects as error:
            failures.append(f"{url}: {error}")
            failed.append(url)
    return failed
