latest = None  # the label of the last batch, made while all of its pages were there


def run(pages):
    """Return how many bytes all pages have together."""
    global latest
    batch = []
    for page in pages:
        batch.append(bytes([page % 256]) * 100_000)
    latest = b"batch " * 200
    return sum(map(len, batch))
