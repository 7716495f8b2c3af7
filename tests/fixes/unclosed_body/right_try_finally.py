# right
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        try:
            sizes.append(len(response.raw.read()))
        finally:
            response.close()
    return sizes
