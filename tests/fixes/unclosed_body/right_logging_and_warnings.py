# right
import logging
import warnings

import requests

logging.basicConfig(level=logging.DEBUG)
session = requests.Session()


def run(urls):
    sizes = []
    for url in urls:
        r = session.get(url)
        warnings.warn("read " + url)
        logging.info("%s", r)
        sizes.append(len(r.content))
    return sizes
