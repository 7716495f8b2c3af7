"""The figures that the lab promises, from the real command line: the counts are exact, in every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import CONTENT, STEPS_FILE, Command, Document, Finished

MIB = 2**20


def halves(finished: Finished) -> tuple[Document, Document]:
    """The leaky and the fixed half of a run in which both were what the scenario says."""
    document = finished.document
    assert (document["surprises"], document["as_expected"], finished.code, finished.stderr) == ([], True, 0, "")
    assert list(document["halves"]) == ["leaky", "fixed"]
    for half in document["halves"].values():
        assert (half["outcome"], half["error"], half["complaint"], half["output"]) == ("completed", None, None, "")
    return document["halves"]["leaky"], document["halves"]["fixed"]


def found(half: Document) -> set[tuple[str, str]]:
    return {(finding["kind"], finding["metric"]) for finding in half["findings"]}


def moments(half: Document, metric: str) -> dict[str, Any]:
    values: dict[str, Any] = half["metrics"][metric]
    return values


def assert_clean(half: Document) -> None:
    assert (half["verdict"], half["findings"], half["doubts"]) == ("clean", [], [])


def test_unclosed_body_leaks_a_socket_and_a_connection_per_step_and_fixed_uses_one(leaklab: Command) -> None:
    leaky, fixed = halves(leaklab("run", "unclosed-body", "--json", "--no-explain"))
    assert leaky["verdict"] == "leaks"
    assert found(leaky) == {("leaked", "open_sockets"), ("wasted", "connections_opened")}
    sockets = moments(leaky, "open_sockets")
    assert (sockets["baseline"], sockets["peak"], sockets["end"]) == (0, 50, 50)
    assert (sockets["returned"], sockets["collected"], sockets["per_step"]) == (50, 50, 1.0)
    assert_clean(fixed)
    assert moments(fixed, "open_sockets")["peak"] == moments(fixed, "connections_opened")["collected"] == 1
    for half in (leaky, fixed):
        assert half["steps"] == moments(half, "requests_served")["collected"] == 50


def test_close_in_loop_holds_a_socket_per_step_until_it_returns_and_fixed_holds_one(leaklab: Command) -> None:
    leaky, fixed = halves(leaklab("run", "close-in-loop", "--json", "--no-explain"))
    assert leaky["verdict"] == "leaks"
    assert ("held", "open_sockets") in found(leaky)
    assert ("leaked", "open_sockets") not in found(leaky)
    sockets = moments(leaky, "open_sockets")
    assert (sockets["peak"], sockets["end"], sockets["returned"], sockets["collected"]) == (50, 50, 0, 0)
    assert_clean(fixed)
    assert moments(fixed, "open_sockets")["peak"] == 1
    assert {moments(half, "requests_served")["collected"] for half in (leaky, fixed)} == {50}


def test_open_cursor_leaks_a_cursor_per_step_on_the_server_and_fixed_none(leaklab: Command) -> None:
    leaky, fixed = halves(leaklab("run", "open-cursor", "--json", "--no-explain"))
    assert leaky["verdict"] == "leaks"
    assert ("leaked", "open_cursors") in found(leaky)
    cursors = moments(leaky, "open_cursors")
    assert (cursors["baseline"], cursors["peak"], cursors["collected"]) == (0, 50, 50)
    assert_clean(fixed)
    assert moments(fixed, "open_cursors")["peak"] <= 1
    assert moments(fixed, "open_cursors")["collected"] == 0
    assert {moments(half, "requests_served")["collected"] for half in (leaky, fixed)} == {50}


@pytest.mark.parametrize(("options", "size"), [((), 256 * MIB), (("--set", "size=64MiB"), 64 * MIB)])
def test_huge_array_holds_the_array_while_later_steps_run_and_fixed_gives_it_back(
    leaklab: Command, options: tuple[str, ...], size: int
) -> None:
    leaky, fixed = halves(leaklab("run", "huge-array", "--json", "--no-explain", *options))
    grown = {
        (name, at): half["metrics"]["rss"][at] - half["metrics"]["rss"]["baseline"]
        for name, half in (("leaky", leaky), ("fixed", fixed))
        for at in ("peak", "end", "collected")
    }
    assert leaky["verdict"] == "leaks"
    assert found(leaky) == {("held", "rss")}
    assert_clean(fixed)
    assert grown["leaky", "end"] >= 0.9 * size
    assert grown["leaky", "collected"] <= 0.1 * size
    assert grown["fixed", "end"] <= 0.1 * size
    assert grown["fixed", "peak"] >= 0.9 * size, "both filled the array: the work is the same"


WAITS: dict[str, tuple[tuple[str, ...], float, float]] = {
    "drip": ((), 3.0, 0.5),
    "silent": (("--set", "hang=2s", "--set", "deadline=800ms", "--set", "dead=silent"), 2.0, 0.8),
    "drip-head": (("--set", "hang=2s", "--set", "deadline=800ms", "--set", "dead=drip-head"), 2.0, 0.8),
}
"""How the dead service is dead: the options, the seconds it hangs, and the seconds of the deadline."""


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finished]]:
    """The runs with a dead service, all at once: they wait."""
    leaklab = Command(tmp_path_factory.mktemp("waits"))
    started = {
        dead: leaklab.start("run", "unbounded-wait", "--json", "--no-explain", *options)
        for dead, (options, *_) in WAITS.items()
    }
    yield {dead: run.finish() for dead, run in started.items()}
    leaklab.close()


@pytest.mark.parametrize("dead", WAITS)
def test_unbounded_wait_waits_for_the_dead_service_and_fixed_keeps_its_deadline_and_leaves_nothing(
    waits: dict[str, Finished], dead: str
) -> None:
    """That fixed answers within 1.3 deadlines is its verdict's to say: on a busy machine it may say that it cannot."""
    finished, (_, hang, deadline) = waits[dead], WAITS[dead]
    leaky, fixed = (finished.document["halves"][name] for name in ("leaky", "fixed"))
    assert leaky["verdict"] == "leaks"
    assert found(leaky) == {("stalled", "elapsed")}
    assert leaky["elapsed_s"] >= hang
    assert fixed["findings"] == []
    assert deadline <= fixed["elapsed_s"] < leaky["elapsed_s"]
    assert fixed["verdict"] == "clean" or "if the machine is busy" in "".join(fixed["doubts"])
    assert moments(fixed, "threads")["collected"] == moments(fixed, "threads")["baseline"]
    assert moments(fixed, "open_sockets")["collected"] == 0
    for half in (leaky, fixed):
        assert half["complaint"] is None
        assert moments(half, "connections_opened")["collected"] == 3
        assert moments(half, "open_sockets")["per_step"] is None


def test_an_answer_that_is_late_once_is_looked_at_again_and_one_that_is_always_late_is_accused(
    leaklab: Command, tmp_path: Path
) -> None:
    """The fixed half takes 2.5 deadlines the first time, as on a machine that stands still for a moment."""
    environment = {STEPS_FILE: str(tmp_path / "runs")}
    finished = leaklab("run", "late-at-first", "--scenarios", str(CONTENT), "--json", env=environment)
    leaky, fixed = (finished.document["halves"][name] for name in ("leaky", "fixed"))
    assert (leaky["verdict"], leaky["looks"], found(leaky)) == ("leaks", 3, {("stalled", "elapsed")})
    assert fixed["findings"] == []
    assert fixed["looks"] >= 2
    assert (tmp_path / "runs").read_text() == "x" * fixed["looks"]


@pytest.mark.parametrize("steps", [1, 3, 150])
def test_counts_and_verdicts_are_exact_at_any_number_of_steps(leaklab: Command, steps: int) -> None:
    finished = leaklab("run", "unclosed-body", "--json", "--no-explain", "--steps", str(steps))
    leaky, fixed = (finished.document["halves"][name] for name in ("leaky", "fixed"))
    for half, connections in ((leaky, steps), (fixed, 1)):
        assert moments(half, "open_sockets")["peak"] == connections
        assert moments(half, "connections_opened")["collected"] == connections
        assert moments(half, "requests_served")["collected"] == steps
    assert (finished.code, leaky["verdict"], fixed["verdict"]) == (0, "leaks", "clean")
    sizes = [steps, 600 if steps == 150 else 200]
    assert leaky["findings"][0]["work"] == [{"steps": size, "value": size} for size in sizes]


def test_repeated_runs_are_told_one_by_one_and_by_their_median_with_every_sample(leaklab: Command) -> None:
    options = ("--steps", "7", "--repeat", "3", "--samples", "--no-explain")
    leaky, fixed = halves(leaklab("run", "unclosed-body", "--json", *options))
    assert moments(leaky, "open_sockets")["runs"]["collected"] == [7, 7, 7]
    assert moments(leaky, "open_sockets")["collected"] == 7
    assert moments(fixed, "open_sockets")["runs"]["peak"] == [1, 1, 1]
    for samples in leaky["samples"]:
        phases = [sample["phase"] for sample in samples if sample["phase"] not in ("step", "clock", "settling")]
        assert phases == ["baseline", "end", "returned", "collected"]
        at_steps = [sample for sample in samples if sample["phase"] in ("step", "end")]
        assert [sample["steps_done"] for sample in at_steps] == [*range(8)]
        assert [sample["connections_opened"] for sample in at_steps] == [*range(8)]
