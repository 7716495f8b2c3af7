"""Watches the tests of a session: runs those again that leave something, and fails those that leave more each time."""

from __future__ import annotations

import copy
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.outcomes import TEST_OUTCOME
from _pytest.runner import runtestprotocol  # as pytest-rerunfailures does: pytest has no public name for it

from leaklab.errors import UsageError
from leaklab.testing.guard_block import LeakWarning
from leaklab.testing.held_reports import HeldReports
from leaklab.testing.leak_search import MEMORY, LeakSearch, SearchedRun
from leaklab.testing.ledger import Account, LedgerEntry, ledger_of
from leaklab.testing.quick_import import EXPLAINING, LOOKING, have_ready
from leaklab.testing.suite_options import SuiteOptions
from leaklab.testing.suite_outcome import SuiteOutcome
from leaklab.testing.watched_kinds import KINDS, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from leaklab.testing.leak_findings import Leak


NOTHING = Wanted(frozenset())

LAST_WAIT_S, LAST_LOOKS = 0.3, 10
"""Seconds, at most, in which what fixtures have left may end by itself when the session ends, and looks at it."""


class SuiteWatch:
    """The plugin that is registered once something is to be watched.

    Attributes:
        folder: the root of the project: the code below it is its own.
        all_tests: whether all tests are watched, or only those that are marked.
    """

    options: SuiteOptions
    outcome: SuiteOutcome

    def __init__(self, folder: Path, *, all_tests: bool) -> None:
        self.folder, self.all_tests = folder, all_tests
        self.ledger = ledger_of(str(folder))
        self._is_marked: dict[Any, bool] = {}
        self._held = HeldReports()
        self._fixtures: dict[tuple[str, str], LeakSearch] = {}
        self._doubtful: dict[tuple[str, str], LeakSearch] = {}
        self._last: tuple[LeakSearch, pytest.Item] | None = None
        self._is_over = False

    def configure(self, config: pytest.Config) -> None:
        """Take the options. Raises pytest.UsageError if they cannot be used."""
        self.options = SuiteOptions.of(config, self.folder)
        self.outcome = SuiteOutcome(self.options, is_worker=hasattr(config, "workerinput"))
        if config.getoption("dist", "no") != "no" and not self.outcome.is_worker:
            config.pluginmanager.register(FromWorkers(self.outcome))

    def header(self) -> str:
        """What stands above the tests."""
        which = "all tests are watched" if self.all_tests else "the tests that are marked no_leaks are watched"
        times = self.options.reruns
        again = f"run again {times} {'time' if times == 1 else 'times'}" if times else "not run again"
        return f"leaklab: {which}; one that leaves something open is {again}"

    def _wanted(self, item: pytest.Item) -> Wanted | None:
        """What is watched in a test; None if nothing is. Raises UsageError if a marker cannot be used."""
        parent = item.parent
        if parent not in self._is_marked:
            self._is_marked[parent] = any(node.own_markers for node in item.listchain()[:-1])
        if not item.own_markers and not self._is_marked[parent]:
            return self.options.wanted if self.all_tests else None
        marks = [mark for node in item.listchain() for mark in _marks_of(node)]
        is_marked = any(mark.name == "no_leaks" for mark in marks)
        if not self.all_tests and (not is_marked or item.config.pluginmanager.has_plugin("pyleak")):
            return None  # pyleak has a marker of the same name
        wanted = self.options.wanted
        for mark in marks:  # the nearest to the test comes last, and wins
            where, named = f"{item.nodeid}: @pytest.mark.{mark.name}", _named(mark)
            if mark.name == "no_leaks":
                wanted = (wanted if wanted.kinds else self.options.wanted).with_options(named, where=where)
            elif named:
                # What may leak is not watched; a limit is another limit.
                allowed = {
                    name: False if value is True else value for name, value in named.items() if value is not False
                }
                wanted = wanted.with_options(allowed, where=where)
            else:
                wanted = NOTHING
        return wanted if wanted.kinds else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test as it would be run without this, and again if it has left something."""
        wanted, refused = None, None
        try:
            wanted = self._wanted(item)
        except Exception as error:  # noqa: BLE001 # a marker that cannot be used fails its test
            refused = str(error)
        search = LeakSearch(self.ledger, wanted or NOTHING, self.folder, self.options.ignores)
        is_last = nextitem is None or nextitem.parent is not item.parent
        # To pytest it looks as if another test of the same parents came next: what outlasts this test stays.
        sibling = _sibling_of(item) if is_last or nextitem is None else nextitem
        runs_tests, held = item.ihook.pytest_runtest_protocol, self._held
        held.begin(item.session)
        search.begin()
        self._last = (search, sibling) if is_last else None
        try:
            self._let_others_run(runs_tests, {"item": item, "nextitem": nextitem})
        finally:
            search.end()
            held.end(item.session)
            self._last = None
            has_postponed = vars(item.session._setupstate).pop("teardown_exact", None) is not None
        reports, leaks = held.reports, []
        if wanted is not None and held.has_passed:
            leaks = self._judged(item, search, sibling)
        if refused is not None and held.has_passed:
            _fail(reports, refused)
        if leaks:
            self._tell(item, leaks, reports)
        held.release()
        if has_postponed:
            self._end_what_outlasts(item, nextitem)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """End what is the test's own; if that has left something, what outlasts it stays until it was run again."""
        if self._last is None:
            return
        (search, sibling), state = self._last, item.session._setupstate
        if search.has_opened_so_far:
            have_ready(LOOKING)
        end = state.teardown_exact
        try:
            end(sibling)
        except TEST_OUTCOME as error:  # pytest goes on with what outlasts the test, and tells of both
            first = error

            def end_and_raise(nextitem: pytest.Item | None) -> None:
                del state.teardown_exact
                try:
                    end(nextitem)
                except TEST_OUTCOME as more:
                    raise BaseExceptionGroup("errors during test teardown", [first, more]) from None
                raise first

            state.teardown_exact = end_and_raise  # type: ignore[method-assign] # for this one call
        else:
            if search.suspects_so_far():
                state.teardown_exact = lambda nextitem: None  # type: ignore[method-assign] # noqa: ARG005 # as it is called

    def _let_others_run(self, runs_tests: Any, told: dict[str, object]) -> None:
        """Have the test run by the plugin that would run it without this one. What wraps that, wraps this as well."""
        for one in reversed(runs_tests.get_hookimpls()):
            is_runner = one.plugin is not self and not one.wrapper and not one.hookwrapper
            if is_runner and one.function(*[told[name] for name in one.argnames]) is not None:
                return

    def _judged(self, item: pytest.Item, search: LeakSearch, sibling: pytest.Item) -> list[Leak]:
        """What a test leaks that has passed."""
        if not search.has_opened:
            return []
        # In its first run it has had all the warnings that are its own.
        with _what_is_collected_unheard():
            return self._searched(item, search, sibling)

    def _searched(self, item: pytest.Item, search: LeakSearch, sibling: pytest.Item) -> list[Leak]:
        have_ready(LOOKING)
        wasted, suspects = search.wasted(), search.suspects()
        is_decided = False
        if suspects and not all(map(self.options.is_known, suspects)):
            begun = perf_counter()
            is_decided = self._run_again(item, search, sibling)
            search.wait()
            self.outcome.ran_again(perf_counter() - begun)
        if not wasted and not search.suspects():
            return []
        have_ready(EXPLAINING)
        from leaklab.testing.leak_findings import of_repeated, of_single

        return of_repeated(search) if is_decided else of_single(search)

    def _run_again(self, item: pytest.Item, search: LeakSearch, sibling: pytest.Item) -> bool:
        """Run it again, as long as each run leaves more. Whether that could be done."""
        sections, properties = list(item._report_sections), list(item.user_properties)
        unheard = HeldReports(for_good=True)
        unheard.begin(item.session)
        try:
            for run in search.more_runs(self.options.reruns):
                with run:
                    reports = runtestprotocol(item, nextitem=sibling, log=False)
                if not all(report.passed for report in reports):
                    search.forget_last_run()
                    return False
            if MEMORY in search.suspects():
                with search.looking_at_memory():
                    runtestprotocol(item, nextitem=sibling, log=False)
        finally:
            unheard.end(item.session)
            item._report_sections[:], item.user_properties[:] = sections, properties
        return len(search.runs) > 1

    def _end_what_outlasts(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """End the fixtures that the next test does not share, and report it if that fails."""
        if nextitem is not None and (item.session.shouldfail or item.session.shouldstop):
            nextitem = None
        capture: Any = item.config.pluginmanager.get_plugin("capturemanager")
        captured: AbstractContextManager[Any] = (
            nullcontext() if capture is None else capture.item_capture("teardown", item)
        )
        with captured:
            call = pytest.CallInfo.from_call(
                partial(item.session._setupstate.teardown_exact, nextitem),
                when="teardown",
                reraise=(pytest.exit.Exception, KeyboardInterrupt),
            )
        if call.excinfo is None:
            return
        report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_exception_interact(node=item, call=call, report=report)

    def _tell(self, item: pytest.Item, leaks: list[Leak], reports: list[pytest.TestReport]) -> None:
        """Fail a test for what is certain and new, and warn of the rest."""
        from leaklab.testing.leak_report import text_of
        from leaklab.testing.pytest_reports import longrepr_of

        told = self._known_or_new(leaks)
        new = [one for one in told if not one.known]
        if doubtful := [one for one in new if not one.certain]:
            try:
                item.warn(LeakWarning(f"{item.nodeid} may leak\n{text_of(doubtful)}"))
            except LeakWarning:  # where warnings are errors, so is this one
                told = [replace(one, certain=True) for one in told]
        self.outcome.add(item.nodeid, told, reports)
        if certain := [one for one in told if one.certain and not one.known]:
            _fail(reports, longrepr_of(certain, item.config))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What a fixture that outlasts a test opens is the fixture's, and is judged when it ends."""
        if fixturedef.scope == "function" or self.ledger.account is None:
            return (yield)
        account = Account(lasts=True)
        # What is added first is called last: then the fixture has ended.
        fixturedef.addfinalizer(partial(self._fixture_ends, fixturedef, account))
        outer = self.ledger.book_to(account)
        try:
            return (yield)
        finally:
            self.ledger.book_to(outer)

    def _fixture_ends(self, fixture: Any, account: Account) -> None:
        """Judge a fixture by what each of its ends has left; it fails if that is more each time."""
        key = (str(fixture.argname), str(fixture.baseid))
        name = f"the fixture {fixture.argname} ({fixture.scope})"
        wanted = self.options.wanted._replace(memory=None) if self.all_tests else NOTHING
        search = self._fixtures.setdefault(
            key, LeakSearch(self.ledger, wanted, self.folder, self.options.ignores, name)
        )
        search.runs.append(SearchedRun(account))
        self._doubtful.pop(key, None)
        with _what_is_collected_unheard():
            suspects = search.suspects_but_garbage()
        is_repeated = len(search.runs) > max(1, self.options.reruns)
        if suspects:
            self._doubtful[key] = search
        if self._is_over or not (suspects and (is_repeated or any(not KINDS[spot.kind].pooled for spot in suspects))):
            return
        from leaklab.testing.leak_findings import of_repeated, of_single
        from leaklab.testing.leak_report import text_of

        search.wait()
        leaks = self._known_or_new(of_repeated(search) if is_repeated else of_single(search))
        if new := [one for one in leaks if one.certain and not one.known]:
            del self._doubtful[key]
            self.outcome.add(_label(key), new)
            pytest.fail(f"{name} leaves something open\n{text_of(new)}", pytrace=False)

    def _known_or_new(self, leaks: list[Leak]) -> list[Leak]:
        return [replace(one, known=self.options.is_known_leak(one.finding)) for one in leaks]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What ends after this is told, and fails no test any more."""
        self._is_over = True
        for _ in range(LAST_LOOKS):
            if any(search.suspects() for search in self._doubtful.values()):
                sleep(LAST_WAIT_S / LAST_LOOKS)
        for key, search in self._doubtful.items():
            # What its threads have open at its end is often what its clients have not closed.
            search.ignored = lambda entry: _is_of_a_server(entry) or self.options.ignores(entry)
            if search.suspects():
                from leaklab.testing.leak_findings import of_single

                leaks = self._known_or_new(of_single(search))
                self.outcome.add(_label(key), leaks)
        if self.outcome.is_worker:
            session.config.workeroutput["leaklab"] = self.outcome.sent()  # type: ignore[attr-defined] # pytest-xdist's
        elif not self.outcome.write() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say below the tests what else there is to say."""
        self.outcome.summarize(terminalreporter)


class FromWorkers:
    """Collects what the workers of pytest-xdist have found: a plugin of the process that starts them."""

    def __init__(self, outcome: SuiteOutcome) -> None:
        self._outcome = outcome

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended, and sends what it has found."""
        self._outcome.take(getattr(node, "workeroutput", {}).get("leaklab"))


@contextmanager
def _what_is_collected_unheard() -> Iterator[None]:
    """What is closed only as garbage is collected, whoever has dropped it, pytest would blame on the test to come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("ignore", LeakWarning)  # of a block in the test, which has warned before
        yield


def _sibling_of(item: pytest.Item) -> pytest.Item:
    """A test that nobody runs, with the same parents: it must not keep the fixtures of this one."""
    sibling = copy.copy(item)
    vars(sibling).pop("funcargs", None)
    return sibling


def _label(key: tuple[str, str]) -> str:
    name, place = key
    return f"{place + ': ' if place else ''}fixture {name}"


def _is_of_a_server(entry: LedgerEntry) -> bool:
    """Whether this is what a server in a fixture's thread has for a client."""
    return entry.by_carrier and entry.kind in ("sockets", "threads")


def _marks_of(node: Any) -> list[pytest.Mark]:
    """The markers at one place, `no_leaks` before what is allowed in spite of it."""
    ours = (mark for mark in node.own_markers if mark.name in ("no_leaks", "leaks"))
    return sorted(ours, key=lambda mark: mark.name == "leaks")


def _named(mark: pytest.Mark) -> dict[str, Any]:
    """The kinds that a marker names, with their values; its `reason` is for people."""
    if wrong := [one for one in mark.args if not isinstance(one, str)]:
        raise UsageError(f"@pytest.mark.{mark.name}: {wrong[0]!r} is no kind: name it, such as 'sockets'")
    return {
        **dict.fromkeys(mark.args, True),
        **{name: value for name, value in mark.kwargs.items() if name != "reason"},
    }


def _fail(reports: list[pytest.TestReport], why: Any) -> None:
    # What comes before the last are parts of the test (pytest's `subtests`).
    for report in [one for one in reports if one.when == "call"][-1:]:
        report.outcome, report.longrepr = "failed", why
