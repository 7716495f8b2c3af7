# right
import requests

BATCH = 25


def batches(items):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    for batch in batches(urls):
        with requests.Session() as session:
            heads += [session.get(url).text[:16] for url in batch]
    return heads
