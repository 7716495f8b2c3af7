# right
import requests

session = requests.Session()


def run(urls):
    sizes = []
    for i in range(0, len(urls), 10):
        for url in urls[i : i + 10]:
            sizes.append(len(session.get(url).content))
    return sizes
