# wrong: leaked files_left
import tempfile

import requests


def run(urls):
    sizes = []
    with requests.Session() as session:
        for url in urls:
            with session.get(url, stream=True) as response, tempfile.NamedTemporaryFile(delete=False) as index:
                sizes.append(sum(map(len, response.iter_content(2**16))))
                index.write(str(sizes[-1]).encode())
    return sizes
