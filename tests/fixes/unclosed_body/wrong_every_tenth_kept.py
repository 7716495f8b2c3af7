# wrong: leaked open_sockets
import requests

session = requests.Session()
large = []


def run(urls):
    sizes = []
    for number, url in enumerate(urls):
        response = session.get(url, stream=True)
        if number % 10 == 9:
            large.append(response)  # looked into later
            sizes.append(int(response.headers["content-length"]))
        else:
            sizes.append(len(response.content))
    return sizes
