"""What the HTTP service answers to a request: pure functions from method and target to an `Answer`.

Nothing here touches a socket or a clock, so a reader sees in one place what each path does, and the lab can
compute what a half must have received (`profile`).
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

METHODS = ("GET", "HEAD", "POST", "PUT")
MAX_SIZE = 1 << 40  # bytes: 1 TiB
MAX_SECONDS = 3600.0
# The dripped head carries a header of as many bytes as there are drips; Python's http.client refuses a header
# line of more than 64 KiB.
MAX_HEAD_DRIPS = 1 << 15

FILLER = bytes(1)
"""Each byte of a body that has only a size."""

_PHRASED = frozenset(status.value for status in HTTPStatus)
_JSON = "application/json"
_BINARY = "application/octet-stream"
_FIRST_NAMES = ("Ada", "Barbara", "Edsger", "Frances", "Grace", "Ken", "Margaret", "Tony")
_LAST_NAMES = ("Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper", "Liskov", "Lovelace", "Thompson")
_BIO = "Opens every connection with care, reads what was sent, and closes what was opened. "


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply, as a plan.

    `route` is the name under which the request is counted. The body is `body`, or, if `filler` is given, that
    many bytes of filler (`math.inf`: a body without end). `wait` is the time in seconds before anything is
    sent (`math.inf`: nothing ever is). With `interval`, in seconds, the body drips byte by byte; with
    `head_drips` too, it is the head that drips, in so many pieces.
    """

    route: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    filler: float | None = None
    wait: float = 0.0
    interval: float | None = None
    head_drips: int | None = None

    @property
    def timed(self) -> bool:
        """Whether the answer takes time, however fast the client reads."""
        return self.wait > 0 or self.interval is not None or self.filler == math.inf

    @property
    def reason(self) -> str:
        """The status's phrase, or nothing for a status that has none."""
        return HTTPStatus(self.status).phrase if self.status in _PHRASED else ""


def profile(n: int, secret: str = "") -> bytes:
    """Build the JSON document of `/profiles/{n}`: 1,848 to 2,248 bytes.

    Its length and its first 16 bytes follow from `secret`: without it the document must be fetched to know them.
    """
    chance = hashlib.blake2b(f"{secret}/{n}".encode(), digest_size=8).hexdigest()
    name = f"{_FIRST_NAMES[n % 8]} {_LAST_NAMES[n // 8 % 8]}"
    document = {"key": chance, "id": n, "name": name, "bio": ""}
    length = 1_848 + int(chance, 16) % 401 - len(json.dumps(document))
    document["bio"] = (_BIO * (length // len(_BIO) + 1))[:length]
    return json.dumps(document).encode()


def answer_to(method: str, target: str, secret: str = "") -> Answer:
    """Decide the answer to a request for `target`, in origin or absolute form; a query string is ignored.

    A request that asks for no body, or brings one, is another one than a GET: its route bears the method's name.

    A value that makes no sense is answered 400, an unknown path 404, an unknown method 405, each with a JSON
    body that says what was wrong: nothing is raised.
    """
    if method not in METHODS:
        allow = ", ".join(METHODS)
        document = {"error": f"method {method} is not served, only {allow}"}
        return _json("refused-method", document, status=405, headers=(("Allow", allow),))
    origin = _origin_form(target)
    path = origin.partition("?")[0]
    try:
        answer = _route(path.split("/")[1:], origin, secret)
    except ValueError as error:
        return _json("refused-value", {"error": str(error), "path": path}, status=400)
    if answer is None:
        return _json("unknown", {"error": "no such path", "path": path}, status=404)
    return answer if method == "GET" else replace(answer, route=f"{method} {answer.route}")


def _origin_form(target: str) -> str:
    """Cut scheme and authority off a target: servers must accept `http://127.0.0.1:80/bytes/5`."""
    scheme, separator, rest = target.partition("://")
    if target.startswith("/") or not separator or scheme.lower() not in {"http", "https"}:
        return target
    return "/" + rest.partition("/")[2]


def _route(segments: list[str], origin: str, secret: str) -> Answer | None:
    """Find the answer to a path; None if there is no such path, `ValueError` for a bad value in it."""
    answer: Answer | None = None
    match segments:
        case ["bytes", size]:
            answer = _sized("bytes", _whole("size", size, MAX_SIZE, "bytes"))
        case ["profiles", n]:
            answer = _document("profiles", profile(_whole("n", n, MAX_SIZE), secret))
        case ["endless"]:
            answer = Answer("endless", headers=(("Content-Type", _BINARY),), filler=math.inf)
        case ["delay" | "silent" as route, seconds]:
            wait = _seconds("delay", seconds)
            answer = _json(route, {"waited": wait}, wait=wait)
        case ["silent"]:
            answer = Answer("silent", wait=math.inf)
        case ["drip", count, interval]:
            drips = _whole("count", count, MAX_SIZE, "bytes")
            answer = _sized("drip", drips, interval=_seconds("interval", interval))
        case ["drip-head", count, interval]:
            answer = _dripped_head(_whole("count", count, MAX_HEAD_DRIPS), _seconds("interval", interval))
        case ["redirect-loop"]:
            answer = _json("redirect-loop", {"location": origin}, status=302, headers=(("Location", origin),))
        case ["status", code]:
            answer = _status(_whole("status", code, 599, least=200))
    return answer


def _whole(name: str, text: str, most: int, unit: str = "", *, least: int = 0) -> int:
    """Read a whole number from a path; ValueError names it, its value and its bounds."""
    # The length is looked at first: int() of thousands of digits is slow, and refused with a message of its
    # own.
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


def _document(route: str, body: bytes) -> Answer:
    return Answer(route, headers=(("Content-Type", _JSON), ("Content-Length", str(len(body)))), body=body)


def _json(
    route: str,
    document: Mapping[str, object],
    *,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
    wait: float = 0.0,
) -> Answer:
    body = json.dumps(document).encode()
    described = (("Content-Type", _JSON), ("Content-Length", str(len(body))), *headers)
    return Answer(route, status=status, headers=described, body=body, wait=wait)


def _sized(route: str, size: int, *, interval: float | None = None) -> Answer:
    headers = (("Content-Type", _BINARY), ("Content-Length", str(size)))
    return Answer(route, headers=headers, filler=size, interval=interval)


def _dripped_head(count: int, interval: float) -> Answer:
    body = json.dumps({"drips": count}).encode()
    headers = (
        ("Content-Type", _JSON),
        ("Content-Length", str(len(body))),
        ("X-Drip", "." * count),  # makes the head long enough for each piece to have a byte
    )
    return Answer("drip-head", headers=headers, body=body, interval=interval, head_drips=count)


def _status(code: int) -> Answer:
    if code in {204, 304}:  # these end with their head (RFC 9110, 6.4.1)
        return Answer("status", status=code)
    if code == HTTPStatus.RESET_CONTENT:  # has no content, but says so (RFC 9110, 15.3.6)
        return Answer("status", status=code, headers=(("Content-Length", "0"),))
    return _json("status", {"status": code}, status=code)
