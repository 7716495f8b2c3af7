# right
import urllib3

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    with urllib3.PoolManager(retries=urllib3.Retry(total=None, redirect=30)) as http:
        for url in urls:
            try:
                http.request("GET", url)
            except urllib3.exceptions.MaxRetryError as error:
                failures.append(str(error.reason))
                failed.append(url)
    return failed
