# wrong: wasted connections_opened
import queue
import threading

import requests


def work(todo, sizes):
    for number, url in iter(todo.get, None):
        sizes[number] = len(requests.get(url).content)


def run(urls):
    todo, sizes = queue.Queue(), {}
    threads = [threading.Thread(target=work, args=(todo, sizes)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for item in enumerate(urls):
        todo.put(item)
    for _ in threads:
        todo.put(None)
    for thread in threads:
        thread.join()
    return [sizes[n] for n in sorted(sizes)]
