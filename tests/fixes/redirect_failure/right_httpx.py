# right
import httpx

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    with httpx.Client(follow_redirects=True, max_redirects=30) as client:
        for url in urls:
            try:
                client.get(url)
            except httpx.TooManyRedirects as error:
                failures.append(str(error))
                failed.append(url)
    return failed
