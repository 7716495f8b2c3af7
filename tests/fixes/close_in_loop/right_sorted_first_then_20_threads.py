# right
import threading
from queue import Empty, SimpleQueue

import httpx


def run(urls):
    todo, heads = SimpleQueue(), {}
    for item in sorted(enumerate(urls), reverse=True):
        todo.put(item)
    with httpx.Client(limits=httpx.Limits(max_connections=20)) as client:

        def work():
            while True:
                try:
                    number, url = todo.get_nowait()
                except Empty:
                    return
                heads[number] = client.get(url).text[:16]

        crew = [threading.Thread(target=work) for _ in range(20)]
        for one in crew:
            one.start()
        for one in crew:
            one.join()
    return [heads[number] for number in sorted(heads)]
