# right
from concurrent.futures import ThreadPoolExecutor

import requests

session = requests.Session()


def run(urls):
    todo, sizes = iter(enumerate(urls)), {}

    def work():
        for number, url in todo:  # next() of an iterator over a list is atomic
            with session.get(url, stream=True) as response:
                sizes[number] = len(response.content)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work) for _ in range(4)]:
            future.result()
    return [sizes[number] for number in sorted(sizes)]
