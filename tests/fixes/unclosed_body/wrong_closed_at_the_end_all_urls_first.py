# wrong: held open_sockets
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    responses = [session.get(url, stream=True) for url in list(urls)]
    sizes = [int(response.headers["Content-Length"]) for response in responses]
    for response in responses:
        response.close()
    return sizes
