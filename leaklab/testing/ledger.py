"""Keeps an account of what is opened: on behalf of which test or fixture, by which line, and whether it is still open.

It hears of things as they are opened, so that a test that opens nothing costs nothing to look at. What looks at things
that are open is imported once there are some.
"""

from __future__ import annotations

import gc
import os
import sys
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leaklab.explain import libraries
from leaklab.explain.own_code import Line, OwnCode, is_of_a_library
from leaklab.explain.recorder import (
    FAILED,
    OpenedConnection,
    OpenedDescriptor,
    Origin,
    Recorder,
    current_task_and_thread,
)

if TYPE_CHECKING:
    from leaklab.explain.recorder import Weak

    Address = tuple[object, ...]


@dataclass(eq=False, repr=False)
class LedgerEntry:
    """One thing that was opened.

    Attributes:
        kind: one of the watched kinds.
        thing: gives the object as long as it is there; None for what has a number only.
        number: of a descriptor or a cursor, or the id of a process or an object.
        descriptor: what the descriptor led to then.
        waits: of a task that its event loop had to cancel: the line that it waited at.
        was_cancelled: whether it is such a task.
        by_carrier: whether a thread or task that a fixture started has opened it.
    """

    kind: str
    origin: Origin
    thing: Weak | None = None
    number: int = 0
    descriptor: OpenedDescriptor | None = None
    waits: Line | None = None
    was_cancelled: bool = False
    by_carrier: bool = False


@dataclass(eq=False, repr=False)
class ConnectionsOpened:
    """The connections that one line opened to one address: all of them, those open now, and the most at one time."""

    all: list[OpenedConnection] = field(default_factory=list)
    open: list[OpenedConnection] = field(default_factory=list)
    most: int = 0

    @property
    def at_a_time(self) -> int:
        """How many it would have been without those that were only there beside others: a pool opens no more."""
        return sum(one.fate != FAILED for one in self.all) - max(0, self.most - 1)


@dataclass(eq=False, repr=False)
class Account:
    """What was opened on behalf of one run of a test, or of a fixture that outlasts it (`lasts`)."""

    lasts: bool = False
    entries: list[LedgerEntry] = field(default_factory=list)
    streams: dict[tuple[Line | None, Address], ConnectionsOpened] = field(default_factory=dict)


class Ledger(Recorder):
    """A recorder that books what is opened by a line of one's own code to the account that is open.

    Attributes:
        account: the account that is open; None while nothing is booked.
    """

    def __init__(self, own: OwnCode) -> None:
        # To capture output, pytest calls it a dozen times a test; and it gives a number that its caller has chosen.
        super().__init__(own, left_alone=("dup2",))
        self.account: Account | None = None
        self._lasting: dict[int, tuple[Weak, Account]] = {}

    def keep(self, kind: str, thing: Any, origin: Origin) -> None:
        """Book a thing."""
        account = self._account_now()
        if account is None or not origin.own:
            return
        if isinstance(thing, OpenedConnection):
            self._keep_connection(account, thing)
            return
        entry = LedgerEntry(kind, origin, by_carrier=account is not self.account)
        if isinstance(thing, int):
            entry.number = thing
            entry.descriptor = self.descriptors.get(thing) if kind in ("files", "fds") else None
        else:
            entry.thing, entry.number = _weak(thing), id(thing)
            if account.lasts and kind in ("threads", "tasks"):
                self._lasting[entry.number] = entry.thing, account
        account.entries.append(entry)

    def _keep_connection(self, account: Account, connection: OpenedConnection) -> None:
        its = account.streams.setdefault((connection.origin.line, connection.address[:2]), ConnectionsOpened())
        its.open = [one for one in its.open if self.connection_at(one.number) is one]
        for several in (its.all, its.open):
            several.append(connection)
        its.most = max(its.most, len(its.open))

    def _account_now(self) -> Account | None:
        """The account that is open; in a thread or task that a lasting fixture started, the fixture's."""
        if self.account is not None and self._lasting:
            for carrier in current_task_and_thread():
                thing, account = self._lasting.get(id(carrier), (None, None))
                if thing is not None and carrier is not None and thing() is carrier:
                    return account
        return self.account

    def book_to(self, account: Account | None) -> Account | None:
        """Book to this account from now on, or nothing; the account that was open until now."""
        before, self.account = self.account, account
        if account is None:
            self.stop()
            self.connections.clear()
        elif before is None:
            self.resume()
        return before

    def loop_ends(self, loop: object) -> None:
        """An event loop is about to cancel all tasks that it still has, or to drop them: nothing has awaited them."""
        from leaklab.explain import waits

        account = self.account
        for entry in account.entries if account is not None else ():
            task: Any = entry.thing() if entry.kind == "tasks" and entry.thing is not None else None
            if _is_pending(task) and task.get_loop() is loop:
                entry.was_cancelled, entry.waits = True, waits.of(task, self.own)

    def is_open(self, entry: LedgerEntry) -> bool:
        """Whether what was opened is still open."""
        from leaklab.explain.resources import resource_of

        if entry.thing is not None:
            thing = entry.thing()
            if entry.kind == "tasks":
                return entry.was_cancelled or _is_pending(thing)
            return thing is not None and resource_of(thing, self) is not None
        if entry.kind == "cursors":
            return entry.number in self.cursors
        if entry.kind == "children":
            return os.path.exists(f"/proc/{entry.number}/stat")  # noqa: PTH110 # as in explain
        known = self.descriptors.get(entry.number)
        return known is not None and known.origin is entry.origin and self._leads_there(entry.number)

    def _leads_there(self, number: int) -> bool:
        from leaklab.explain.resources import descriptor_origin

        try:
            return descriptor_origin(number, self) is not None
        except OSError:
            return False

    def is_at_work(self, entry: LedgerEntry) -> bool:
        """Whether this is a thread of an executor that does something now, and does not wait for what comes next."""
        thread: Any = None if entry.kind != "threads" or entry.thing is None else entry.thing()
        return thread is not None and thread.ident in self.working

    def words(self, entry: LedgerEntry) -> str:
        """What a thing is: `socket to 127.0.0.1:80`, `thread poller`; empty if no more is known than its kind."""
        from leaklab.explain.resources import cursor_words, file_words, resource_of

        thing = None if entry.thing is None else entry.thing()
        found = None if thing is None else resource_of(thing, self)
        if found is not None:
            return found.what
        path = None if entry.descriptor is None else entry.descriptor.path
        if path is not None and path.startswith("/"):
            return file_words(path, entry.number)
        if entry.kind == "cursors":
            return cursor_words(self.cursors.get(entry.number, (None, ""))[1])
        return ""

    def settle(self, account: Account) -> list[LedgerEntry]:
        """Drop what an account has that is closed, and return what is left."""
        if any(one.kind == "children" for one in account.entries) and "subprocess" in sys.modules:
            # What was dropped is waited for whenever the next process is started.
            sys.modules["subprocess"]._cleanup()
        left = [one for one in account.entries if self.is_open(one)]
        for one in account.entries:
            # What is known of those that are gone would be a leak of its own.
            if one.thing is not None and one.thing() is None and self.objects.get(one.number) is one.origin:
                del self.objects[one.number]
        account.entries = left
        return [*left]


def _is_pending(task: Any) -> bool:
    """Whether a task goes on: not done, and not told to end."""
    return task is not None and not task.done() and not task.cancelling()


def _weak(thing: object) -> Weak:
    """What gives an object as long as it is there; one that has no weak references is looked for by its number."""
    try:
        return weakref.ref(thing)
    except TypeError:
        number, kind = id(thing), type(thing)
        # An object refers to its type, if that was made at run time.
        return lambda: next((one for one in gc.get_referrers(kind) if id(one) == number and type(one) is kind), None)


_ledgers: list[Ledger] = []


def ledger_of(folder: str) -> Ledger:
    """The one ledger of this process, made when it is first asked for. The code in `folder` is one's own, too."""
    if not _ledgers:
        ledger = Ledger(OwnCode(folder))
        libraries.prepare(ledger)
        ledger.wrap_functions()
        _ledgers.append(ledger)
    ledger = _ledgers[0]
    if not ledger.own.covers(folder) and not is_of_a_library(folder):
        ledger.own.add(folder)
    return ledger
