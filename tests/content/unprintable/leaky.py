class Silent:
    def __repr__(self):
        raise RuntimeError("no words")


def run(jobs):
    for _ in jobs:
        pass
    return Silent()
