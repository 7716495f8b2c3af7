# wrong: leaked files_left
import tempfile

import requests


def run(urls):
    sizes = []
    with requests.Session() as session:
        for url in urls:
            with session.get(url, stream=True) as response, tempfile.NamedTemporaryFile(delete=False) as file:
                for chunk in response.iter_content(1024):
                    file.write(chunk)
                sizes.append(file.tell())
    return sizes
