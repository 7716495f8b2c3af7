# wrong: held open_sockets
import logging
from contextlib import ExitStack

import requests

log = logging.getLogger(__name__)


def run(urls):
    """Return the first 16 characters of every profile."""
    log.info("fetching %d profiles: %s", len(urls), ", ".join(urls))
    heads = []
    with ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        for url in urls:
            response = stack.enter_context(session.get(url, stream=True))
            heads.append(response.raw.read(16).decode())
    return heads
