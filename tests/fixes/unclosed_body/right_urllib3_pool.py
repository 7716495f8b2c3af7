# right
import urllib3

http = urllib3.PoolManager()


def run(urls):
    """Fetch every profile and return their sizes."""
    return [len(http.request("GET", url).data) for url in urls]
