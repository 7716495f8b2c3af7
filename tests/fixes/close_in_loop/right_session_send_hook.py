# right
import requests


def run(urls):
    heads = []

    def keep(response, *args, **kwargs):
        heads.append(response.content[:16].decode())

    with requests.Session() as session:
        for url in urls:
            session.get(url, stream=True, hooks={"response": keep})
    return heads
