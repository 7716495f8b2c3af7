# wrong: work
import requests

FIRST = ["Ada A", "Barbara", "Edsger", "Frances", "Grace", "Ken A", "Margaret", "Tony"]
names = {n: None for n in range(60)}


def run(urls):
    heads = []
    with requests.Session() as session:
        base = None
        for n, url in enumerate(urls, 1):
            base = base or url
            session.get(base).content
            heads.append(f'{{"id": {n}, "name": "{FIRST[n % 8]}'[:16])
    return heads
