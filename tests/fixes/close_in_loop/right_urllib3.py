# right
import urllib3


def run(urls):
    """Return the first 16 characters of every profile."""
    with urllib3.PoolManager() as http:
        return [http.request("GET", url).data[:16].decode() for url in urls]
