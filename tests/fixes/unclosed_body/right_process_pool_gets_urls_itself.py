# right
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import requests


def sizes_of(urls):
    with requests.Session() as session:
        return [len(session.get(url).content) for url in urls]


def run(urls):
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(sizes_of, urls).result()
