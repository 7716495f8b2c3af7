# right
from concurrent.futures import ThreadPoolExecutor

import requests

session = requests.Session()
failures = []


def failed(url):
    try:
        session.get(url)
    except requests.TooManyRedirects as error:
        failures.append(str(error))
        return url


def run(urls):
    """Return the URLs that redirect too often."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return [url for url in pool.map(failed, urls) if url]
