"""The runner's side of the services' process, beside processes that are not what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import CursorType, MongoClient

from leaklab.content.catalog import Catalog
from leaklab.errors import MeasureError
from leaklab.lab.pair import run_scenario
from leaklab.lab.run_options import RunOptions
from leaklab.measure.target import Half
from leaklab.services import client, database
from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceCounts, ServiceNeeds
from leaklab.system.interrupts import Owner
from tests.integration.conftest import wait_until

BEGIN = """
import json, os, socket, sys

channel = socket.socket(fileno=int(sys.argv[1]))
lines = channel.makefile("r")

def answer(counts):
    channel.sendall(json.dumps({"counts": counts}).encode() + b"\\n")
"""

HTTP: dict[str, Any] = {
    "counters": {"connections": 3, "requests": 5},
    "peaks": {"sockets": 2},
    "routes": {"profiles": 5},
    "half_connections": 1,
    "answers_due": 0,
    "waited_s": 1.5,
}
MONGO: dict[str, Any] = {
    "counters": {"cursors": 4, "connections": 2, "requests": 7},
    "peaks": {"cursors": 4},
    "routes": {"read": 7},
}


def use_host(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """Have the services' process run this code."""
    (folder / "host.py").write_text(text)
    monkeypatch.setattr(client, "HOST", folder / "host.py")


def counts_of(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> ServiceCounts:
    """The counts that a process with this code gives."""
    use_host(monkeypatch, folder, BEGIN + body)
    with Owner() as owner:
        services = owner.enter_context(Services())
        its = HalfServices((1, 2), frozenset())
        services.ask_counts(its)
        return services.hear_counts(its)


def test_what_it_prints_never_keeps_it_from_answering(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pipe holds 64 KiB: a process that prints more waits until it is read."""
    counts = counts_of(monkeypatch, tmp_path, f"lines.readline(); print('x' * 1_000_000); answer([{HTTP}, {MONGO}])")
    assert counts.counters["requests"] == 12


def test_the_counts_of_two_services_are_added() -> None:
    http, mongo = ServiceCounts(**HTTP), ServiceCounts(**MONGO)
    for counts in (http + mongo, mongo + http):
        assert counts.counters == {"connections": 5, "requests": 12, "cursors": 4}
        assert counts.peaks == {"sockets": 2, "cursors": 4}
        assert counts.routes == {"profiles": 5, "read": 7}
        assert (counts.half_connections, counts.answers_due, counts.waited_s) == (1, 0, 1.5)
    remote = ServiceCounts(counters={"connections": None})
    assert (http + remote).counters["connections"] is None


def test_sessions_are_counted_that_no_cursor_accounts_for() -> None:
    with Owner() as owner:
        services = owner.enter_context(Services())
        its = services.start(("mongo",), ServiceNeeds(documents={"orders": [{"_id": n} for n in range(9)]}))

        def sessions() -> int | None:
            services.ask_counts(its)
            return services.hear_counts(its).counters["sessions"]

        assert sessions() == 0
        with MongoClient[dict[str, object]](its.endpoints["mongo"].uri) as client:
            orders = client[its.endpoints["mongo"].database]["orders"]
            cursors = [orders.find(batch_size=2) for _ in range(3)]
            assert [next(cursor)["_id"] for cursor in cursors] == [0, 0, 0]
            assert sessions() == 0
            kept = [client.start_session() for _ in range(2)]
            assert [orders.count_documents({}, session=session) for session in kept] == [9, 9]
            assert sessions() == 2
            for session in kept:
                session.end_session()
        assert sessions() == 0


def test_a_capped_collection_is_made_before_its_documents() -> None:
    documents = {"log": [{"_id": n} for n in range(9)], "orders": [{"_id": 1}]}
    with Owner() as owner:
        services = owner.enter_context(Services())
        its = services.start(("mongo",), ServiceNeeds(documents=documents, capped={"log": 4096}))
        with MongoClient[dict[str, object]](its.endpoints["mongo"].uri) as client:
            database = client[its.endpoints["mongo"].database]
            assert database["log"].options() == {"capped": True, "size": 4096}
            assert database["orders"].options() == {}
            with database["log"].find(cursor_type=CursorType.TAILABLE) as cursor:
                assert ([each["_id"] for each in cursor], cursor.alive) == ([*range(9)], True)


@pytest.mark.parametrize("way", ["it ends", "the runner is gone"])
def test_the_temporary_folder_of_a_half_goes_with_it_whatever_is_in_it(tmp_path: Path, way: str) -> None:
    kept, half = tmp_path / "kept", tmp_path / "half.py"
    kept.mkdir(mode=0o500)
    half.write_text("def run(): ...\n")
    with Owner() as owner:
        services = owner.enter_context(Services())
        target = Half(half, services)
        target.__enter__()
        # While it becomes another program, a process has no environment.
        wait_until(lambda: psutil.Process(target.pid).environ() != {}, "the start of the worker")
        assert psutil.Process(target.pid).environ()["TMPDIR"] == str(target.folder / "tmp")
        (target.folder / "a" / "b").mkdir(parents=True)
        (target.folder / "a" / "link").symlink_to(kept)
        (target.folder / "a" / "b").chmod(0o500)
        (target.folder / "a").chmod(0o500)
        if way == "it ends":
            target.end()
            assert not target.folder.exists()
    assert not target.folder.exists()
    assert not psutil.pid_exists(target.pid) or psutil.Process(target.pid).status() == psutil.STATUS_ZOMBIE
    assert kept.stat().st_mode & 0o777 == 0o500
    target.end()


def test_a_database_that_stays_on_a_server_is_named_with_the_command_that_drops_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The services' process is killed, and the server is gone, too: nobody can drop it."""
    monkeypatch.setattr(database, "REACH_S", 0.1)
    uri = "mongodb://me:***@127.0.0.1:1/"
    command = f"Remove it: mongosh '{uri}' --eval 'db.getSiblingDB(\"leaklab_x\").dropDatabase()'"
    with Owner() as owner:
        services = owner.enter_context(Services())
        owner.pop_all()
        services._list(do="guard", database="leaklab_x", uri="mongodb://me:secret@127.0.0.1:1/")
        services._child.process.kill()
        with pytest.raises(MeasureError) as raised:
            services.__exit__()
    assert f"ended unexpectedly, and the database leaklab_x is left on {uri} (" in str(raised.value)
    assert str(raised.value).endswith(command)


def test_the_last_words_of_a_process_that_dies_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=r"ended unexpectedly: out of luck$"):
        counts_of(monkeypatch, tmp_path, "print('well'); sys.exit('out of luck')")


def test_they_are_told_also_where_a_half_has_to_be_ended_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_host(monkeypatch, tmp_path, "import sys\nsys.exit('out of luck')\n")
    entry = Catalog().get("unclosed-body")
    with pytest.raises(MeasureError, match=r"ended unexpectedly: out of luck$"):
        run_scenario(entry, entry.scenario.settings.changed(entry.id, {"steps": 3}), RunOptions())
