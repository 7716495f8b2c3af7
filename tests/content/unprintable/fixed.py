class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def run(jobs):
    for _ in jobs:
        raise Silent
