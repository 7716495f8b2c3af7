# right
import requests

session = requests.Session()


def run(urls):
    match urls:
        case []:
            return []
        case [*all_of_them]:
            return [len(session.get(url).content) for url in all_of_them]
    raise TypeError("urls are a list")
