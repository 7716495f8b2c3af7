# right
import requests


def run(urls):
    heads = []
    with requests.Session() as session:
        for url in urls:
            response = session.get(url, stream=True)
            first, *_ = response.iter_lines(decode_unicode=True)
            if isinstance(first, bytes):
                first = first.decode()
            heads.append(first[:16])
            response.close()
    return heads
