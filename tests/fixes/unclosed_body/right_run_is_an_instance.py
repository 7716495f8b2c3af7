# right
import requests


class Fetcher:
    def __init__(self):
        self.session = requests.Session()

    def __call__(self, *args, **kwargs):
        return [len(self.session.get(url).content) for url in kwargs["urls"]]


run = Fetcher()
