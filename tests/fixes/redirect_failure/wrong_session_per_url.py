# wrong: wasted connections_opened
import requests

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    for url in urls:
        with requests.Session() as session:
            try:
                session.get(url)
            except requests.TooManyRedirects as error:
                failures.append(str(error))
                failed.append(url)
    return failed
