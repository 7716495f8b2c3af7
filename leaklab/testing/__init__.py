"""Leak tests for one's own code: a pytest plugin, and `no_leaks()` for any test framework."""

from leaklab.testing.guard_block import LeakError, LeakWarning, no_leaks

__all__ = ["LeakError", "LeakWarning", "no_leaks"]
