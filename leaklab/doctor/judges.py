"""What the doctor says of what was found, each with its remedy: pure functions, which take what they judge."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from leaklab.doctor.checks import Health, HealthCheck, Terminal
from leaklab.errors import MeasureError
from leaklab.system.limits import MEMORY_SHARE
from leaklab.units import format_size

if TYPE_CHECKING:
    from leaklab.measure.trace import Trace

FEWEST_PYTHON = (3, 11)

STEPS = (50, 2_000)
"""Steps that a process should have descriptors for: the built-in scenarios' default, and a lecture's."""

WIDTH = 80
"""Columns that every table fits into."""

MARKS = "–→…×▸’"
"""Characters beyond ASCII that leaklab writes."""

OPENED = 3
"""Connections that the doctor's own half leaves open."""

REINSTALL = "Install it again: python -m pip install --force-reinstall leaklab."
REPORT = "`LEAKLAB_DEBUG=1 leaklab run unclosed-body` shows more; please report it."


# ---- what is installed


def judge_python(version: tuple[int, int, int], implementation: str, executable: str) -> HealthCheck:
    """The interpreter: the halves run on it too."""
    name = "Python"
    found = f"{implementation} {'.'.join(map(str, version))}, {executable or 'started from no file that is known'}"
    if version[:2] < FEWEST_PYTHON:
        return HealthCheck(name, Health.FAILED, found, "Install Python 3.11 or later, and leaklab with it.")
    if not executable:
        return HealthCheck(
            name, Health.FAILED, found, "Start leaklab with a Python that knows its file (sys.executable)."
        )
    if implementation != "cpython":
        return HealthCheck(
            name,
            Health.WARNING,
            f"{found}. It closes what is forgotten later than CPython does, so verdicts can differ from the lessons",
            "Install leaklab with CPython.",
        )
    return HealthCheck(name, Health.OK, found)


def judge_leaklab(version: str, folder: Path, scenarios: Path, *, scenarios_there: bool) -> HealthCheck:
    """The package, and the folder with the built-in scenarios."""
    if not scenarios_there:
        return HealthCheck("leaklab", Health.FAILED, f"{version} in {folder}, but {scenarios} is not there", REINSTALL)
    return HealthCheck("leaklab", Health.OK, f"{version} in {folder}, built-in scenarios in {scenarios}")


def judge_libraries(installed: Mapping[str, str | None], needed: Mapping[str, SpecifierSet]) -> HealthCheck:
    """The libraries' versions against those that leaklab was made for; a missing one is None."""
    name, install = "libraries", "python -m pip install --upgrade"
    if not installed:
        return HealthCheck(
            name,
            Health.WARNING,
            "not known: leaklab is run from a folder and was never installed",
            "Install it: python -m pip install -e FOLDER.",
        )
    found = ", ".join(f"{library} {version or 'missing'}" for library, version in sorted(installed.items()))
    missing = sorted(library for library, version in installed.items() if version is None)
    if missing:
        return HealthCheck(name, Health.FAILED, found, f"Install what is missing: {install} {' '.join(missing)}.")
    others = [
        f"{library}{needed[library]}" for library in sorted(needed) if not _fits(installed[library], needed[library])
    ]
    if others:
        wanted = " ".join(f"'{other}'" for other in others)
        return HealthCheck(
            name, Health.WARNING, f"{found}. Needed: {', '.join(others)}", f"Install those: {install} {wanted}."
        )
    return HealthCheck(name, Health.OK, found)


def versions_needed(requirements: Sequence[str]) -> dict[str, SpecifierSet]:
    """Library → its versions, of the requirements that no marker (an extra, a platform) makes conditional."""
    parsed = [Requirement(requirement) for requirement in requirements]
    return {requirement.name: requirement.specifier for requirement in parsed if requirement.marker is None}


def _fits(version: str | None, needed: SpecifierSet) -> bool:
    """Whether a library's version is one of those needed; one that cannot be read is taken for one."""
    try:
        return version is None or needed.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def judge_scenarios(
    found: int, broken: Sequence[str], packages: Sequence[str], unloadable: Sequence[str]
) -> HealthCheck:
    """The scenarios.

    Args:
        found: how many there are.
        broken: what is wrong with those that cannot be used, in words.
        packages: installed packages that offer some.
        unloadable: what is wrong with such packages that cannot be loaded, in words.
    """
    name = "scenarios"
    told = f"{found} found" + (f", installed packages: {', '.join(packages)}" if packages else "")
    if broken or unloadable:
        return HealthCheck(
            name,
            Health.FAILED,
            "; ".join([told, *broken, *(problem.removesuffix(" Repair or uninstall it.") for problem in unloadable)]),
            "Repair what is named, or take it away; `leaklab validate NAME` checks a scenario.",
        )
    if not found:
        return HealthCheck(name, Health.FAILED, told, REINSTALL)
    return HealthCheck(name, Health.OK, told)


# ---- what the machine has


def judge_system(system: str, release: str, kind: str) -> HealthCheck:
    """The operating system. `kind` is `os.name`."""
    found = f"{system} {release}".strip()
    if kind != "posix":
        return HealthCheck(
            "system", Health.FAILED, f"{found}: nothing can be measured on it", "Run leaklab inside WSL."
        )
    if system == "Darwin":
        return HealthCheck(
            "system", Health.OK, f"{found} (macOS): the system keeps no limit on memory, leaklab watches it"
        )
    if system != "Linux":
        return HealthCheck(
            "system",
            Health.WARNING,
            f"{found}: leaklab is made for Linux and macOS and was never tried here",
            "Trust the other checks, or run leaklab on Linux.",
        )
    return HealthCheck("system", Health.OK, found)


def judge_cores(count: int) -> HealthCheck:
    """The cores that this process may use: the half and the services that it talks to each keep one busy."""
    if count < 2:
        return HealthCheck(
            "cores",
            Health.WARNING,
            "1: a half and its services take turns. Counts are exact all the same; elapsed times spread",
            "Take medians: --repeat 5.",
        )
    return HealthCheck("cores", Health.OK, str(count))


def judge_memory(free: int, allowed: int | None, needed: int) -> HealthCheck:
    """Free memory against what the built-in scenarios take.

    Args:
        free: bytes that the machine can give.
        allowed: bytes that the container still allows; None if it sets no limit.
        needed: bytes of the greatest buffer that a scenario holds with its default settings.
    """
    found = f"{format_size(free)} free"
    if allowed is not None and allowed < free:
        found += f", of which this container allows {format_size(allowed)}"
    if not needed:
        return HealthCheck("memory", Health.OK, found)
    there = free if allowed is None else min(free, allowed)
    # lab.check_settings refuses a buffer of more than a half may hold.
    if needed > there * MEMORY_SHARE:
        most = int(there * MEMORY_SHARE / 2**20)
        remedy = f"Free some, or set a buffer of {most}MiB or less." if most >= 1 else "Free some."
        return HealthCheck(
            "memory", Health.WARNING, f"{found}, too little for the default buffer of {format_size(needed)}", remedy
        )
    return HealthCheck("memory", Health.OK, f"{found}, enough for the default buffer of {format_size(needed)}")


def judge_descriptors(soft: int | None, hard: int | None, beside: int) -> HealthCheck:
    """The limits of open descriptors; None is no limit. Each step may need one, and `beside` are needed besides."""
    name, few, many = "descriptors", *STEPS
    found = f"soft limit {_limit(soft)}, hard limit {_limit(hard)}"
    most = None if hard is None else max(0, hard - beside)
    if most is not None and most < few:
        return HealthCheck(
            name,
            Health.FAILED,
            f"{found}: not enough for --steps {few}",
            f"Raise the hard limit to {few + beside:,} or more (ulimit -Hn, as root, or in limits.conf), "
            f"or take --steps {max(1, most)}.",
        )
    if most is not None and most < many:
        return HealthCheck(
            name,
            Health.WARNING,
            f"{found}: enough for --steps {few}, not for --steps {many}",
            f"Take at most --steps {most}, or raise the hard limit to {many + beside:,} (ulimit -Hn).",
        )
    return HealthCheck(
        name, Health.OK, f"{found}: enough for --steps {few} and --steps {many} (leaklab raises the soft one)"
    )


def _limit(limit: int | None) -> str:
    return "none" if limit is None else f"{limit:,}"


# ---- what the lab starts


def judge_http(status: int, counted: int | None) -> HealthCheck:
    """The HTTP service: it must answer the one request that was made with 200, and count it."""
    name = "HTTP service"
    if status != 200 or counted != 1:
        told = "none" if counted is None else str(counted)
        return HealthCheck(name, Health.FAILED, f"it answered 1 request with {status} and counted {told}", REPORT)
    return HealthCheck(name, Health.OK, "starts, answers on 127.0.0.1, and counts what it was asked")


def judge_measuring(trace: Trace) -> HealthCheck:
    """What was read of the doctor's own half, which left `OPENED` connections open."""
    from leaklab.measure.trace import Outcome, Phase

    name = "measuring"
    if trace.outcome is not Outcome.COMPLETED:
        return HealthCheck(name, Health.FAILED, f"a worker process did not do its work: {trace.ending}", REPORT)
    metrics = ("threads", "rss", "open_fds", "open_sockets")
    values = {metric: trace.value(metric, Phase.COLLECTED) for metric in metrics}
    unread = [metric for metric, value in values.items() if value is None]
    if unread:
        return HealthCheck(
            name,
            Health.FAILED,
            f"a worker process starts, but the system does not tell its {', '.join(unread)}",
            "Let psutil read this user's own processes (in a container or sandbox: allow /proc), or run as that user.",
        )
    opened = {
        metric: (values[metric] or 0) - (trace.value(metric, Phase.BASELINE) or 0)
        for metric in ("open_sockets", "open_fds")
    }
    if any(count != OPENED for count in opened.values()):
        return HealthCheck(
            name,
            Health.FAILED,
            f"a worker process left {OPENED} sockets open; seen were {opened['open_sockets']:.0f} sockets and "
            f"{opened['open_fds']:.0f} descriptors",
            REPORT,
        )
    return HealthCheck(
        name, Health.OK, f"a worker process starts, and {OPENED} of {OPENED} sockets that it left open are seen"
    )


def judge_mongo(name: str, server: str, open_cursors: int | None) -> HealthCheck:
    """A MongoDB server that answered `serverStatus`; `open_cursors` is None if it does not tell them."""
    if open_cursors is None:
        return HealthCheck(
            name,
            Health.FAILED,
            f"{server} answers serverStatus without metrics.cursor.open.total",
            "Take a mongod or mongos of your own (shared clusters leave it out), or leave --mongo out.",
        )
    others = f"; {open_cursors} cursors are open on it now, by others" if open_cursors else ""
    return HealthCheck(name, Health.OK, f"{server}: reachable, serverStatus may be run{others}")


def refused_mongo(name: str, error: MeasureError) -> HealthCheck:
    """A MongoDB server that cannot be used, with the remedy that fits its words."""
    words = str(error)
    found, _, what_to_do = words.partition(". ")
    lower = words.lower()
    if "not authorized" in lower:
        remedy = 'Let its user read serverStatus: db.grantRolesToUser(USER, [{role: "clusterMonitor", db: "admin"}]).'
    elif "requires authentication" in lower:
        remedy = "Name a user: mongodb://USER:PASSWORD@HOST:PORT/?authSource=admin."
    elif "authentication failed" in lower:
        remedy = "Correct user, password or authSource: mongodb://USER:PASSWORD@HOST:PORT/?authSource=admin."
    else:
        remedy = what_to_do or "Correct --mongo, or leave it out to use the embedded server."
    return HealthCheck(name, Health.FAILED, found, remedy)


# ---- what surrounds it


def judge_proxy(environ: Mapping[str, str]) -> HealthCheck:
    """Proxies that would take requests to the lab's services elsewhere. Only names: addresses may hold passwords."""
    proxies = sorted(name for name, value in environ.items() if value and name.lower() in ("http_proxy", "all_proxy"))
    if not proxies:
        return HealthCheck("proxy", Health.OK, "none in the environment")
    exempt = [environ[name] for name in environ if name.lower() == "no_proxy"]
    if any(_exempts_loopback(text) for text in exempt):
        return HealthCheck("proxy", Health.OK, f"{', '.join(proxies)} set; NO_PROXY leaves 127.0.0.1 out")
    return HealthCheck(
        "proxy",
        Health.OK,
        f"{', '.join(proxies)} set, and would catch requests to 127.0.0.1: leaklab takes it out of the environment of "
        "what it starts. The same program outside leaklab needs NO_PROXY=127.0.0.1",
    )


def _exempts_loopback(no_proxy: str) -> bool:
    for part in re.split(r"[,\s]+", no_proxy):
        if part in ("*", "127.0.0.1"):
            return True
        with suppress(ValueError):
            if "/" in part and ipaddress.ip_address("127.0.0.1") in ipaddress.ip_network(part, strict=False):
                return True
    return False


def judge_terminal(terminal: Terminal) -> HealthCheck:
    """The width of the tables."""
    kind = "" if terminal.is_terminal else " (not a terminal: plain text, no live display)"
    found = f"{terminal.width} columns{kind}"
    if terminal.width < WIDTH:
        return HealthCheck(
            "terminal",
            Health.WARNING,
            f"{found}: tables wrap, `compare` shows each half on a row of its own",
            f"Make it {WIDTH} columns wide or wider, or use --format markdown or --json.",
        )
    return HealthCheck("terminal", Health.OK, found)


def judge_colours(terminal: Terminal) -> HealthCheck:
    """Colours add to what is shown, and never carry it: none is as good as any."""
    if terminal.no_color:
        return HealthCheck("colours", Health.OK, "none: NO_COLOR is set")
    return HealthCheck("colours", Health.OK, terminal.colours or "none")


def judge_encoding(encoding: str) -> HealthCheck:
    """Whether the output can carry what leaklab writes."""
    try:
        MARKS.encode(encoding)
    except (UnicodeError, LookupError):
        return HealthCheck(
            "encoding",
            Health.WARNING,
            f"{encoding or 'none is known'}: plain characters stand for {' '.join(MARKS)}",
            "Set PYTHONUTF8=1, or a UTF-8 locale such as LANG=C.UTF-8.",
        )
    return HealthCheck("encoding", Health.OK, encoding)
