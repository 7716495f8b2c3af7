"""What the figures of an examination mean, with a remedy for each problem: pure functions."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from leaklab import metrics
from leaklab.doctor.health import Diagnosis, Health, Terminal
from leaklab.errors import MeasureError
from leaklab.golang.toolchain import NoGoError, Toolchain
from leaklab.measure.run_trace import Outcome, Phase, Trace
from leaklab.system.limits import MEMORY_SHARE
from leaklab.units import as_argument, format_size

OPENED = 3
"""Connections that the doctor's own half leaves open."""

REINSTALL = "Reinstall it: python -m pip install --force-reinstall leaklab."
REPORT = "Run `LEAKLAB_DEBUG=1 leaklab run unclosed-body` and report what it prints."

_ok, _warning, _failed = (partial(Diagnosis, health) for health in Health)


def diagnose_python(implementation: str, version: str, executable: str) -> Diagnosis:
    """The interpreter, which also runs the halves."""
    found = f"{implementation} {version}, {executable or 'path unknown'}"
    if not executable:
        return _failed(found, "Start leaklab with a Python that knows its own path (sys.executable).")
    if implementation != "cpython":
        late = "it closes forgotten resources later than CPython, so verdicts can differ from the lessons"
        return _warning(f"{found}: {late}", "Install leaklab with CPython.")
    return _ok(found)


def diagnose_leaklab(version: str, folder: Path, scenarios: Path) -> Diagnosis:
    """The package, and the folder of the built-in scenarios."""
    if not scenarios.is_dir():
        return _failed(f"{version} in {folder}, but {scenarios} is missing", REINSTALL)
    return _ok(f"{version} in {folder}, built-in scenarios in {scenarios}")


def libraries_needed(requirements: Sequence[str]) -> dict[str, str]:
    """Requirements (`h11>=0.16`) by library, without those of an extra or a platform (`; …`)."""
    return {re.split(r"[^\w.-]", text, maxsplit=1)[0]: text for text in requirements if ";" not in text}


def diagnose_libraries(needed: Mapping[str, str], installed: Mapping[str, str]) -> Diagnosis:
    """The installed versions of the libraries needed. pip checks all versions, so only the lowest is checked here."""
    if not needed:
        never = "unknown: leaklab runs from a folder and was never installed"
        return _warning(never, "python -m pip install -e FOLDER")
    found = ", ".join(f"{name} {installed.get(name, 'missing')}" for name in sorted(needed))
    upgrade = "python -m pip install --upgrade"
    if missing := sorted(needed.keys() - installed.keys()):
        return _failed(found, f"{upgrade} {' '.join(missing)}")
    lowest = {name: "".join(re.findall(r">=\s*([\d.]+)", text)) for name, text in needed.items()}
    if old := [needed[name] for name in sorted(needed) if _numbers(installed[name]) < _numbers(lowest[name])]:
        return _warning(f"{found}. Needed: {', '.join(old)}", f"{upgrade} {' '.join(map(repr, old))}")
    return _ok(found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def diagnose_go(go: Toolchain, folder: Path, size: int) -> Diagnosis:
    """The Go that builds halves, and what was built so far: bytes in a folder."""
    return _ok(f"{go}, {go.command} ({go.source}); {_built(folder, size)}")


def diagnose_no_go(error: NoGoError, folder: Path, size: int) -> Diagnosis:
    """No Go was found: only halves in Go need it."""
    return _ok(f"optional: {error}; {_built(folder, size)}")


def _built(folder: Path, size: int) -> str:
    if not size:
        return f"nothing is built yet (it goes to {folder})"
    return f"{format_size(size)} of built halves and libraries in {folder}, to drop with: rm -r {as_argument(folder)}"


def diagnose_scenarios(found: int, packages: Sequence[str], problems: Sequence[str]) -> Diagnosis:
    """The scenarios: how many there are, the installed packages that offer some, and what is wrong, in words."""
    counted = f"{found} found" + (f", installed packages: {', '.join(packages)}" if packages else "")
    if problems:
        words = "; ".join([counted, *(problem.removesuffix(" Repair or uninstall it.") for problem in problems)])
        return _failed(words, "Fix or remove what is named; `leaklab validate NAME` checks a scenario.")
    return _ok(counted) if found else _failed(counted, REINSTALL)


def diagnose_system(system: str, release: str, kind: str) -> Diagnosis:
    """The operating system; `kind` is `os.name`."""
    found = f"{system} {release}".strip()
    if kind != "posix":
        return _failed(f"{found}: leaklab cannot measure here", "Run leaklab inside WSL.")
    if system == "Darwin":
        return _ok(f"{found} (macOS): it enforces no memory limit, so leaklab watches memory itself")
    if system != "Linux":
        return _warning(f"{found}: leaklab has only been tested on Linux and macOS", "Rely on the other checks.")
    return _ok(found)


def diagnose_cores(count: int) -> Diagnosis:
    """The cores that this process may use: a half and the services it talks to keep one busy each."""
    if count < 2:
        return _warning("1: a half and its services take turns, so times vary; counts stay exact", "Use --repeat 5.")
    return _ok(str(count))


def diagnose_memory(free: int, allowed: int | None, needed: int) -> Diagnosis:
    """Bytes that are free, and that the container allows (None: no limit), against the largest buffer of a scenario."""
    found = f"{format_size(free)} free"
    if allowed is not None and allowed < free:
        found += f", of which this container allows {format_size(allowed)}"
        free = allowed
    # A run refuses a buffer that is larger than a half may be.
    most = int(free * MEMORY_SHARE)
    if needed > most:
        remedy = "Free some memory" + (f", or set a buffer of {most // 2**20}MiB or less." if most >= 2**20 else ".")
        return _warning(f"{found}, too little for the default size of {format_size(needed)}", remedy)
    return _ok(found)


def diagnose_descriptors(soft: int | None, hard: int | None, beside: int) -> Diagnosis:
    """The limits of open file descriptors (None: no limit). A step may need one; `beside` are needed in any case."""
    few, many = 50, 2_000  # the built-in scenarios' default, and a lecture's
    soft_limit, hard_limit = ("none" if limit is None else f"{limit:,}" for limit in (soft, hard))
    found = f"soft limit {soft_limit}, hard limit {hard_limit}"
    if hard is None or hard - beside >= many:
        return _ok(f"{found}: enough for {many:,} steps (leaklab raises the soft limit)")
    steps = max(1, hard - beside)
    if hard - beside < few:
        raised = f"Raise the hard limit to {few + beside:,} or more (ulimit -Hn as root, or limits.conf)"
        return _failed(f"{found}: not enough for {few} steps", f"{raised}, or use --steps {steps}.")
    remedy = f"Use at most --steps {steps}, or raise the hard limit to {many + beside:,} (ulimit -Hn)."
    return _warning(f"{found}: enough for {few} steps, not for {many:,}", remedy)


def diagnose_measuring(trace: Trace) -> Diagnosis:
    """What was measured of the doctor's own half, which left `OPENED` connections to the HTTP service open."""
    if trace.outcome is not Outcome.COMPLETED:
        return _failed(f"a worker process did not finish its work: {trace.ending}", REPORT)
    read = (metrics.THREADS, metrics.RSS, metrics.OPEN_FDS, metrics.OPEN_SOCKETS, metrics.REQUESTS_SERVED)
    names = [metric.name for metric in read]
    after = {name: trace.value(name, Phase.COLLECTED) for name in names}
    if unread := [name for name, value in after.items() if value is None]:
        found = f"a worker process starts, but its {', '.join(unread)} cannot be read"
        allow = "Let psutil read this user's own processes (in a container or sandbox: allow /proc)"
        return _failed(found, f"{allow}, or run as that user.")
    seen = {name: (after[name] or 0) - (trace.value(name, Phase.BASELINE) or 0) for name in names[2:]}
    if any(count != OPENED for count in seen.values()):
        counts = ", ".join(f"{name} {count:.0f}" for name, count in seen.items())
        return _failed(f"a worker process left {OPENED} sockets open, but the counts rose by: {counts}", REPORT)
    return _ok(f"the HTTP service and a worker process start, and all {OPENED} sockets left open were seen")


def diagnose_mongo(server: str, open_cursors: int | None) -> Diagnosis:
    """A MongoDB server that answered `serverStatus`; `open_cursors` is None if it does not report them."""
    if open_cursors is None:
        remedy = "Use a mongod or mongos of your own (shared clusters leave it out), or leave out --mongo."
        return _failed(f"{server}: its serverStatus has no metrics.cursor.open.total", remedy)
    others = f"; others have {open_cursors} cursors open on it" if open_cursors else ""
    return _ok(f"{server}: reachable, serverStatus allowed{others}")


def diagnose_refusal(error: MeasureError) -> Diagnosis:
    """A MongoDB server that cannot be used, with the remedy that fits the error."""
    words = str(error)
    found, _, advice = words.partition(". ")
    credentials = "mongodb://USER:PASSWORD@HOST:PORT/?authSource=admin"
    grant = 'db.grantRolesToUser(USER, [{role: "clusterMonitor", db: "admin"}])'
    remedies = {
        "not authorized": f"Let its user read serverStatus: {grant}.",
        "requires authentication": f"Name a user: {credentials}.",
        "authentication failed": f"Correct the user, password or authSource: {credentials}.",
    }
    default = advice or "Correct --mongo, or leave it out to use the embedded server."
    return _failed(found, next((remedy for sign, remedy in remedies.items() if sign in words.lower()), default))


def diagnose_proxy(environ: Mapping[str, str]) -> Diagnosis:
    """Proxies that could catch requests to local services. Only their names: addresses may hold passwords."""
    proxies = sorted(name for name, value in environ.items() if value and name.lower() in ("http_proxy", "all_proxy"))
    advice = "leaklab bypasses it. To reach local services, your own programs need NO_PROXY=127.0.0.1"
    return _ok(f"{', '.join(proxies)} set; {advice}" if proxies else "none in the environment")


def diagnose_terminal(terminal: Terminal) -> Diagnosis:
    """The width of the tables, and the colours: they add to what is shown, and nothing depends on them."""
    kind = "" if terminal.is_terminal else " (not a terminal: plain text, no live display)"
    found = f"{terminal.width} columns, colours: {terminal.colours or 'none'}{kind}"
    if terminal.width < 80:
        remedy = "Use at least 80 columns, --format markdown or --json."
        return _warning(f"{found}. Tables wrap, and `compare` puts each half on a row of its own", remedy)
    return _ok(found)


def diagnose_encoding(encoding: str) -> Diagnosis:
    """Whether the output can carry the characters that leaklab writes."""
    marks = "–→…×▸’"
    try:
        marks.encode(encoding)
    except (UnicodeError, LookupError):
        found = f"{encoding or 'unknown'}: ASCII characters replace {' '.join(marks)}"
        return _warning(found, "Set PYTHONUTF8=1, or a UTF-8 locale such as LANG=C.UTF-8.")
    return _ok(encoding)
