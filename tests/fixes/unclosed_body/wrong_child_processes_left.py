# wrong: leaked child_processes
import subprocess

import requests

session = requests.Session()
children = []


def run(urls):
    sizes = []
    for n, url in enumerate(urls):
        sizes.append(len(session.get(url).content))
        if n % 5 == 0:
            children.append(subprocess.Popen(["sleep", "120"]))
    return sizes
