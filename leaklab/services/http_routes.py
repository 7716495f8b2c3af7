"""What the HTTP service answers to a request: pure functions from method and target to an `Answer`.

Nothing here touches a socket or a clock, so a reader sees in one place what each path does, and the lab can compute
what a half must have received (`profile`).
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace

ALLOW = "GET, HEAD, POST, PUT"
MAX_SIZE = 1 << 40  # bytes: 1 TiB
MAX_SECONDS = 3600.0
MAX_HEAD_DRIPS = 1 << 15  # each is a byte of one header line, and Python's http.client refuses lines over 64 KiB
FILLER = bytes(1)  # each byte of a body that has only a size

_WITHOUT_HEADERS = (204, 304)  # end with their head (RFC 9110, 6.4.1)
_WITHOUT_CONTENT = (204, 205, 304)  # 205 says "Content-Length: 0" (RFC 9110, 15.3.6)
_AUTHORITY = re.compile(r"\Ahttps?://[^/]*/?", re.IGNORECASE)
_FIRST_NAMES = ("Ada", "Barbara", "Edsger", "Frances", "Grace", "Ken", "Margaret", "Tony")
_LAST_NAMES = ("Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper", "Liskov", "Lovelace", "Thompson")
_BIO = "Opens every connection with care, reads what was sent, and closes what was opened. "


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply, as a plan.

    `route` is the name under which the request is counted. `extra` holds headers beside those that describe the body.
    The body is `body` (JSON), or, if `filler` is given, that many bytes of filler (`math.inf`: a body without end).
    `wait` is the time in seconds before anything is sent (`math.inf`: nothing ever is). With `interval`, in seconds,
    the body drips byte by byte; with `head_drips` too, it is the head that drips, in so many pieces.
    """

    route: str
    status: int = 200
    extra: tuple[tuple[str, str], ...] = ()
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
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the reply: what its body is, then the extra ones."""
        if self.status in _WITHOUT_HEADERS:
            return []
        described = []
        if self.filler is not None:
            described.append(("Content-Type", "application/octet-stream"))
        elif self.body:
            described.append(("Content-Type", "application/json"))
        if self.filler != math.inf:
            described.append(("Content-Length", str(len(self.body) if self.filler is None else self.filler)))
        return [*described, *self.extra]


def json_body(document: dict[str, object]) -> bytes:
    """The body of a reply that is a JSON document."""
    return json.dumps(document).encode()


def profile(n: int, secret: str = "") -> bytes:
    """Build the JSON document of `/profiles/{n}`: 1,848 to 2,248 bytes.

    Its length and its first 16 bytes follow from `secret`: without it the document must be fetched to know them.
    """
    chance = hashlib.blake2b(f"{secret}/{n}".encode(), digest_size=8).hexdigest()
    name = f"{_FIRST_NAMES[n % 8]} {_LAST_NAMES[n // 8 % 8]}"
    document: dict[str, object] = {"key": chance, "id": n, "name": name, "bio": ""}
    length = 1_848 + int(chance, 16) % 401 - len(json_body(document))
    document["bio"] = (_BIO * (length // len(_BIO) + 1))[:length]
    return json_body(document)


def answer_to(method: str, target: str, secret: str = "") -> Answer:
    """Decide the answer to a request for `target`, in origin or absolute form; a query string is ignored.

    A method other than GET is part of the route: such a request asks for no body, or brings one.
    A bad value is answered 400 (route `refused-value`), an unknown path 404 (`unknown`), an unknown method 405
    (`refused-method`), each with a JSON body that says what was wrong: nothing is raised.
    """
    if method not in ALLOW.split(", "):
        error = f"method {method} is not served, only {ALLOW}"
        return Answer("refused-method", 405, (("Allow", ALLOW),), json_body({"error": error}))
    origin = _AUTHORITY.sub("/", target)  # servers must accept `http://127.0.0.1:80/bytes/5` (RFC 9112, 3.2.2)
    path = origin.partition("?")[0]
    try:
        answer = _route(path.split("/")[1:], origin, secret)
    except ValueError as bad:
        return Answer("refused-value", 400, body=json_body({"error": str(bad), "path": path}))
    if answer is None:
        return Answer("unknown", 404, body=json_body({"error": "no such path", "path": path}))
    return answer if method == "GET" else replace(answer, route=f"{method} {answer.route}")


def _route(segments: list[str], origin: str, secret: str) -> Answer | None:
    """Find the answer to a path; None if there is no such path, `ValueError` for a bad value in it."""
    answer: Answer | None = None
    match segments:
        case ["bytes", size]:
            answer = Answer("bytes", filler=_whole("size", size, MAX_SIZE, "bytes"))
        case ["profiles", n]:
            answer = Answer("profiles", body=profile(_whole("n", n, MAX_SIZE), secret))
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
        case ["redirect-loop"]:
            answer = Answer("redirect-loop", 302, (("Location", origin),), json_body({"location": origin}))
        case ["status", code]:
            status = _whole("status", code, 599, least=200)
            answer = Answer("status", status, body=b"" if status in _WITHOUT_CONTENT else json_body({"status": status}))
    return answer


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
