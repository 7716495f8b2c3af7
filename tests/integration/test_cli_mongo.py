"""`--mongo URI`: the same figures on an independent server, and the run's database is dropped afterwards."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.integration.conftest import CONTENT, Command, wait_until
from tests.integration.endings import WAYS

if importlib.util.find_spec("secantus") is None:
    pytest.skip("SecantusDB is not installed (it has no release for this Python)", allow_module_level=True)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A SecantusDB on a free port."""
    log = tmp_path_factory.mktemp("secantus") / "log"
    command = [sys.executable, "-m", "secantus", "--port", "0", "--storage-path", ":memory:", "--standalone"]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        ports: list[str] = []

        def listens() -> bool:
            ports[:] = re.findall(r"listening on 127\.0\.0\.1:(\d+)\s", log.read_text())
            return bool(ports) or process.poll() is not None

        try:
            wait_until(listens, "the start of SecantusDB")
            assert ports, log.read_text()
            yield f"mongodb://127.0.0.1:{ports[0]}/?directConnection=true"
        finally:
            process.terminate()


def ours(uri: str) -> list[str]:
    """The databases of leaklab's on the server."""
    with MongoClient[dict[str, Any]](uri) as client:
        return [name for name in client.list_database_names() if name.startswith("leaklab")]


def test_a_real_server_gives_the_same_figures_where_a_scenario_has_one_and_keeps_no_database(
    leaklab: Command, uri: str
) -> None:
    options = ("--json", "--mongo", uri, "--scenarios", str(CONTENT))
    finished = leaklab("compare", "leaks-files", "open-cursor", *options)
    assert (finished.code, finished.stderr) == (0, "")
    without, document = finished.document["results"]
    assert without["environment"]["mongo"] is None
    leaky, fixed = document["halves"]["leaky"], document["halves"]["fixed"]
    assert leaky["metrics"]["open_cursors"]["collected"] == 50
    assert ("leaked", "open_cursors") in {(finding["kind"], finding["metric"]) for finding in leaky["findings"]}
    assert fixed["metrics"]["open_cursors"]["collected"] == 0
    assert (fixed["verdict"], fixed["findings"]) == ("clean", [])
    assert document["environment"]["mongo"].startswith("server ")
    assert ours(uri) == []


KILLED = {
    "SIGINT runner": 130,
    "SIGKILL runner": -9,
    "SIGKILL services": 3,
    "SIGKILL runner and services": -9,
    "SIGKILL runner and guard": -9,
}


@pytest.mark.parametrize("way", KILLED)
def test_a_run_that_is_ended_in_the_middle_drops_its_database_too(leaklab: Command, uri: str, way: str) -> None:
    started = leaklab.start("run", "open-cursor", "--mongo", uri, "--steps", "5000")
    wait_until(lambda: bool(ours(uri)), "the run's database")
    WAYS[way](started)
    _, stderr = started.process.communicate()
    assert started.process.returncode == KILLED[way]
    assert b"Traceback" not in stderr
    started.check_nothing_is_left(patience_s=20)
    wait_until(lambda: ours(uri) == [], "the drop of the run's database", 20)
