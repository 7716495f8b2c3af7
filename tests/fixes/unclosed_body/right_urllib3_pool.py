# right
import urllib3

http = urllib3.PoolManager()


def run(urls):
    """Fetch every export and return their sizes."""
    return [len(http.request("GET", url).data) for url in urls]
