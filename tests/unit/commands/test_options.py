"""The shared options: settings and limits are read, and wrong ones are refused with their value."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from leaklab.commands.options import (
    given_settings,
    language_of,
    languages_of,
    limits_from_options,
    mongo_uri,
    settings_from_options,
)
from leaklab.content.languages import GO, PYTHON
from leaklab.content.settings import SIZE, Setting, Settings
from leaklab.errors import UsageError
from leaklab.system.limits import Limits

MIB = 2**20
HUGE = Settings(Setting("size", SIZE, 256 * MIB, least=MIB), steps=50)


def changed(steps: str | None, *texts: str) -> dict[str, object]:
    return dict(settings_from_options("huge-array", HUGE, given_settings(steps, texts)).given())


def test_settings_are_read_by_the_kind_that_they_were_declared_with() -> None:
    assert changed(None) == {"steps": 50, "size": 256 * MIB}
    assert changed("7", "size=64MiB") == {"steps": 7, "size": 64 * MIB}
    assert changed(None, "steps=7") == {"steps": 7, "size": 256 * MIB}


@pytest.mark.parametrize(
    ("steps", "texts", "words"),
    [
        ("0", [], "--steps 0: 0 is out of range: write a whole number, 1 to 10,000,000"),
        (" 5", [], "--steps  5: ' 5' is not a whole number"),
        ("٣", [], "'٣' is not a whole number"),
        (None, ["size"], "--set size: write --set NAME=VALUE"),
        (None, ["size=1KiB"], "--set size=1KiB: 1KiB is out of range"),
        (None, ["size=lots"], "--set size=lots: 'lots' is not a size"),
        (None, ["size=2MiB", "size=3MiB"], "--set size is given twice, as 2MiB and as 3MiB"),
        (None, ["dead=drip"], "huge-array has no setting 'dead': it has steps (a whole number"),
        ("5", ["steps=6"], "--steps 5 and --set steps=6: leave one of them out"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(steps: str | None, texts: Sequence[str], words: str) -> None:
    with pytest.raises(UsageError) as error:
        changed(steps, *texts)
    assert words in str(error.value)


def test_limits_are_read_and_the_others_stay_as_they_are() -> None:
    assert limits_from_options(None, 20.0) == Limits(time_s=20.0)
    texts = ["time=6s", "memory=2GiB", "threads=7", "fds=64", "output=1KiB"]
    assert limits_from_options(texts, 20.0) == Limits(6.0, 2 * 2**30, 7, 64, 1024)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memory=0", "--limit memory=0: 0B is out of range"),
        ("time=nan", "--limit time=nan: 'nan' is not a duration"),
        ("time=inf", "--limit time=inf: 'inf' is not a duration"),
        ("time=1000h", "--limit time=1000h: 1000h is out of range"),
        ("fds=31", "--limit fds=31: 31 is out of range: write a whole number, 32 to"),
        ("memory", "--limit memory: write --limit NAME=VALUE, like --limit memory=2GiB"),
        ("cpu=3", "--limit cpu=3: there is no limit 'cpu'. The limits of a half are time (how long"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        limits_from_options([text], 20.0)
    assert words in str(error.value)


def test_a_mongodb_server_is_named_by_its_uri_and_embedded_is_none() -> None:
    assert (mongo_uri(None), mongo_uri("embedded"), mongo_uri("mongodb://x:1")) == (None, None, "mongodb://x:1")
    with pytest.raises(UsageError, match="--mongo http://x: not a valid MongoDB URI"):
        mongo_uri("http://x")


def test_languages_are_named_each_once_and_python_is_meant_where_none_is() -> None:
    assert languages_of(None) == [PYTHON]
    assert languages_of("go, Python,go") == [GO, PYTHON]
    assert (language_of("go"), language_of(None)) == (GO, None)
    with pytest.raises(UsageError, match=r"^--lang rust: unknown language 'rust'\. Write python or go\.$"):
        languages_of("rust")
    with pytest.raises(UsageError, match=r"one language at a time here; `leaklab compare --lang python,go` shows both"):
        language_of("python,go")
