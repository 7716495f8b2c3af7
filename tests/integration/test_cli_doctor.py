"""`leaklab doctor` in real processes: what it finds on this machine, what it says of a bad one, and what it leaves."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import COULD_NOT_MEASURE, Command, Document

SERVER = """
import asyncio
from leaklab.services.mongo.server import MongoService

async def main():
    print(await MongoService().start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def mongo() -> Iterator[str]:
    """A MongoDB server that is none of the command's own."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"mongodb://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def check(document: Document, name: str) -> Document:
    found: Document = next(check for check in document["checks"] if check["name"] == name)
    return found


def test_everything_that_leaklab_starts_works_here_and_nothing_of_it_is_left(leaklab: Command) -> None:
    finished = leaklab("doctor", "--json")
    assert (finished.code, finished.stderr) == (0, "")
    document = finished.document
    assert document["works"] is True
    for name in ("Python", "leaklab", "libraries", "measuring", "MongoDB, embedded", "scenarios"):
        assert check(document, name)["state"] == "ok", document
    assert "all 3 sockets" in check(document, "measuring")["found"]


def test_every_check_is_shown_on_request_in_the_characters_and_columns_that_the_output_has(leaklab: Command) -> None:
    finished = leaklab("doctor", "--all", env={"PYTHONIOENCODING": "ascii", "COLUMNS": "60", "NO_COLOR": "1"})
    assert finished.code == 0
    assert finished.stdout.isascii()
    assert "\x1b" not in finished.stdout
    # What stands for a character may be longer than that: "->".
    lines = finished.stdout.splitlines()
    assert max(len(line) for line in lines if "->" not in line) <= 60
    assert sys.executable in "".join(finished.stdout.split())
    text = " ".join(finished.stdout.split())
    assert "60 columns, colours: none" in text
    assert "PYTHONUTF8=1" in text


def test_a_server_is_reachable_and_a_proxy_in_the_environment_disturbs_nothing_and_is_named(
    leaklab: Command, mongo: str
) -> None:
    proxies = {"HTTP_PROXY": "http://u:secret@127.0.0.1:9", "all_proxy": "http://127.0.0.1:9", "no_proxy": None}
    finished = leaklab("doctor", "--json", "--mongo", mongo, env={**proxies, "NO_PROXY": None})
    assert finished.code == 0
    found = check(finished.document, "MongoDB, --mongo")
    assert found["state"] == "ok"
    assert re.match(r"server \d+\.\d+.*: reachable, serverStatus allowed", found["found"])
    assert "HTTP_PROXY, all_proxy set" in check(finished.document, "proxy")["found"]
    assert "secret" not in finished.stdout


def test_each_thing_that_is_wrong_fails_its_own_check_and_no_other_and_the_exit_code_says_so(tmp_path: Path) -> None:
    """A limit, a scenario and a server."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 100:
        pytest.skip("this machine's own limit of descriptors is lower")
    broken = tmp_path / "mine" / "half_done"
    broken.mkdir(parents=True)
    (broken / "leaky.py").write_text("def run(): pass\n")
    python = "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100));"
    start = (sys.executable, "-c", f"{python} runpy.run_module('leaklab', run_name='__main__')")
    server = "mongodb://user:secret@127.0.0.1:9"
    bad = Command(tmp_path, start)("doctor", "--json", "--scenarios", str(broken.parent), "--mongo", server)
    assert bad.code == COULD_NOT_MEASURE
    failed = {entry["name"]: entry for entry in bad.document["checks"] if entry["state"] == "failed"}
    assert set(failed) == {"MongoDB, --mongo", "scenarios", "descriptors"}
    assert "half-done" in failed["scenarios"]["found"]
    assert "hard limit 100" in failed["descriptors"]["found"]
    assert "--steps 36" in failed["descriptors"]["remedy"]
    assert "secret" not in bad.stdout
