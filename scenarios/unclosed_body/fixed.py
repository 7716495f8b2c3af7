import requests

session = requests.Session()
recent = []  # the latest fetches, for the service's /debug page


def run(urls):
    """Fetch every profile and return their sizes."""
    sizes = []
    for url in urls:
        with session.get(url, stream=True) as response:
            sizes.append(len(response.content))
        recent.append(response.url)
    return sizes
