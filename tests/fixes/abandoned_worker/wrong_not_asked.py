# wrong: work
def run(urls, patience):
    """Ask for all URLs, one after the other; return those whose answer was late."""
    return list(urls)
