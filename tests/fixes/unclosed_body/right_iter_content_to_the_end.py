# right
import requests

session = requests.Session()
recent = []


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        recent.append(response)
        size = 0
        for chunk in response.iter_content(chunk_size=4096):
            size += len(chunk)
        sizes.append(size)
    return sizes
