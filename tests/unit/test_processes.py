"""The system as leaklab sees it: who descends from a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from leaklab import processes
from leaklab.processes import descendants

GONE = 2**22 + 1
"""No process has this number: it is above the highest that Linux gives (proc(5), pid_max)."""


@contextmanager
def family() -> Iterator[set[int]]:
    """A child that started two processes and waits; the ids of all three."""
    child = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 60 & sleep 60 & echo ready; wait"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "ready\n"
        ids = {child.pid, *(one.pid for one in psutil.Process(child.pid).children())}
        yield ids
        for pid in ids:
            os.kill(pid, 9)
        child.wait()


@pytest.mark.parametrize("children", [processes.CHILDREN, "/proc/no/{pid}/{tid}"], ids=["by thread", "by psutil"])
def test_children_and_their_children_are_descendants_and_so_is_one_that_nobody_waited_for(
    monkeypatch: pytest.MonkeyPatch, children: str
) -> None:
    monkeypatch.setattr(processes, "CHILDREN", children)
    before = set(descendants(os.getpid()))
    with family() as ids, subprocess.Popen([sys.executable, "-c", ""]) as ended:
        while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert len(ids) == 3
        assert set(descendants(os.getpid())) - before == {*ids, ended.pid}


@pytest.mark.parametrize("children", [processes.CHILDREN, "/proc/no/{pid}/{tid}"], ids=["by thread", "by psutil"])
def test_of_a_process_that_is_gone_nothing_is_known(monkeypatch: pytest.MonkeyPatch, children: str) -> None:
    monkeypatch.setattr(processes, "CHILDREN", children)
    with pytest.raises((OSError, psutil.Error)):
        descendants(GONE)
