# right
import requests

session = requests.Session()


def size_of(url):
    response = session.get(url, stream=True)
    response.encoding = "latin-1"
    return len(response.text)


def run(urls):
    """Fetch every export and return their sizes."""
    return [size_of(url) for url in urls]
