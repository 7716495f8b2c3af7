"""Examines this machine; the processes and services that it starts for that end with it."""

import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import leaklab
from leaklab.content.built_in import built_in_folder
from leaklab.content.catalog import ENTRY_POINTS, Catalog
from leaklab.doctor import diagnoses
from leaklab.doctor.diagnoses import OPENED, REINSTALL, REPORT
from leaklab.doctor.health import Diagnosis, Health, HealthCheck, Terminal
from leaklab.errors import LeaklabError, MeasureError, ScenarioError, UsageError
from leaklab.golang.building import cache_folder
from leaklab.golang.toolchain import NoGoError, toolchain
from leaklab.lab.run_options import DESCRIPTORS_BESIDE
from leaklab.measure.measurement import Measurement
from leaklab.measure.run_trace import Outcome
from leaklab.measure.target import Half, Steps
from leaklab.services.client import Services
from leaklab.services.kinds import ServiceNeeds
from leaklab.system import machine
from leaklab.system.interrupts import Owner
from leaklab.system.limits import Limits
from leaklab.system.process_status import memory_available

HALF = Path(__file__).with_name("half.py")


def examine(
    environ: Mapping[str, str], terminal: Terminal, mongo_uri: str | None, scenarios: Path | None
) -> list[HealthCheck]:
    """All checks, in the order they are shown. An error in one check fails that check and no other.

    `mongo_uri` names a real MongoDB server to check too, `scenarios` a folder of more scenarios.

    Raises:
        UsageError: `scenarios` is not a folder, or `mongo_uri` is not a MongoDB URI.
    """
    catalog, package = Catalog(scenarios), Path(leaklab.__file__).parent
    implementation, version = sys.implementation.name, platform.python_version()
    examinations: list[tuple[str, str, Callable[[], Diagnosis]]] = [
        ("Python", REINSTALL, lambda: diagnoses.diagnose_python(implementation, version, sys.executable)),
        ("leaklab", REINSTALL, lambda: diagnoses.diagnose_leaklab(leaklab.__version__, package, built_in_folder())),
        ("libraries", REINSTALL, _examine_libraries),
        ("system", REPORT, lambda: diagnoses.diagnose_system(platform.system(), platform.release(), os.name)),
        ("cores", REPORT, lambda: diagnoses.diagnose_cores(_cores())),
        ("memory", REPORT, lambda: _examine_memory(catalog)),
        ("descriptors", REPORT, lambda: diagnoses.diagnose_descriptors(*machine.fd_limits(), DESCRIPTORS_BESIDE)),
    ]
    if os.name == "posix":
        # Nothing can be started on other systems: the check of the system says so.
        examinations += [("measuring", REPORT, _examine_measuring), ("MongoDB, embedded", REPORT, _examine_mongo)]
        if mongo_uri is not None:
            examinations.append(("MongoDB, --mongo", REPORT, lambda: _examine_mongo(mongo_uri)))
        examinations.append(("Go", REPORT, _examine_go))
    examinations += [
        ("scenarios", REINSTALL, lambda: _examine_scenarios(catalog)),
        ("proxy", REPORT, lambda: diagnoses.diagnose_proxy(environ)),
        ("terminal", REPORT, lambda: diagnoses.diagnose_terminal(terminal)),
        ("encoding", REPORT, lambda: diagnoses.diagnose_encoding(terminal.encoding)),
    ]
    return [tried(*examination) for examination in examinations]


def tried(name: str, remedy: str, examination: Callable[[], Diagnosis]) -> HealthCheck:
    """The check called `name`; an error fails it, with `remedy` unless the error's message has its own.

    Raises:
        UsageError: an option of the command is wrong.
    """
    try:
        diagnosis = examination()
    except UsageError:
        raise
    except LeaklabError as error:
        # leaklab's errors say what was wrong, then what to do.
        found, _, advice = str(error).partition(". ")
        diagnosis = Diagnosis(Health.FAILED, found, advice or remedy)
    except Exception as error:  # noqa: BLE001 # whatever is wrong with this machine, the other checks still run
        diagnosis = Diagnosis(Health.FAILED, f"{type(error).__name__}: {error}", remedy)
    return HealthCheck(name, *diagnosis)


def _examine_libraries() -> Diagnosis:
    needed: Mapping[str, str] = {}
    with suppress(metadata.PackageNotFoundError):
        needed = diagnoses.libraries_needed(metadata.requires("leaklab") or [])
    installed: dict[str, str] = {}
    for name in needed:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return diagnoses.diagnose_libraries(needed, installed)


def _examine_scenarios(catalog: Catalog) -> Diagnosis:
    broken = [error for entry in catalog.entries if (error := entry.error)]
    packages = sorted(point.name for point in metadata.entry_points(group=ENTRY_POINTS))
    return diagnoses.diagnose_scenarios(len(catalog.entries), packages, [*broken, *catalog.problems])


def _examine_memory(catalog: Catalog) -> Diagnosis:
    largest = 0
    # Broken scenarios have a check of their own.
    with suppress(ScenarioError, OSError):
        for entry in catalog.local:
            with suppress(ScenarioError):
                if entry.scenario.buffer is not None:
                    largest = max(largest, entry.scenario.buffer(entry.scenario.settings))
    allowed = machine.cgroup_memory_available(machine.CONTROL_GROUP)
    return diagnoses.diagnose_memory(memory_available(), allowed, largest)


def _cores() -> int:
    """The cores that this process may use; macOS does not say which, so all of them count."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _examine_measuring() -> Diagnosis:
    machine.raise_fd_limit()
    with Owner() as owner:
        services = owner.enter_context(Services())
        target = owner.enter_context(Half(HALF, services))
        its = services.start(["http"], ServiceNeeds())
        measurement = Measurement("doctor", target, services, its, Limits())
        measurement.prepare({"urls": Steps(OPENED, its.endpoints["http"].url("/profiles/{n}"))})
        measurement.run()
        trace = measurement.settle()
        if trace.outcome is Outcome.INTERRUPTED:
            raise KeyboardInterrupt
        return diagnoses.diagnose_measuring(trace)


def _examine_go() -> Diagnosis:
    folder = cache_folder()
    size = _bytes_in(folder) if folder.is_dir() else 0
    try:
        go = toolchain()
    except NoGoError as error:
        return diagnoses.diagnose_no_go(error, folder, size)
    return diagnoses.diagnose_go(go, folder, size)


def _bytes_in(folder: Path) -> int:
    """The size of the files in a folder, in bytes; a file that vanishes meanwhile is skipped."""
    size = 0
    for at, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                size += os.lstat(os.path.join(at, name)).st_size  # noqa: PTH118 # thousands of them
    return size


def _examine_mongo(uri: str | None = None) -> Diagnosis:
    with Owner() as owner:
        services = owner.enter_context(Services())
        try:
            its = services.start(["mongo"], ServiceNeeds(mongo_uri=uri))
        except MeasureError as error:
            if uri is None:
                raise
            return diagnoses.diagnose_refusal(error)
        services.ask_counts(its)
        return diagnoses.diagnose_mongo(its.server or "a server", services.hear_counts(its).counters["cursors"])
