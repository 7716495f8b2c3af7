# wrong: stalled elapsed
from concurrent.futures import ThreadPoolExecutor, wait

import requests


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    with ThreadPoolExecutor() as pool:
        futures = {name: pool.submit(requests.get, url) for name, url in services.items()}
        done, _ = wait(futures.values(), timeout=deadline)
        answers = {name: future.result().text for name, future in futures.items() if future in done}
    return {"answers": answers, "late": [name for name in services if name not in answers]}
