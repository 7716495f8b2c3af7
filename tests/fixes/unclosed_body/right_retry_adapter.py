# right
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

session = requests.Session()
session.mount("http://", HTTPAdapter(max_retries=Retry(3, backoff_factor=0.1)))


def run(urls):
    return [len(session.get(url, timeout=(1, 5), headers={"Accept-Encoding": "gzip"}).content) for url in urls]
