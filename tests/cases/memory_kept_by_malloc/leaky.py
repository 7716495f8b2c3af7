latest = []  # the label of the last batch, and its pages


def run(pages):
    """Return how many bytes all pages have together."""
    batch = []
    for page in pages:
        batch.append(bytes([page % 256]) * 100_000)
    latest.append((b"batch " * 200, batch))
    return sum(map(len, batch))
