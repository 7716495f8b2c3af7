"""Where a half finds the lab's services, and what only the lab knows of them."""

from dataclasses import dataclass

from leaklab.services import http_routes


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """The lab's HTTP service. `secret` makes its profiles differ from those of every other run."""

    port: int
    secret: str = ""

    def url(self, path: str) -> str:
        """The address of `path`, which starts with a slash."""
        return f"http://127.0.0.1:{self.port}{path}"

    def profile(self, number: int) -> bytes:
        """The body of `/profiles/{number}` on this service; every other service has another."""
        return http_routes.profile(number, self.secret)

    def late_body(self, path: str) -> bytes:
        """The whole body of a path whose answer is late or comes in drips."""
        plan = http_routes.answer_to("GET", path)
        return plan.body if plan.filler is None else http_routes.FILLER * int(plan.filler)


@dataclass(frozen=True, slots=True)
class MongoEndpoint:
    """The MongoDB server, and the database of this run."""

    uri: str
    database: str
