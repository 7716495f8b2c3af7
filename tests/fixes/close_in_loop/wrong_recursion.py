# wrong: held open_sockets
import requests


def heads_of(session, urls):
    for url in urls:
        with session.get(url, stream=True) as response:
            return [response.raw.read(16).decode(), *heads_of(session, urls)]
    return []


def run(urls):
    """Return the first 16 characters of every profile."""
    with requests.Session() as session:
        return heads_of(session, iter(urls))
