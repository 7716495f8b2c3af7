"""`no_leaks()`: a block, or a function, that fails if it leaves something open; for any test framework."""

from __future__ import annotations

import inspect
import os
import sys
import time
import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from leaklab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from leaklab.testing.leak_search import LeakSearch

F = TypeVar("F", bound="Callable[..., Any]")


class LeakError(AssertionError):
    """A test leaves something open; the message says what, which line opened it, and what keeps it."""

    __module__ = "leaklab.testing"


class LeakWarning(UserWarning):
    """Something was left open that may be a pool's; the message is as that of LeakError."""

    __module__ = "leaklab.testing"


@overload
def no_leaks(function: F, /) -> F: ...
@overload
def no_leaks(**kinds: Any) -> GuardedBlock: ...
def no_leaks(function: Any = None, /, **kinds: Any) -> Any:
    """Watch a block, and fail if it leaves something open: `with` or `async with` it, or decorate a function with it.

    A function that is decorated with it is run twice more if it leaves something, as the pytest plugin does: only what
    every run leaves more of is a leak. A block cannot be run again: there, all that it leaves is one, except what a
    library's pool keeps for later (a LeakWarning).

    Args:
        function: what is decorated, where no kind is named: `@no_leaks` is `@no_leaks()`.
        kinds: `sockets`, `cursors`, `threads`, `tasks`, `children`, `files` and `fds` are watched unless they are
            False; `connections=10` is how many one line may open to one address; `memory="16MiB"` is how much each
            run may add to the memory of this process, which is not watched otherwise.

    Raises:
        LeakError: at the end of the block, or of the function.
        UsageError: there is no such kind, or it has another kind of value.
    """
    block = GuardedBlock(kinds, sys._getframe(1).f_code.co_filename)
    return block if function is None else block(function)


class GuardedBlock:
    """What `no_leaks` returns: a context manager, also an asynchronous one, and a decorator.

    Args:
        kinds: what is watched.
        file: the file in which the block stands.
    """

    def __init__(self, kinds: dict[str, Any], file: str) -> None:
        from leaklab.testing.watched_kinds import Wanted

        self._wanted, self._file = Wanted().with_options(kinds, where="no_leaks()"), file
        self._running: list[LeakSearch] = []

    def _search(self, name: str) -> LeakSearch:
        from pathlib import Path

        from leaklab.testing.leak_search import LeakSearch
        from leaklab.testing.ledger import ledger_of

        folder, here = os.path.dirname(os.path.abspath(self._file)), os.getcwd()  # noqa: PTH100, PTH109, PTH120 # as in explain
        # The project is where it is run, unless the file is elsewhere.
        root = here if os.path.join(folder, "").startswith(os.path.join(here, "")) else folder  # noqa: PTH118
        return LeakSearch(ledger_of(root), self._wanted, Path(root), name=name)

    def _end(self, error: type[BaseException] | None) -> LeakSearch | None:
        """What is to be judged: nothing if an error ends the block, which is told instead."""
        search = self._running.pop()
        search.end()
        if error is None:
            return search
        search.hand_over()
        return None

    def __enter__(self) -> Self:
        self._running.append(self._search("the block"))
        self._running[-1].begin()
        return self

    def __exit__(self, *error: Any) -> None:
        __tracebackhide__ = True
        if (search := self._end(error[0])) is not None:
            search.wait()
            if (leak := _told(search, repeated=False)) is not None:
                raise leak

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: Any) -> None:
        __tracebackhide__ = True
        if (search := self._end(error[0])) is not None:
            for pause in search.pauses():
                await _sleep(pause)
            if (leak := _told(search, repeated=False)) is not None:
                raise leak

    def __call__(self, function: F) -> F:
        """The function, run again where it leaves something. Raises UsageError if it is none that can be run again."""
        is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if isinstance(function, type) or is_generator or not callable(function):
            what = "a class" if isinstance(function, type) else "a generator" if is_generator else "no function"
            raise UsageError(f"no_leaks was given {function!r}, which is {what}: decorate a function, or name a kind")
        name = f"{getattr(function, '__name__', repr(function))}()"

        @wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            search = self._search(name)
            with search.run():
                result = function(*args, **kwargs)
            if inspect.isawaitable(result):
                raise UsageError(f"@no_leaks(): {name} has returned a coroutine: decorate an async function")
            is_decided = True
            for run in _more_runs(search):
                try:
                    with run:
                        function(*args, **kwargs)
                except Exception:  # noqa: BLE001 # it cannot be run again: it is judged as a block
                    search.forget_last_run()
                    is_decided = False
                    break
            search.wait()
            _raise_in(function, _told(search, repeated=is_decided))
            return result

        @wraps(function)
        async def asynchronous(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            search, is_decided = self._search(name), True
            with search.run():
                result = await function(*args, **kwargs)
            for run in _more_runs(search):
                try:
                    with run:
                        await function(*args, **kwargs)
                except Exception:  # noqa: BLE001 # as above
                    search.forget_last_run()
                    is_decided = False
                    break
            for pause in search.pauses():
                await _sleep(pause)
            _raise_in(function, _told(search, repeated=is_decided))
            return result

        return asynchronous if inspect.iscoroutinefunction(function) else plain  # type: ignore[return-value] # it wraps it


def _more_runs(search: LeakSearch) -> Iterator[AbstractContextManager[None]]:
    """The runs after the first, as long as each leaves more; the last looks at what holds the memory, if that grows."""
    from leaklab.testing.leak_search import MEMORY, RERUNS

    yield from search.more_runs(RERUNS)
    if MEMORY in search.suspects():
        yield search.looking_at_memory()


def _told(search: LeakSearch, *, repeated: bool) -> LeakError | None:
    """The error for what is a leak; what may be none is warned of."""
    if not search.suspects() and not search.wasted():
        search.hand_over()
        return None
    from leaklab.testing.leak_findings import of_block, of_repeated
    from leaklab.testing.leak_report import text_of

    leaks = of_repeated(search) if repeated else of_block(search)
    if doubtful := [one for one in leaks if not one.certain]:
        warnings.warn(text_of(doubtful), LeakWarning, stacklevel=3)
    if certain := [one for one in leaks if one.certain]:
        return LeakError(f"{search.name} leaves something open\n{text_of(certain)}")
    return None


def _raise_in(function: Callable[..., Any], error: LeakError | None) -> None:
    """Raise it as if the function that has ended did: then a test framework shows that, and not what has called it."""
    __tracebackhide__ = True
    if error is None:
        return
    its = getattr(inspect.unwrap(function), "__code__", None)
    if its is None:
        raise error
    raising = compile("raise error", its.co_filename, "exec")
    there = raising.replace(co_firstlineno=its.co_firstlineno, co_name=its.co_name)
    exec(there, {"error": error})  # noqa: S102 # a frame of that file is made in no other way


async def _sleep(seconds: float) -> None:
    """Let the event loop of asyncio or of trio go on meanwhile."""
    try:
        import asyncio

        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        await trio.sleep(seconds) if trio is not None else time.sleep(seconds)
    else:
        await asyncio.sleep(seconds)
