"""Looks at this machine: starts the lab's own processes and services for it, and leaves none of them running."""

from __future__ import annotations

import http.client
import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import leaklab
from leaklab.doctor import judges
from leaklab.doctor.checks import Health, HealthCheck, Terminal
from leaklab.doctor.judges import OPENED, REINSTALL, REPORT
from leaklab.errors import LeaklabError, MeasureError, ScenarioError, UsageError
from leaklab.system.interrupts import Owner
from leaklab.system.machine import CONTROL_GROUP, container_allows, machine_memory

if TYPE_CHECKING:
    from leaklab.content.catalog import Catalog
    from leaklab.content.declaration import Scenario

HALF = Path(__file__).with_name("half.py")


def examine(
    environ: Mapping[str, str], terminal: Terminal, mongo_uri: str | None, scenarios: Path | None
) -> list[HealthCheck]:
    """Look at everything, in the order it is shown. What breaks one check fails it and no other.

    Args:
        environ: the environment variables.
        terminal: where the output goes.
        mongo_uri: a real MongoDB server to look at too; None for none.
        scenarios: a folder of scenarios besides the built-in ones; None for none.

    Raises:
        UsageError: the folder is none, or `mongo_uri` is no MongoDB URI.
    """
    from leaklab.content.catalog import Catalog

    catalog = Catalog(scenarios)
    looks: list[tuple[str, str, Callable[[], HealthCheck]]] = [
        ("Python", REINSTALL, _look_at_python),
        ("leaklab", REINSTALL, _look_at_leaklab),
        ("libraries", REINSTALL, _look_at_libraries),
        ("system", REPORT, lambda: judges.judge_system(platform.system(), platform.release(), os.name)),
        ("cores", REPORT, lambda: judges.judge_cores(_cores())),
        ("memory", REPORT, lambda: _look_at_memory(catalog)),
        ("descriptors", REPORT, _look_at_descriptors),
    ]
    if os.name == "posix":
        # Elsewhere nothing can be started: the system's check has said so.
        looks += [
            ("HTTP service", REPORT, _look_at_http),
            ("measuring", REPORT, _look_at_measuring),
            ("MongoDB, embedded", REPORT, lambda: _look_at_mongo("MongoDB, embedded", None)),
        ]
        if mongo_uri is not None:
            looks.append(("MongoDB, --mongo", REPORT, lambda: _look_at_mongo("MongoDB, --mongo", mongo_uri)))
    looks += [
        ("scenarios", REINSTALL, lambda: _look_at_scenarios(catalog)),
        ("proxy", REPORT, lambda: judges.judge_proxy(environ)),
        ("terminal", REPORT, lambda: judges.judge_terminal(terminal)),
        ("colours", REPORT, lambda: judges.judge_colours(terminal)),
        ("encoding", REPORT, lambda: judges.judge_encoding(terminal.encoding)),
    ]
    return [tried(*look) for look in looks]


def tried(name: str, remedy: str, look: Callable[[], HealthCheck]) -> HealthCheck:
    """What `look` finds; if it raises, a failed check with the error, and with `remedy` unless the error has its own.

    Raises:
        UsageError: an option of the doctor's own cannot be meant.
    """
    try:
        return look()
    except UsageError:
        raise
    except LeaklabError as error:
        # leaklab's errors say what was wrong, then what to do.
        found, _, what_to_do = str(error).partition(". ")
        return HealthCheck(name, Health.FAILED, found, what_to_do or remedy)
    except Exception as error:  # noqa: BLE001 # whatever is wrong with this machine, the other checks are still made
        return HealthCheck(name, Health.FAILED, f"{type(error).__name__}: {error}", remedy)


def _look_at_python() -> HealthCheck:
    major, minor, micro = sys.version_info[:3]
    return judges.judge_python((major, minor, micro), sys.implementation.name, sys.executable or "")


def _look_at_leaklab() -> HealthCheck:
    from leaklab.content.catalog import built_in_folder

    folder = built_in_folder()
    return judges.judge_leaklab(
        leaklab.__version__, Path(leaklab.__file__).parent, folder, scenarios_there=folder.is_dir()
    )


def _look_at_libraries() -> HealthCheck:
    from importlib import metadata

    try:
        needed = judges.versions_needed(metadata.requires("leaklab") or [])
    except metadata.PackageNotFoundError:
        needed = {}
    installed: dict[str, str | None] = dict.fromkeys(needed)
    for library in needed:
        with suppress(metadata.PackageNotFoundError):
            installed[library] = metadata.version(library)
    return judges.judge_libraries(installed, needed)


def _look_at_scenarios(catalog: Catalog) -> HealthCheck:
    from importlib import metadata

    from leaklab.content.catalog import ENTRY_POINTS

    entries = catalog.entries
    broken = [error for entry in entries if (error := entry.error) is not None]
    packages = sorted(point.name for point in metadata.entry_points(group=ENTRY_POINTS))
    return judges.judge_scenarios(len(entries), [str(error) for error in broken], packages, catalog.problems)


def _look_at_memory(catalog: Catalog) -> HealthCheck:
    return judges.judge_memory(machine_memory(), container_allows(CONTROL_GROUP), _greatest_size(catalog))


def _greatest_size(catalog: Catalog) -> int:
    """Bytes of the greatest buffer that a scenario takes by default. Broken ones have a check of their own."""
    sizes = [0]
    with suppress(ScenarioError, OSError):
        for entry in catalog.local:
            with suppress(ScenarioError):
                scenario = entry.scenario
                sizes.append(0 if scenario.buffer is None else scenario.buffer(scenario.settings))
    return max(sizes)


def _look_at_descriptors() -> HealthCheck:
    from leaklab.lab.pair import DESCRIPTORS_BESIDE
    from leaklab.system.machine import descriptor_limits

    return judges.judge_descriptors(*descriptor_limits(), DESCRIPTORS_BESIDE)


def _cores() -> int:
    """The cores that this process may use; macOS does not tell which, so that all of them count."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _look_at_http() -> HealthCheck:
    from leaklab.services.client import Services

    with Owner() as owner:
        services = owner.enter_context(Services())
        its = services.start(_scenario_with("http"), None)
        assert its.http is not None  # noqa: S101 # it was asked for
        # http.client knows no proxies: what answers is the service.
        connection = http.client.HTTPConnection("127.0.0.1", its.http.port, timeout=10)
        try:
            connection.request("GET", "/profiles/1")
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        services.ask_counts(its)
        counts = services.hear_counts(its)
        return judges.judge_http(response.status, counts.values["requests_served"])


def _look_at_measuring() -> HealthCheck:
    from leaklab.content.declaration import Steps
    from leaklab.measure.measurement import HalfRun
    from leaklab.services.client import Services
    from leaklab.system.machine import raise_descriptor_limit

    raise_descriptor_limit()
    with Owner() as owner:
        services = owner.enter_context(Services())
        its = services.start(_scenario_with("http"), None)
        assert its.http is not None  # noqa: S101 # it was asked for
        run = owner.enter_context(HalfRun("doctor", HALF, services))
        run.make_ready(its, {"paths": Steps(OPENED, "/profiles/{n}"), "port": its.http.port})
        run.run()
        trace = run.settle()
        if run.interrupted:
            raise KeyboardInterrupt
        return judges.judge_measuring(trace)


def _look_at_mongo(name: str, uri: str | None) -> HealthCheck:
    from leaklab.services.client import Services

    with Owner() as owner:
        services = owner.enter_context(Services())
        try:
            its = services.start(_scenario_with("mongo"), uri)
        except MeasureError as error:
            if uri is None:
                raise
            return judges.refused_mongo(name, error)
        services.ask_counts(its)
        counts = services.hear_counts(its)
        return judges.judge_mongo(name, its.server or "a server", counts.values["open_cursors"])


def _scenario_with(service: str) -> Scenario:
    """The smallest scenario that has the lab start `service`."""
    from leaklab.content.declaration import Scenario

    return Scenario(
        title="doctor", leaks="", summary="", workload=lambda _: {}, expected={}, telling=(), services=(service,)
    )
