# right
import requests

failures = []


def run(urls):
    """Return the URLs that redirect too often."""
    failed = []
    with requests.Session() as session:
        for url in urls:
            place = url
            for _ in range(31):
                response = session.get(place, allow_redirects=False)
                if not response.is_redirect:
                    break
                place = requests.compat.urljoin(place, response.headers["Location"])
            else:
                failures.append(f"{url} redirects too often")
                failed.append(url)
    return failed
