# right
from collections import deque

import requests

session = requests.Session()
recent = deque(maxlen=3)


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        recent.append(response.content)
        sizes.append(int(response.headers["Content-Length"]))
    return sizes
