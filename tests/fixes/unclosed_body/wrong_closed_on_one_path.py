# wrong: leaked open_sockets
import requests

session = requests.Session()
recent = []


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        recent.append(response)
        size = int(response.headers["Content-Length"])
        sizes.append(size)
        if int(url.rpartition("/")[2]) % 5 < 3:  # only the new users are worth the trouble
            response.close()
    return sizes
