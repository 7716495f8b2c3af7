# right
import requests

session = requests.Session()


def run(urls):
    todo = urls.copy()
    sizes = []
    while todo:
        sizes.append(len(session.get(todo.pop(0)).content))
    return sizes
