"""The pytest plugin: with `--leaklab`, a test that leaves something open fails, with the line that opened it.

pytest imports this module whenever leaklab is installed: all else is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from leaklab.testing.suite_watch import SuiteWatch

pytest_plugins = ["leaklab.testing.service_fixtures"]

WATCH = "leaklab-watch"
"""The name of the plugin that does the work, once something is to be watched."""

WATCHED = "sockets=True, connections=10, cursors=True, threads=True, tasks=True, children=True, files=True, fds=True"
MARKERS = (
    f"no_leaks({WATCHED}, memory=None): fail this test if it leaves such things open, also without --leaklab",
    "leaks(*kinds, **limits): this test may leave such things open; all kinds, if none is named",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the plugin can be told, on the command line and in the configuration file."""
    group = parser.getgroup("leaklab", "leaks (leaklab)")
    group.addoption("--leaklab", action="store_true", help="Fail each test that leaves something open.")
    group.addoption("--leaklab-reruns", metavar="N", help="How often a test that leaves something is run again (2).")
    group.addoption(
        "--leaklab-format",
        choices=["github", "json"],
        help="Also report as GitHub annotations, or as a JSON document (with --leaklab-output=FILE).",
    )
    group.addoption(
        "--leaklab-output", metavar="FILE", help="Where that report is written; for github, standard output by default."
    )
    group.addoption("--leaklab-baseline", metavar="FILE", help="Known leaks, which fail no test: only new ones do.")
    group.addoption(
        "--leaklab-write-baseline", action="store_true", help="Write the leaks that are found to that file."
    )
    parser.addini("leaklab", "watch all tests, as --leaklab does", type="bool", default=False)
    parser.addini("leaklab_reruns", "how often a test that leaves something is run again", default="2")
    parser.addini("leaklab_connections", "connections that one line may open to one address", default="10")
    parser.addini("leaklab_memory", "how much each run of a test may add to the memory, such as 16MiB", default="")
    parser.addini(
        "leaklab_ignore", "lines, files, modules or threads that are not watched", type="linelist", default=[]
    )
    parser.addini("leaklab_baseline", "a file with known leaks, which fail no test", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before the first conftest.py is imported: what it makes may be asked for what it opens later."""
    if early_config.known_args_namespace.leaklab or early_config.getini("leaklab"):
        _watch(early_config, all_tests=True)


def pytest_configure(config: pytest.Config) -> None:
    """Say which markers there are, and see to the options."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    watch = config.pluginmanager.get_plugin(WATCH)
    if watch is not None:
        watch.configure(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where only some tests are marked, those are watched."""
    if config.pluginmanager.get_plugin(WATCH) is None and any(item.get_closest_marker("no_leaks") for item in items):
        _watch(config, all_tests=False).configure(config)


def _watch(config: pytest.Config, *, all_tests: bool) -> SuiteWatch:
    from leaklab.testing.quick_import import not_rewritten

    with not_rewritten():
        from leaklab.testing.suite_watch import SuiteWatch

    watch = SuiteWatch(config.rootpath, all_tests=all_tests)
    config.pluginmanager.register(watch, WATCH)
    return watch


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say that the tests are watched, or which option has no effect as they are not."""
    watch: Any = config.pluginmanager.get_plugin(WATCH)
    if watch is not None:
        return [watch.header()]
    idle = [name for name in ("reruns", "format", "output", "baseline", "write_baseline") if _is_given(config, name)]
    options = ", ".join(f"--leaklab-{name.replace('_', '-')}" for name in idle)
    return [f"leaklab: without --leaklab, {options} is only for tests that are marked no_leaks"] if idle else []


def _is_given(config: pytest.Config, name: str) -> bool:
    return config.getoption(f"leaklab_{name}") not in (None, False)
