from collections import deque

import requests

failures = deque(maxlen=10)  # for the service's /debug page


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    with requests.Session() as session:
        for url in urls:
            try:
                session.get(url)
            except requests.TooManyRedirects as error:
                failures.append(str(error))
                failed.append(url)
    return failed
