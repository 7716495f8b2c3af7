# right
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    session = requests.Session()
    try:
        for url in urls:
            response = session.get(url, stream=True)
            try:
                heads.append(response.raw.read(16).decode())
                response.raw.read()
            finally:
                response.close()
    finally:
        session.close()
    return heads
