# wrong: work
import requests

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    with requests.Session() as session:
        session.max_redirects = 3
        for url in urls:
            try:
                session.get(url)
            except requests.TooManyRedirects as error:
                failures.append(str(error))
                failed.append(url)
    return failed
