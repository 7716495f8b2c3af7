"""What the HTTP service answers to a request: pure functions from method and target to an `Answer`.

Nothing here touches a socket or a clock, so a reader sees in one place what each path does, and the lab can compute
what a half must have received (`profile`, `Answer.whole_body`). Where a service is to answer one run only, every path
begins with a secret of that run.

The routes, by the name under which requests are counted (a request with another method counts as `POST bytes`, say):

| route | path | answer |
| --- | --- | --- |
| bytes | /bytes/{size} | that many bytes, or the one range of them that a GET asks for (`Range`) |
| profiles | /profiles/{n} | profile n: a JSON document of about 2 kB, different in every run |
| dossiers | /dossiers/{n} | the same with a longer text: 384 to 512 KiB |
| exports | /exports/{n} | export n: 384 to 512 KiB of bytes, another size in every run |
| status | /status/{code} | this status, with a small body if it may have one |
| delay | /delay/{seconds} | a small body after this time |
| silent | /silent, /silent/{seconds} | nothing, ever; or the same as delay |
| drip | /drip/{count}/{interval} | that many bytes, one every `interval` seconds |
| drip-head | /drip-head/{count}/{interval} | a head that comes in that many pieces, then a small body |
| endless | /endless | a body without end: 4 KiB every 10 ms |
| events | /events/{count}/{interval} | an event stream, one event every `interval` seconds; `endless` is a count, too |
| redirect | /redirect/{n} | 302 to /profiles/{n} |
| redirect-loop | /redirect-loop | 302 to itself |
| flaky | /flaky/{n} | 503 to the first request for this n, profile n to all later ones |
| close | /close/{n} | profile n with `Connection: close`; then the service closes the connection |
| idle-close | /idle-close/{n}/{seconds} | profile n; the service closes the connection when it was idle that long |
| reset | /reset/{size} | the head and the first half of a body of this size, then RST |
| truncated | /truncated/{size} | the head and the first half of a body of this size, then FIN |
"""

import hashlib
import hmac
import json
import math
import re
from dataclasses import dataclass, replace

ALLOW = "GET, HEAD, POST, PUT, PATCH, DELETE"
MAX_SIZE = 1 << 40  # bytes: 1 TiB
MAX_SECONDS = 3600.0
MAX_HEAD_DRIPS = 1 << 15  # each is a byte of one header line, and Python's http.client refuses lines over 64 KiB
FILLER = bytes(1)  # each byte of a body that has only a size

_WITHOUT_HEADERS = (204, 304)  # end with their head (RFC 9110, 6.4.1)
_WITHOUT_CONTENT = (204, 205, 304)  # 205 says "Content-Length: 0" (RFC 9110, 15.3.6)
_RANGE = re.compile(r"\Abytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))\Z", re.IGNORECASE)
_AUTHORITY = re.compile(r"\Ahttps?://[^/]*/?", re.IGNORECASE)
_PORT = re.compile(r":[0-9]*\Z")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_FIRST_NAMES = ("Ada", "Barbara", "Edsger", "Frances", "Grace", "Ken", "Margaret", "Tony")
_LAST_NAMES = ("Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper", "Liskov", "Lovelace", "Thompson")
_BIO = "Opens every connection with care, reads what was sent, and closes what was opened. "


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply, as a plan.

    `route` is the name under which the request is counted. `extra` holds headers beside those that describe the body.
    The body is `body` (JSON), or, if `filler` is given, that many bytes of filler, or `events` (`math.inf`: a body
    without end). `wait` is the time in seconds before anything is sent (`math.inf`: nothing ever is). With `interval`,
    in seconds, the body drips byte by byte or event by event; with `head_drips` too, it is the head that drips, in so
    many pieces.

    The last `missing` bytes of the filler are never sent: the connection is closed, or reset if `resets`, before them.
    With `idle_s`, it is closed once it has been idle for that many seconds after this answer. With `fails_first`, the
    first request for this number is answered 503 instead.
    """

    route: str
    status: int = 200
    extra: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    filler: float | None = None
    events: bool = False
    wait: float = 0.0
    interval: float | None = None
    head_drips: int | None = None
    missing: int = 0
    resets: bool = False
    idle_s: float | None = None
    fails_first: int | None = None

    @property
    def timed(self) -> bool:
        """Whether the answer takes time, however fast the client reads."""
        return self.wait > 0 or bool(self.interval) or self.filler == math.inf

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the reply: what its body is, then the extra ones."""
        if self.status in _WITHOUT_HEADERS:
            return []
        described = []
        if self.filler is not None:
            described.append(("Content-Type", "text/event-stream" if self.events else "application/octet-stream"))
        elif self.body:
            described.append(("Content-Type", "application/json"))
        if self.filler != math.inf and not self.events:
            described.append(("Content-Length", str(len(self.body) if self.filler is None else self.filler)))
        return [*described, *self.extra]

    @property
    def whole_body(self) -> bytes:
        """All of the body that is ever sent; `OverflowError` if it has no end."""
        return self.body if self.filler is None else self.part(0, int(self.filler) - self.missing)

    def part(self, start: int, end: int) -> bytes:
        """The bytes or events of the filler from number `start` up to, but not including, `end`."""
        if self.events:
            return b"".join(b"data: %d\n\n" % number for number in range(start, end))
        return FILLER * (end - start)


def json_body(document: dict[str, object]) -> bytes:
    """The body of a reply that is a JSON document."""
    return json.dumps(document).encode()


def profile(n: int, secret: str = "") -> bytes:
    """Build the JSON document of `/profiles/{n}`: 1,848 to 2,248 bytes.

    Its length and its first 16 bytes follow from `secret`: without it the document must be fetched to know them.
    """
    return _profile_of(n, secret, 1_848 + _chance(n, secret) % 401)


def dossier(n: int, secret: str = "") -> bytes:
    """Build the JSON document of `/dossiers/{n}`: a profile of the size of an export."""
    return _profile_of(n, secret, export_size(n, secret))


def _profile_of(n: int, secret: str, size: int) -> bytes:
    chance = _chance(n, secret)
    name = f"{_FIRST_NAMES[n % 8]} {_LAST_NAMES[n // 8 % 8]}"
    document: dict[str, object] = {"key": f"{chance:016x}", "id": n, "name": name, "bio": ""}
    length = size - len(json_body(document))
    document["bio"] = (_BIO * (length // len(_BIO) + 1))[:length]
    return json_body(document)


def export_size(n: int, secret: str = "") -> int:
    """The size of `/exports/{n}` in bytes: 384 to 512 KiB, which follows from `secret` as a profile does.

    That is far more than the sockets' buffers hold, and than a client may read away when it closes a response (Go does,
    up to 256 KiB).
    """
    return 3 * 2**17 + _chance(n, secret) % 2**17


def _chance(n: int, secret: str) -> int:
    """A number of 64 bits that cannot be known without `secret`."""
    return int.from_bytes(hashlib.blake2b(f"{secret}/{n}".encode(), digest_size=8).digest(), "big")


def comes_from_this_run(target: str, base: str, host: str | None) -> bool:
    """Whether a request knows `base`, which every path of the service begins with, and its host is a loopback one.

    Without a base, everything does. `host` is the header of that name, None where there is none: HTTP/1.0 has no need
    of it. A page in a browser can be led to a loopback port, but not with a loopback name ("DNS rebinding").
    """
    if not base:
        return True
    hosts = [host] if host is not None else []
    if authority := _AUTHORITY.match(target):
        hosts.append(authority[0].split("/")[2])
    path = _AUTHORITY.sub("/", target)
    given, known = path[: len(base)].encode(), base.encode()
    return (
        hmac.compare_digest(given, known)
        and path[len(base) :].startswith("/")
        and all(_PORT.sub("", each).lower() in LOOPBACK_NAMES for each in hosts)
    )


def stranger() -> Answer:
    """The answer to what does not come from this run."""
    error = "this service answers only the run of leaklab that started it, by the URLs that it was given"
    return Answer("stranger", 403, (("Connection", "close"),), json_body({"error": error}))


def answer_to(method: str, target: str, secret: str = "", ranges: str = "", base: str = "") -> Answer:
    """Decide the answer to a request for `target`, in origin or absolute form; a query string is ignored.

    Every path begins with `base`, which is taken off.

    A method other than GET is part of the route: such a request asks for no body, or brings one. `ranges` is the value
    of the header `Range`. A bad value is answered 400 (route `refused-value`), an unknown path 404 (`unknown`), an
    unknown method 405 (`refused-method`), a range that lies outside the body 416 (`refused-range`), each with a JSON
    body that says what was wrong: nothing is raised.
    """
    if method not in ALLOW.split(", "):
        error = f"method {method} is not served, only {ALLOW}"
        return Answer("refused-method", 405, (("Allow", ALLOW),), json_body({"error": error}))
    origin = _AUTHORITY.sub("/", target)  # servers must accept `http://127.0.0.1:80/bytes/5` (RFC 9112, 3.2.2)
    path = origin.partition("?")[0]
    try:
        answer = _route(path.removeprefix(base).split("/")[1:], origin, secret, base)
    except ValueError as bad:
        return Answer("refused-value", 400, body=json_body({"error": str(bad), "path": path}))
    if answer is None:
        return Answer("unknown", 404, body=json_body({"error": "no such path", "path": path}))
    if method != "GET":
        return replace(answer, route=f"{method} {answer.route}")
    return _range(answer, int(answer.filler or 0), ranges) if answer.route == "bytes" else answer


def _route(segments: list[str], origin: str, secret: str, base: str) -> Answer | None:
    """Find the answer to a path; None if there is no such path, `ValueError` for a bad value in it."""
    answer: Answer | None = None
    match segments:
        case ["bytes", size]:
            answer = Answer("bytes", 200, (("Accept-Ranges", "bytes"),), filler=_whole("size", size, MAX_SIZE, "bytes"))
        case ["reset" | "truncated" as route, size]:
            promised = _whole("size", size, MAX_SIZE, "bytes", least=1)
            answer = Answer(route, filler=promised, missing=promised - promised // 2, resets=route == "reset")
        case ["profiles" | "dossiers" | "exports" | "flaky" | "close" | "redirect" as route, n]:
            answer = _page(route, _whole("n", n, MAX_SIZE), secret, base)
        case ["idle-close", n, seconds]:
            document, idle = profile(_whole("n", n, MAX_SIZE), secret), _seconds("idle time", seconds)
            answer = Answer("idle-close", 200, (("Connection", "keep-alive"),), document, idle_s=idle)
        case ["endless"]:
            answer = Answer("endless", filler=math.inf)
        case ["delay" | "silent" as route, seconds]:
            wait = _seconds("delay", seconds)
            answer = Answer(route, body=json_body({"waited": wait}), wait=wait)
        case ["silent"]:
            answer = Answer("silent", wait=math.inf)
        case ["drip", count, interval]:
            drips, pause = _whole("count", count, MAX_SIZE, "bytes"), _seconds("interval", interval)
            answer = Answer("drip", filler=drips, interval=pause)
        case ["drip-head", count, interval]:
            drips, pause = _whole("count", count, MAX_HEAD_DRIPS), _seconds("interval", interval)
            padding = (("X-Drip", "." * drips),)  # makes the head long enough for each piece to have a byte
            answer = Answer("drip-head", 200, padding, json_body({"drips": drips}), interval=pause, head_drips=drips)
        case ["events", count, interval]:
            number = math.inf if count == "endless" else _whole("count", count, MAX_SIZE, "events, or endless")
            answer = Answer("events", filler=number, events=True, interval=_seconds("interval", interval))
        case ["redirect-loop"]:
            answer = Answer("redirect-loop", 302, (("Location", origin),), json_body({"location": origin}))
        case ["status", code]:
            status = _whole("status", code, 599, least=200)
            answer = Answer("status", status, body=b"" if status in _WITHOUT_CONTENT else json_body({"status": status}))
    return answer


def _page(route: str, n: int, secret: str, base: str) -> Answer:
    """The answer of a route that leads to the profile or the export `n`."""
    if route == "exports":
        return Answer(route, filler=export_size(n, secret))
    if route == "dossiers":
        return Answer(route, body=dossier(n, secret))
    if route == "redirect":
        location = f"{base}/profiles/{n}"
        return Answer(route, 302, (("Location", location),), json_body({"location": location}))
    extra = (("Connection", "close"),) if route == "close" else ()
    return Answer(route, 200, extra, profile(n, secret), fails_first=n if route == "flaky" else None)


def _range(whole: Answer, size: int, ranges: str) -> Answer:
    """Narrow an answer to the one range that is asked for; any other header is ignored (RFC 9110, 14.2)."""
    asked = _RANGE.match(ranges)
    if asked is None:
        return whole
    first, last, length = asked.groups()
    start = max(0, size - int(length)) if length else int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return whole
    if start >= size:
        body = json_body({"error": f"the body has {size} bytes: {ranges} is outside"})
        return Answer("refused-range", 416, (("Content-Range", f"bytes */{size}"),), body)
    return replace(whole, status=206, extra=(("Content-Range", f"bytes {start}-{end}/{size}"),), filler=end - start + 1)


def _whole(name: str, text: str, most: int, unit: str = "", *, least: int = 0) -> int:
    """Read a whole number from a path; ValueError names it, its value and its bounds."""
    # The length is looked at first: int() of thousands of digits is slow, and refused with a message of its own.
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
        return int(text)
    bounds = f"a whole number from {least} to {most} {unit}".rstrip()
    raise ValueError(f"{name} must be {bounds}, not {text!r}")


def _seconds(name: str, text: str) -> float:
    """Read a time in seconds from a path; ValueError names it, its value and its bounds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value <= MAX_SECONDS and "_" not in text:
        return value + 0.0  # -0.0 becomes 0.0
    raise ValueError(f"{name} must be a number from 0 to {MAX_SECONDS:g} seconds, not {text!r}")
