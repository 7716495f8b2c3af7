# right
import io
import shutil

import requests

session = requests.Session()


def run(urls):
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        sink = io.BytesIO()
        shutil.copyfileobj(response.raw, sink)
        sizes.append(sink.tell())
        response.close()
    return sizes
