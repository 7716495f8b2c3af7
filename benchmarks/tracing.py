"""What `leaklab trace` counts of servers in four languages, and what a sample of 500 sockets costs.

The servers ask a service that counts the connections it accepts: what is counted is shown beside that. What is not
installed (Flask, node, go, cc, strace) is left out, and named.

    python -m benchmarks.tracing [NAME…]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import http.server
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leaklab.measure.tree import TreeProbe

FLASK = """
import flask, requests, sys
app, session, kept = flask.Flask(__name__), requests.Session(), []
@app.get("/leak")
def leak():
    kept.append(session.get(sys.argv[2], stream=True))
    return "ok"
@app.get("/waste")
def waste():
    return str(len(requests.get(sys.argv[2]).content))
@app.get("/clean")
def clean():
    return str(len(session.get(sys.argv[2]).content))
app.run(port=int(sys.argv[1]), threaded=True)
"""

NODE = """
const http = require('http'), [,, port, up] = process.argv, kept = [], pool = new http.Agent({keepAlive: true});
http.createServer((asked, answer) => {
  const leaks = asked.url === '/leak';
  const agent = asked.url === '/clean' ? pool : new http.Agent({keepAlive: leaks});
  http.get(up, {agent}, (got) => {
    if (leaks) { kept.push(got); got.pause(); answer.end('ok'); }
    else { got.resume(); got.on('end', () => answer.end('ok')); }
  });
}).listen(+port, '127.0.0.1');
"""

GO = """
package main

import ("io"; "net/http"; "os")

var kept []*http.Response

func main() {
	handle := func(path string, use func(*http.Response)) {
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if response, err := http.Get(os.Args[2]); err == nil { use(response) }
			io.WriteString(w, "ok")
		})
	}
	handle("/leak", func(response *http.Response) { kept = append(kept, response) })
	handle("/clean", func(response *http.Response) { io.Copy(io.Discard, response.Body); response.Body.Close() })
	http.ListenAndServe("127.0.0.1:" + os.Args[1], nil)
}
"""

C = """
#include <fcntl.h>
#include <unistd.h>
int main(void) { for (int i = 0; i < 200; i++) { open("/etc/hostname", O_RDONLY); usleep(20000); } return 0; }
"""

SOCKETS = """
import socket, sys, time
kept = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
print("ready", flush=True)
time.sleep(600)
"""

LOADS = 50
BODY = b"y" * 200_000


class Case(NamedTuple):
    """One program, one path of it, and the way its connections are counted."""

    name: str
    command: tuple[str, ...]
    path: str
    way: str


class CountingServer(http.server.ThreadingHTTPServer):
    """Answers with a body, keeps connections alive, and counts those that it accepts."""

    daemon_threads = True
    request_queue_size = 512
    accepted = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count a connection."""
        self.accepted += 1
        super().process_request(request, client_address)

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


class BodyHandler(http.server.BaseHTTPRequestHandler):
    """Answers every request with the same body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send the body."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def service() -> Iterator[CountingServer]:
    """The service that the programs ask."""
    with CountingServer(("127.0.0.1", 0), BodyHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def cases(folder: Path) -> Iterator[Case]:
    """The cases that can be measured here; those that cannot are named."""
    (folder / "app.py").write_text(FLASK)
    (folder / "app.js").write_text(NODE)
    (folder / "app.go").write_text(GO)
    (folder / "app.c").write_text(C)
    if importlib.util.find_spec("flask") is None:
        print("<!-- Flask is not installed -->")
    else:
        flask = (sys.executable, str(folder / "app.py"))
        yield Case("Flask, one socket kept per request", flask, "leak", "hook")
        yield Case("Flask, a new connection per request", flask, "waste", "hook")
        yield Case("Flask, a new connection per request", flask, "waste", "preload")
        yield Case("Flask, clean", flask, "clean", "hook")
    for tool in ("node", "go", "cc", "strace"):
        if shutil.which(tool) is None:
            print(f"<!-- {tool} is not installed -->")
    if shutil.which("node"):
        node = ("node", str(folder / "app.js"))
        yield Case("Node, one socket kept per request", node, "leak", "auto")
        yield Case("Node, not reused", node, "waste", "auto")
        yield Case("Node, clean", node, "clean", "auto")
    if shutil.which("go"):
        subprocess.run([shutil.which("go") or "go", "build", "-o", "app-go", "app.go"], cwd=folder, check=True)
        for way in ("auto", "strace") if shutil.which("strace") else ("auto",):
            yield Case("Go, body not closed", (str(folder / "app-go"),), "leak", way)
            yield Case("Go, clean", (str(folder / "app-go"),), "clean", way)
    if shutil.which("cc"):
        subprocess.run([shutil.which("cc") or "cc", "-o", "app-c", "app.c"], cwd=folder, check=True)
        yield Case("C, 200 descriptors in 4 s, no load", (str(folder / "app-c"),), "", "auto")


def measured(case: Case, server: CountingServer, folder: Path) -> Sequence[object]:
    """The row of a case."""
    before, port, report = server.accepted, free_port(), folder / "report.json"
    command = [sys.executable, "-m", "leaklab", "trace", "--json", "-o", str(report), "--count", case.way]
    if case.path:
        load = [f"curl -sf http://127.0.0.1:{port}/{path}" for path in ("clean", case.path)]
        command += ["--warm-up", load[0], "--load", load[1], "--times", str(LOADS)]
    arguments = [str(port), f"http://127.0.0.1:{server.server_port}/"] if case.path else []
    subprocess.run([*command, "--", *case.command, *arguments], capture_output=True, check=False)
    document = json.loads(report.read_text())
    counts = [moment["metrics"] for moment in document["moments"]]
    descriptors = " → ".join(str(one["open_fds"]) for one in counts)
    opened = " → ".join(
        "unknown" if one["connections_opened"] is None else str(one["connections_opened"]) for one in counts
    )
    kinds = ", ".join(f"{one['kind']} {one['metric']}" for one in document["findings"])
    accepted = server.accepted - before if case.path else "–"
    return case.name, descriptors, opened, document["counted_by"], accepted, kinds or document["verdict"]


def cost(sockets: int, *, anew: bool, samples: int = 200) -> tuple[float, float]:
    """Milliseconds of CPU time that a sample of a process with so many sockets takes: median and ninth decile."""
    with socket.create_server(("127.0.0.1", 0), backlog=sockets + 1) as listening:
        command = [sys.executable, "-c", SOCKETS, str(listening.getsockname()[1]), str(sockets)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            kept = [listening.accept()[0] for _ in range(sockets)]
            assert process.stdout is not None  # noqa: S101 # it is a pipe
            process.stdout.readline()
            probe, took = TreeProbe(process.pid), list[float]()
            for _ in range(samples):
                begun = time.process_time()
                probe.read(anew=anew)
                took.append((time.process_time() - begun) * 1000)
            process.kill()
            for one in kept:
                one.close()
    took.sort()
    return took[samples // 2], took[samples * 9 // 10]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="words that the names of cases contain")
    given = parser.parse_args()
    print(f"{LOADS} loads after a warm-up, {os.cpu_count()} cores, {datetime.date.today()}\n")
    print("| program | descriptors | connections opened | counted by | accepted in all | found |")
    print("| --- | --- | --- | --- | ---: | --- |", flush=True)
    with tempfile.TemporaryDirectory() as name, service() as server:
        for case in cases(Path(name)):
            if not given.names or any(word.lower() in case.name.lower() for word in given.names):
                print("|", " | ".join(map(str, measured(case, server, Path(name)))), "|", flush=True)
    print("\n| sockets of a process | descriptors looked at | CPU of a sample, median | nine in ten are below |")
    print("| ---: | --- | ---: | ---: |")
    for sockets in (0, 100, 500):
        for anew in (False, True):
            cells = (f"{took:.1f} ms" for took in cost(sockets, anew=anew))
            print("|", " | ".join([str(sockets), "each one" if anew else "new ones", *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
