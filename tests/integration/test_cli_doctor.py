"""`leaklab doctor` in real processes: what it finds on this machine, what it says of a bad one, and what it leaves."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator

import jsonschema
import pytest

from tests.integration.conftest import Command, Document, Finished

COULD_NOT_MEASURE = 3

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


def test_everything_that_leaklab_starts_works_here(once: Callable[..., Finished]) -> None:
    """The fixture sees to it that no process, port or file is left."""
    finished = once("doctor", "--json")
    assert finished.code == 0, finished.stdout
    assert finished.stderr == ""
    document = finished.document
    assert finished.stdout.isascii()
    assert document["works"] is True
    for name in ("Python", "leaklab", "libraries", "measuring", "MongoDB, embedded", "scenarios"):
        assert check(document, name)["state"] == "ok", document
    assert "all 3 sockets" in check(document, "measuring")["found"]


def test_the_first_line_says_whether_all_is_well(leaklab: Command) -> None:
    finished = leaklab("doctor", env={"PYTHONIOENCODING": "utf-8", "COLUMNS": "80"})
    assert (finished.code, finished.stderr) == (0, "")
    # A machine with one core, or with little memory, has warnings.
    assert re.match(r"leaklab works here(: \d+ checks passed\.\n$|, with \d+ warnings?:\n)", finished.stdout)


def test_problems_are_shown_and_with_all_every_check_in_what_characters_the_output_can_carry(leaklab: Command) -> None:
    env = {"PYTHONIOENCODING": "ascii", "COLUMNS": "60", "NO_COLOR": "1"}
    short = leaklab("doctor", env=env).stdout
    assert re.match(r"leaklab works here, with \d+ warnings:\n", short)
    assert "PYTHONUTF8=1" in short
    assert sys.executable not in short
    finished = leaklab("doctor", "--all", env=env)
    assert finished.code == 0
    assert finished.stdout.isascii()
    assert "\x1b" not in finished.stdout
    # What stands for a character may be longer than that: "->".
    lines = finished.stdout.splitlines()
    assert max(len(line) for line in lines if "->" not in line) <= 60
    assert re.search(r"^leaklab works here, with \d+ warnings?\.$", finished.stdout, re.MULTILINE)
    assert sys.executable in finished.stdout.replace("\n", "").replace(" ", "")
    text = " ".join(finished.stdout.split())
    assert "60 columns, colours: none" in text
    assert "PYTHONUTF8=1" in text


def test_a_server_that_is_there_is_reachable_and_a_proxy_in_the_environment_disturbs_nothing_and_is_named(
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


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """What is said where three things are wrong: a limit, a scenario, a server."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 100:
        pytest.skip("this machine's own limit of descriptors is lower")
    folder = tmp_path_factory.mktemp("bad")
    broken = folder / "mine" / "half_done"
    broken.mkdir(parents=True)
    (broken / "leaky.py").write_text("def run(): pass\n")
    python = "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100));"
    start = (sys.executable, "-c", f"{python} runpy.run_module('leaklab', run_name='__main__')")
    server = "mongodb://user:secret@127.0.0.1:9"
    return Command(folder, start)("doctor", "--json", "--scenarios", str(broken.parent), "--mongo", server)


def test_each_thing_that_is_wrong_fails_its_own_check_and_no_other_and_the_exit_code_says_so(bad: Finished) -> None:
    assert bad.code == COULD_NOT_MEASURE
    failed = {entry["name"] for entry in bad.document["checks"] if entry["state"] == "failed"}
    assert failed == {"MongoDB, --mongo", "scenarios", "descriptors"}


def test_a_server_that_is_not_there_is_told_without_its_password(bad: Finished) -> None:
    assert "no MongoDB server answered" in check(bad.document, "MongoDB, --mongo")["found"]
    assert "secret" not in bad.stdout


def test_a_broken_scenario_is_named(bad: Finished) -> None:
    assert "half-done is broken" in check(bad.document, "scenarios")["found"]


def test_a_low_limit_of_descriptors_is_told_with_the_steps_it_allows(bad: Finished) -> None:
    found = check(bad.document, "descriptors")
    assert "hard limit 100: not enough for 50 steps" in found["found"]
    assert "--steps 36" in found["remedy"]


# ---- the other forms of what is printed


def test_the_schema_is_printed_and_the_printed_document_validates(once: Callable[..., Finished]) -> None:
    schema = once("schema").document
    jsonschema.Draft202012Validator.check_schema(schema)
    document = once("run", "unclosed-body", "--json", "--steps", "7").document
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("command", [("run", "unclosed-body", "--steps", "5"), ("compare", "unclosed-body")])
def test_markdown_is_printed_without_wrapping(leaklab: Command, command: tuple[str, ...]) -> None:
    finished = leaklab(*command, "--format", "markdown", env={"COLUMNS": "20"})
    assert finished.code == 0
    table = [line for line in finished.stdout.splitlines() if line.startswith("|")]
    assert len(table) > 2
    assert all(line.endswith("|") for line in table)
    assert "leaks" in finished.stdout
