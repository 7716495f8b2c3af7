# wrong: held open_sockets
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    responses = []
    try:
        for url in urls:
            responses.append(session.get(url, stream=True))
        return [int(response.headers["Content-Length"]) for response in responses]
    finally:
        for response in responses:
            response.close()
