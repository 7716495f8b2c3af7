"""Holds what is reported of a test until it is decided whether it leaks, whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


class HeldReports:
    """Keeps what whoever runs a test reports of it, until it is decided.

    They all ask the session for their hooks (pytest's `Node.ihook`): it gives these, as long as they are held. Once a
    test has not passed, there is nothing to decide: then all is reported as it comes, and pytest may end the session.
    With `for_good`, nothing ever is.

    Attributes:
        reports: those that were made.
        has_passed: whether all of them are of something that has passed.
    """

    HELD = ("pytest_runtest_logreport", "pytest_runtest_logfinish")

    def __init__(self, *, for_good: bool = False) -> None:
        self._for_good = for_good
        self.reports: list[pytest.TestReport] = []
        self.has_passed = True
        self._calls: list[tuple[Any, dict[str, Any]]] = []
        self._usual: HeldHooks | None = None

    def begin(self, session: Any) -> None:
        """Hold the reports of what is run from now on, until `end`."""
        self._calls, self.reports, self.has_passed = [], [], True
        hooks_at, usual_hooks = session.gethookproxy, session.config.hook
        if self._usual is None:
            self._usual = HeldHooks(usual_hooks, self)
        usual = self._usual

        at: dict[Any, Any] = {}  # pytest asks a dozen times a test, mostly for one file

        def held(path: Any) -> Any:
            if path not in at:
                hooks = hooks_at(path)
                at[path] = usual if hooks is usual_hooks else HeldHooks(hooks, self)
            return at[path]

        session.gethookproxy = held

    def end(self, session: Any) -> None:
        """Hold no more of them."""
        del session.gethookproxy

    def keep(self, hook: Any, told: dict[str, Any]) -> None:
        """Keep a call of a hook."""
        self._calls.append((hook, told))
        if "report" in told:
            self.reports.append(told["report"])
            self.has_passed = self.has_passed and told["report"].passed
        if not self.has_passed and not self._for_good:
            self.release()

    def release(self) -> None:
        """Report all that was kept, in its order."""
        calls, self._calls = self._calls, []
        for hook, told in calls:
            hook(**told)


class HeldHooks:
    """The hooks for one file, of which some are not called yet."""

    def __init__(self, hooks: Any, held: HeldReports) -> None:
        self._hooks, self._held = hooks, held

    def __getattr__(self, name: str) -> Any:
        hook = getattr(self._hooks, name)
        found = (lambda **told: self._held.keep(hook, told)) if name in HeldReports.HELD else hook
        setattr(self, name, found)  # it need not be looked for again
        return found
