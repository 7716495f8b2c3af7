# right
import requests


def run(urls):
    """Return the URLs that redirect too often."""
    failed, session = [], requests.Session()
    for number, url in enumerate(urls):
        if number % 50 == 49:
            session.close()
            session = requests.Session()
        try:
            session.get(url).raise_for_status()
        except requests.TooManyRedirects as error:
            failed.append(error.request.url)
    session.close()
    return failed
