"""The lines in which memory rises, where the system does not say how much there is."""

from __future__ import annotations

import os

import pytest

from leaklab.explain.own_code import OwnCode
from leaklab.explain.rises import Rises


def test_without_proc_no_line_is_found_and_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> int:
        raise FileNotFoundError("/proc/self/statm")

    monkeypatch.setattr(os, "open", missing)
    rises = Rises(OwnCode("/home/ann"), 2**25, lambda: None)
    rises.begin()
    with rises.left_out():
        pass
    assert rises.has_risen(0.9)
    assert rises.line() is None
