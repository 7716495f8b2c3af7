import requests

session = requests.Session()
recent = []  # the last responses, for the service's /debug page


def run(urls):
    """Fetch every profile and return their sizes."""
    sizes = []
    for url in urls:
        with session.get(url, stream=True) as response:
            recent.append(response)
            sizes.append(len(response.content))
    return sizes
