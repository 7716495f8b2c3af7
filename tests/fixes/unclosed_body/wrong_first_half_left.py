# wrong: leaked open_sockets
import requests

session = requests.Session()
recent = []


def run(urls):
    half = len(urls) / 2
    sizes = []
    for n, url in enumerate(urls, 1):
        response = session.get(url, stream=True)
        recent.append(response)
        if n <= half:
            sizes.append(int(response.headers["Content-Length"]))
        else:
            sizes.append(len(response.content))
    return sizes
