"""The figures that the lab promises, from the real command line: the counts are exact, in every run."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import CONTENT, STEPS_FILE, Command, Document, Finished

MIB = 2**20
Once = Callable[..., Finished]


def halves(finished: Finished) -> tuple[Document, Document]:
    """The leaky and the fixed half of a run in which both were what the scenario says."""
    document = finished.document
    assert document["surprises"] == []
    assert finished.code == 0
    assert finished.stderr == ""
    assert document["as_expected"] is True
    assert list(document["halves"]) == ["leaky", "fixed"]
    for half in document["halves"].values():
        assert half["outcome"] == "completed"
        assert half["error"] is None
        assert half["complaint"] is None
        assert half["output"] == ""
    return document["halves"]["leaky"], document["halves"]["fixed"]


def found(half: Document) -> set[tuple[str, str]]:
    return {(finding["kind"], finding["metric"]) for finding in half["findings"]}


def moments(half: Document, metric: str) -> dict[str, Any]:
    values: dict[str, Any] = half["metrics"][metric]
    return values


def assert_clean(half: Document) -> None:
    assert (half["verdict"], half["findings"], half["doubts"]) == ("clean", [], [])


steps_given = pytest.mark.parametrize(("options", "steps"), [((), 50), (("--steps", "7"), 7)])


@steps_given
def test_unclosed_body_leaks_a_socket_and_a_connection_per_step_and_fixed_uses_one(
    once: Once, options: tuple[str, ...], steps: int
) -> None:
    leaky, fixed = halves(once("run", "unclosed-body", "--json", *options))
    assert leaky["verdict"] == "leaks"
    assert found(leaky) == {("leaked", "open_sockets"), ("wasted", "connections_opened")}
    sockets = moments(leaky, "open_sockets")
    assert (sockets["baseline"], sockets["peak"], sockets["end"]) == (0, steps, steps)
    assert (sockets["returned"], sockets["collected"], sockets["per_step"]) == (steps, steps, 1.0)
    assert moments(leaky, "connections_opened")["collected"] == steps
    assert_clean(fixed)
    assert moments(fixed, "open_sockets")["peak"] == 1
    assert moments(fixed, "connections_opened")["collected"] == 1
    for half in (leaky, fixed):
        assert moments(half, "requests_served")["collected"] == steps
        assert half["steps"] == steps


@steps_given
def test_close_in_loop_holds_a_socket_per_step_until_it_returns_and_fixed_holds_one(
    once: Once, options: tuple[str, ...], steps: int
) -> None:
    leaky, fixed = halves(once("run", "close-in-loop", "--json", *options))
    assert leaky["verdict"] == "leaks"
    assert ("held", "open_sockets") in found(leaky)
    assert ("leaked", "open_sockets") not in found(leaky)
    sockets = moments(leaky, "open_sockets")
    assert (sockets["peak"], sockets["end"], sockets["returned"], sockets["collected"]) == (steps, steps, 0, 0)
    assert_clean(fixed)
    assert moments(fixed, "open_sockets")["peak"] == 1
    for half in (leaky, fixed):
        assert moments(half, "requests_served")["collected"] == steps


@steps_given
def test_open_cursor_leaks_a_cursor_per_step_on_the_server_and_fixed_none(
    once: Once, options: tuple[str, ...], steps: int
) -> None:
    leaky, fixed = halves(once("run", "open-cursor", "--json", *options))
    assert leaky["verdict"] == "leaks"
    assert ("leaked", "open_cursors") in found(leaky)
    cursors = moments(leaky, "open_cursors")
    assert (cursors["baseline"], cursors["peak"], cursors["collected"]) == (0, steps, steps)
    assert_clean(fixed)
    assert moments(fixed, "open_cursors")["peak"] <= 1
    assert moments(fixed, "open_cursors")["collected"] == 0
    for half in (leaky, fixed):
        assert moments(half, "requests_served")["collected"] == steps


@pytest.mark.parametrize(("options", "size"), [((), 256 * MIB), (("--set", "size=64MiB"), 64 * MIB)])
def test_huge_array_holds_the_array_while_later_steps_run_and_fixed_gives_it_back(
    once: Once, options: tuple[str, ...], size: int
) -> None:
    leaky, fixed = halves(once("run", "huge-array", "--json", *options))
    assert leaky["verdict"] == "leaks"
    assert found(leaky) == {("held", "rss")}
    assert moments(leaky, "rss")["end"] - moments(leaky, "rss")["baseline"] >= 0.9 * size
    assert moments(leaky, "rss")["collected"] - moments(leaky, "rss")["baseline"] <= 0.1 * size
    assert_clean(fixed)
    assert moments(fixed, "rss")["end"] - moments(fixed, "rss")["baseline"] <= 0.1 * size
    # Both filled the array: the work is the same.
    assert moments(fixed, "rss")["peak"] - moments(fixed, "rss")["baseline"] >= 0.9 * size


WAITS: dict[str, tuple[tuple[str, ...], float, float]] = {
    "silent": ((), 3.0, 0.5),
    "drip": (("--set", "hang=2s", "--set", "deadline=800ms", "--set", "dead=drip"), 2.0, 0.8),
    "drip-head": (("--set", "hang=2s", "--set", "deadline=800ms", "--set", "dead=drip-head"), 2.0, 0.8),
}
"""How the dead service is dead: the options, the seconds it hangs, and the seconds of the deadline."""


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finished]]:
    """The runs with a dead service, all at once: they wait."""
    leaklab = Command(tmp_path_factory.mktemp("waits"))
    started = {
        dead: leaklab.start("run", "unbounded-wait", "--json", *options) for dead, (options, *_) in WAITS.items()
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
    assert (leaky["verdict"], leaky["looks"]) == ("leaks", 3)
    assert "in the fastest of 3 runs" in leaky["findings"][0]["reason"]
    assert fixed["findings"] == []
    assert fixed["looks"] >= 2
    assert (tmp_path / "runs").read_text() == "x" * fixed["looks"]


@pytest.mark.parametrize("steps", [1, 2, 3, 150])
def test_the_counts_are_exact_at_any_number_of_steps_and_a_verdict_needs_three(leaklab: Command, steps: int) -> None:
    finished = leaklab("run", "unclosed-body", "--json", "--steps", str(steps))
    leaky, fixed = (finished.document["halves"][name] for name in ("leaky", "fixed"))
    for half, connections in ((leaky, steps), (fixed, 1)):
        assert moments(half, "open_sockets")["peak"] == connections
        assert moments(half, "connections_opened")["collected"] == connections
        assert moments(half, "requests_served")["collected"] == steps
    assert fixed["verdict"] == ("clean" if steps > 1 else "inconclusive"), "one step of one tells nothing of the next"
    assert leaky["verdict"] == ("leaks" if steps >= 3 else "inconclusive"), "two connections may be a pool's"
    assert finished.code == (0 if steps >= 3 else 1)


def test_a_step_beyond_the_descriptors_of_the_machine_is_refused_before_anything_starts(leaklab: Command) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit == resource.RLIM_INFINITY or limit > 9_999_999:
        pytest.skip("a process may open as many descriptors as it likes here")
    finished = leaklab("run", "unclosed-body", "--steps", "9999999")
    assert finished.code == 2
    assert "open descriptors" in finished.stderr
    assert "ulimit -Hn" in finished.stderr


def test_repeated_runs_are_told_one_by_one_and_by_their_median(leaklab: Command) -> None:
    leaky, fixed = halves(leaklab("run", "unclosed-body", "--json", "--steps", "7", "--repeat", "3"))
    assert moments(leaky, "open_sockets")["runs"]["collected"] == [7, 7, 7]
    assert moments(leaky, "open_sockets")["collected"] == 7
    assert moments(fixed, "open_sockets")["runs"]["peak"] == [1, 1, 1]


def test_every_sample_of_the_trace_can_be_had(leaklab: Command) -> None:
    leaky, _ = halves(leaklab("run", "unclosed-body", "--json", "--steps", "7", "--samples"))
    (samples,) = leaky["samples"]
    assert [sample["steps_done"] for sample in samples if sample["phase"] in ("step", "end")] == [*range(8)]
    assert [sample["phase"] for sample in samples if sample["phase"] not in ("step", "clock", "settling")] == [
        "baseline",
        "end",
        "returned",
        "collected",
    ]
    assert [sample["connections_opened"] for sample in samples if sample["phase"] == "step"] == [*range(7)]
