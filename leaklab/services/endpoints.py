"""Where a half finds the lab's services, and what only the lab knows of them."""

from dataclasses import dataclass

# http_routes is imported where a method needs it: a command that starts services does not wait for it.


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """The lab's HTTP service.

    `base` is what each of its paths begins with, so that it answers this run only; `secret` makes its profiles differ
    from those of every other run, and no half knows it.
    """

    port: int
    secret: str = ""
    base: str = ""

    def url(self, path: str) -> str:
        """The address of `path`, which starts with a slash."""
        return f"http://127.0.0.1:{self.port}{self.base}{path}"

    def profile(self, number: int) -> bytes:
        """The body of `/profiles/{number}` on this service; every other service has another."""
        from leaklab.services import http_routes

        return http_routes.profile(number, self.secret)

    def dossier(self, number: int) -> bytes:
        """The body of `/dossiers/{number}` on this service; every other service has another."""
        from leaklab.services import http_routes

        return http_routes.dossier(number, self.secret)

    def export_size(self, number: int) -> int:
        """The size in bytes of `/exports/{number}` on this service; every other service has another."""
        from leaklab.services import http_routes

        return http_routes.export_size(number, self.secret)

    def late_body(self, path: str) -> bytes:
        """All that is sent of the body of a path, however late; `OverflowError` if it has no end."""
        from leaklab.services import http_routes

        return http_routes.answer_to("GET", self.base + path, self.secret, base=self.base).whole_body


@dataclass(frozen=True, slots=True)
class MongoEndpoint:
    """The MongoDB server, and the database of this run."""

    uri: str
    database: str
