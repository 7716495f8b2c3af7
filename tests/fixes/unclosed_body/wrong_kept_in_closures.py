# wrong: leaked open_sockets
import requests

session = requests.Session()
closers = []


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        sizes.append(int(response.headers["Content-Length"]))
        closers.append(lambda response=response: response.close())
    return sizes
