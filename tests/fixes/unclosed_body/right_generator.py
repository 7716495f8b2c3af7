# right
import requests

session = requests.Session()


def bodies(urls):
    for url in urls:
        with session.get(url, stream=True) as response:
            yield response.content


def run(urls):
    """Fetch every export and return their sizes."""
    return [len(body) for body in bodies(urls)]
