# right
import urllib3

http = urllib3.PoolManager()
recent = []


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = http.request("GET", url, preload_content=False)
        recent.append(response)
        sizes.append(int(response.headers["Content-Length"]))
        response.drain_conn()
        response.release_conn()
    return sizes
