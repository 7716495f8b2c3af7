"""`run --predict`: a person at a terminal, guesses on standard input, a room's guesses in a file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import CONTENT, INTERRUPTED, WRONG_USAGE, Command, Finished, Terminal, complaint

RUN = ("run", "unclosed-body", "--steps", "6", "--no-explain")
ROOM = """\
leaky,open_sockets: 5×2 6x1
who,half,metric,guess
Ada,leaky,open_sockets,6
Ada,fixed,open_sockets,1
Grace,leaky,open sockets,5
Grace,fixed,open_sockets,-
Grace,leaky,connections_opened,9
"""


def piped(leaklab: Command, text: str, *arguments: str) -> Finished:
    """Run leaklab with `text` on its standard input, and see that nothing is left."""
    finished = leaklab.start(*arguments, stdin=subprocess.PIPE).finish(typed=text)
    assert (finished.code, finished.stderr) == (0, "")
    return finished


def test_the_document_holds_every_guess_of_a_room(leaklab: Command, tmp_path: Path) -> None:
    room = tmp_path / "room.csv"
    room.write_text(ROOM, encoding="utf-8")
    finished = leaklab(*RUN, "--guesses", str(room), "--json")
    assert finished.code == 0, finished.stderr
    first, *_, last = finished.document["predictions"]
    guesses = first.pop("guesses")
    assert guesses[1] == {"who": "Grace", "count": 1, "guess": 5.0, "right": False}
    assert guesses[2] == {"who": None, "count": 2, "guess": 5.0, "right": False}
    assert first == {
        "half": "leaky",
        "metric": "open_sockets",
        "moment": "collected",
        "unit": "count",
        "measured": 6,
        "median": 5.0,
        "closest": ["Ada"],
        "right": 2,
    }
    assert (last["half"], last["metric"], last["guesses"]) == ("fixed", "connections_opened", [])


def test_guesses_come_from_standard_input_where_that_is_no_terminal(leaklab: Command) -> None:
    finished = piped(leaklab, "half,metric,guess\nleaky,open_sockets,6\nfixed,open_sockets,2\n", *RUN, "--predict")
    words = " ".join(finished.stdout.split())
    assert words.index("your guess") < words.index("Right: 1 of 2") < words.index("verdict") < words.index("Why:")


def test_the_hands_of_a_room_are_on_the_first_screen_also_in_ascii(leaklab: Command, tmp_path: Path) -> None:
    for name, half in (("one.txt", "leaky"), ("two.txt", "fixed")):
        (tmp_path / name).write_text(f"{half},open_fds: 1×3 2×1 3×1 4×1 5×1 7×1 8×1 9×12\n", encoding="utf-8")
    guesses = ("--guesses", str(tmp_path / "one.txt"), "--guesses", str(tmp_path / "two.txt"))
    env = {"PYTHONIOENCODING": "ascii"}
    finished = leaklab("run", "leaks-files", "--scenarios", str(CONTENT), "--no-explain", *guesses, env=env)
    assert finished.code == 0, finished.stderr
    histogram, _, run = "\n".join(finished.stdout.splitlines()[:24]).partition("Right: counts exact")
    assert [histogram.count(words) for words in ("leaky: measured", "fixed: measured", " > ")] == [1, 1, 2]
    assert histogram.count(" ############ 12") == 2
    assert "leaks-files" in run
    assert finished.stdout.isascii()


def test_memory_is_guessed_in_mib_and_with_units(leaklab: Command) -> None:
    guesses = "half,metric,guess\nleaky,rss,85\nfixed,rss,3GiB\n"
    finished = piped(
        leaklab, guesses, "run", "huge-array", "--set", "size=64MiB", "--no-explain", "--predict", "--json"
    )
    leaky, fixed = finished.document["predictions"]
    assert (leaky["moment"], leaky["right"]) == ("end", 1)
    assert (fixed["guesses"][0]["guess"], fixed["right"]) == (3 * 2**30, 0)


def test_every_half_that_is_run_can_be_guessed(leaklab: Command) -> None:
    guesses = "half,metric,guess\nalmost,connections_opened,6\n"
    finished = piped(leaklab, guesses, *RUN, "--almost", "--predict", "--json")
    assert [prediction["right"] for prediction in finished.document["predictions"]] == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--guesses", "empty.csv"), "is empty"),
        (("--guesses", "latin.csv"), "is not UTF-8 text"),
        (("--guesses", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("--predict",), "standard input is empty"),
    ],
)
def test_guesses_that_cannot_be_read_are_refused_before_anything_runs(
    leaklab: Command, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "latin.csv").write_bytes(b"\xff")
    assert words in complaint(leaklab(*RUN, *arguments), WRONG_USAGE)


# ---- at a terminal, with standard output in a file


def test_a_person_is_asked_before_anything_is_shown_and_again_after_a_slip(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    person = terminal(*RUN, "--predict", "--json", printed=printed)
    for words, answer in (
        ("leaky: open sockets, after run()? ", "many\n"),
        ("'many' is not a number of sockets", ""),
        ("leaky: open sockets", "6\n"),
        ("fixed: open sockets", "-\n"),
        ("leaky: connections opened? ", "\n"),
        ("fixed: connections opened? ", "\x04"),
    ):
        person.expect(words, answer)
    assert person.end() == 0
    predictions = json.loads(printed.read_text())["predictions"]
    assert [len(prediction["guesses"]) for prediction in predictions] == [1, 0, 0, 0]
    assert predictions[0]["guesses"] == [{"who": None, "count": 1, "guess": 6.0, "right": True}]


@pytest.mark.parametrize(
    ("arguments", "words", "key", "code"),
    [
        (("run", "unbounded-wait", "--set", "hang=300ms"), "hangs for 300 ms, less than", "", WRONG_USAGE),
        (RUN, "leaky: open sockets", "\x03", INTERRUPTED),
    ],
    ids=["conflicting settings", "Ctrl-C"],
)
def test_a_person_who_is_refused_or_leaves_sees_nothing_measured(
    terminal: Callable[..., Terminal], tmp_path: Path, arguments: tuple[str, ...], words: str, key: str, code: int
) -> None:
    person = terminal(*arguments, "--predict", printed=tmp_path / "printed")
    person.expect(words, key)
    assert person.end() == code
    assert (tmp_path / "printed").read_text() == ""
