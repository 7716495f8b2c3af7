# wrong: work
def run(urls):
    """Return the URLs that redirect too often."""
    return list(urls)
