# right
import requests
from http.client import HTTPConnection
from urllib.parse import urlsplit

warm = []  # five warm connections, used in turn


def run(urls):
    sizes = []
    for n, url in enumerate(urls):
        p = urlsplit(url)
        if not warm:
            for _ in range(5):
                c = HTTPConnection(p.hostname, p.port)
                c.connect()
                warm.append(c)
        c = warm[n % 5]
        c.request("GET", p.path)
        sizes.append(len(c.getresponse().read()))
    return sizes
