# wrong: work
import requests

session = requests.Session()


def run(urls):
    return [len(session.post(url, data={"a": 1}).content) for url in urls]
