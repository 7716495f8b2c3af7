# wrong: wasted connections_opened
import requests


def run(urls):
    heads = []
    with requests.Session() as session:
        for number, url in enumerate(urls, start=1):
            with session.get(url, stream=True) as response:
                if number <= len(urls) // 2:
                    heads.append(response.raw.read(16).decode())
                else:
                    heads.append(response.text[:16])
    return heads
