# wrong: leaked zombie_processes
import subprocess

import requests

session = requests.Session()
children = []


def run(urls):
    sizes = []
    for url in urls:
        sizes.append(len(session.get(url).content))
        children.append(subprocess.Popen(["true"]))
    return sizes
