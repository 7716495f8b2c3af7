# wrong: wasted connections_opened
import multiprocessing

import requests

fork = multiprocessing.get_context("fork")


def fetch(jobs, results):
    session, kept = requests.Session(), []
    while (url := jobs.get()) is not None:
        kept.append(session.get(url, stream=True))
        results.put(int(kept[-1].headers["Content-Length"]))


jobs, results = fork.SimpleQueue(), fork.SimpleQueue()
worker = fork.Process(target=fetch, args=(jobs, results), daemon=True)


def run(urls):
    """Fetch every export and return their sizes."""
    worker.start()
    sizes = []
    for url in urls:
        jobs.put(url)
        sizes.append(results.get())
    return sizes
