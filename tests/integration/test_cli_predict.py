"""`run --predict`: a person at a terminal, guesses on standard input, a room's guesses in a file."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.integration.conftest import Command, complaint

RUN = ("run", "unclosed-body", "--steps", "6")
ROOM = """\
who,half,metric,guess
Ada,leaky,open_sockets,6
Ada,fixed,open_sockets,1
Grace,leaky,open sockets,5
Grace,fixed,open_sockets,-
Grace,leaky,connections_opened,9
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    file = tmp_path / "room.csv"
    file.write_text(ROOM, encoding="utf-8")
    return file


def piped(leaklab: Command, text: str, *arguments: str) -> tuple[int, str, str]:
    """Run leaklab with `text` on its standard input, and see that nothing is left."""
    started = leaklab.start(*arguments, stdin=subprocess.PIPE)
    stdout, stderr = started.process.communicate(text.encode(), timeout=60)
    started.check_nothing_is_left()
    return started.process.returncode, stdout.decode(), stderr.decode()


def test_a_room_sees_its_guesses_beside_the_measurement(leaklab: Command, room: Path) -> None:
    finished = leaklab(*RUN, "--guesses", str(room))
    assert finished.code == 0, finished.stderr
    words = " ".join(finished.stdout.split())
    assert words.index("open sockets") < words.index("Right: ")
    assert "Right: Ada: 2 of 2, Grace: 0 of 2" in words


def test_the_document_holds_every_guess(leaklab: Command, room: Path) -> None:
    finished = leaklab(*RUN, "--guesses", str(room), "--json")
    assert finished.code == 0, finished.stderr
    first, *_, last = finished.document["predictions"]
    assert {key: first[key] for key in ("half", "metric", "moment", "measured", "median", "closest", "right")} == {
        "half": "leaky",
        "metric": "open_sockets",
        "moment": "collected",
        "measured": 6,
        "median": 5.5,
        "closest": ["Ada"],
        "right": 1,
    }
    assert first["guesses"][1] == {"who": "Grace", "guess": 5.0, "right": False}
    assert (last["half"], last["metric"], last["guesses"]) == ("fixed", "connections_opened", [])


def test_without_predict_there_are_no_predictions(leaklab: Command) -> None:
    assert "predictions" not in leaklab(*RUN, "--json").document


def test_guesses_come_from_standard_input_where_that_is_no_terminal(leaklab: Command) -> None:
    guesses = "half,metric,guess\nleaky,open_sockets,6\nfixed,open_sockets,2\n"
    code, stdout, stderr = piped(leaklab, guesses, *RUN, "--predict")
    assert code == 0, stderr
    words = " ".join(stdout.split())
    assert "your guess" in words
    assert "Right: 1 of 2" in words
    assert stderr == ""


def test_memory_is_guessed_in_mib_and_time_with_units(leaklab: Command) -> None:
    guesses = "half,metric,guess\nleaky,rss,85\nfixed,rss,3GiB\n"
    code, stdout, _ = piped(leaklab, guesses, "run", "huge-array", "--set", "size=64MiB", "--predict", "--json")
    leaky, fixed = json.loads(stdout)["predictions"]
    assert code == 0
    assert (leaky["moment"], leaky["right"]) == ("end", 1)
    assert (fixed["guesses"][0]["guess"], fixed["right"]) == (3 * 2**30, 0)


def test_every_half_that_is_run_can_be_guessed(leaklab: Command) -> None:
    guesses = "half,metric,guess\nalmost,connections_opened,6\n"
    code, stdout, _ = piped(leaklab, guesses, *RUN, "--almost", "--predict", "--json")
    assert code == 0
    assert [prediction["right"] for prediction in json.loads(stdout)["predictions"]] == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty: write a header, who,half,metric,guess"),
        ("who,half,metric,guess\nAda,leaky,open_sockets,many\n", "line 2: 'many' is not a number of sockets"),
        ("who,half,metric,guess\nAda,almost,open_sockets,1\n", "there is no question 'almost,open_sockets'"),
        ("\udcff", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_before_anything_runs(
    leaklab: Command, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert words in complaint(leaklab(*RUN, "--guesses", str(file)), 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--guesses", "nowhere.csv"), "nowhere.csv cannot be read: No such file or directory"),
        (("--predict",), "standard input is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused(leaklab: Command, arguments: tuple[str, ...], words: str) -> None:
    assert words in complaint(leaklab(*RUN, *arguments), 2)


# ---- at a terminal


class Person:
    """A person at a terminal, whose standard output goes to a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.printed = folder / "printed"
        command = [sys.executable, "-m", "leaklab", *arguments]
        plain = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        self.child: pexpect.spawn[str] = pexpect.spawn(
            "/bin/sh",
            ["-c", f'exec {shlex.join(command)} > "{self.printed}"'],
            env={**plain, "TERM": "dumb", "COLUMNS": "80"},
            encoding="utf-8",
            timeout=60,
        )

    def answers(self, words: str, text: str) -> None:
        """Wait until `words` are on the screen, and type `text`."""
        self.child.expect_exact(words)
        self.child.send(text)

    def finish(self) -> str:
        """What was printed on standard output in the end."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.printed.read_text()


def test_a_person_is_asked_before_anything_is_shown_and_again_after_a_slip(tmp_path: Path) -> None:
    person = Person(tmp_path, *RUN, "--predict", "--json")
    person.answers("leaky: open sockets, after return? ", "many\n")
    person.answers("'many' is not a number of sockets: write a whole number, like 7", "")
    person.answers("leaky: open sockets", "6\n")
    person.answers("fixed: open sockets", "-\n")
    person.answers("leaky: connections opened? ", "\n")
    person.answers("fixed: connections opened? ", "\x04")
    document = json.loads(person.finish())
    assert person.child.exitstatus == 0
    assert [len(prediction["guesses"]) for prediction in document["predictions"]] == [1, 0, 0, 0]
    assert document["predictions"][0]["guesses"] == [{"who": None, "guess": 6.0, "right": True}]


def test_settings_that_cannot_be_meant_are_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    person = Person(tmp_path, "run", "unbounded-wait", "--set", "hang=300ms", "--predict")
    person.answers("hangs for 300 ms, less than", "")
    assert person.finish() == ""
    assert person.child.exitstatus == 2


def test_an_interrupt_while_asking_ends_it(tmp_path: Path) -> None:
    person = Person(tmp_path, *RUN, "--predict")
    person.answers("leaky: open sockets", "\x03")
    assert person.finish() == ""
    assert person.child.exitstatus == 130
