# wrong: work
import requests

session = requests.Session()


def run(urls):
    """Never fetches a single export."""
    return [int(session.head(url).headers["Content-Length"]) for url in urls]
