# right
from array import array
from multiprocessing import get_context

fork = get_context("fork")
ours, theirs = fork.Pipe()


def serve(conn):
    while True:
        size = conn.recv()
        readings = array("d", [1.0, 2.0]) * (size // 16)
        conn.send(sum(readings) / len(readings))
        del readings


worker = fork.Process(target=serve, args=(theirs,), daemon=True)
worker.start()


def run(size, jobs):
    ours.send(size)
    mean = ours.recv()
    return [job * mean for job in jobs]
