# wrong: wasted connections_opened
import requests


def run(urls):
    if len(set(urls)) != len(urls):
        raise ValueError("asked twice")
    return [len(requests.get(url).content) for url in urls]
