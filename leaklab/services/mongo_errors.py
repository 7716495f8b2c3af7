"""The errors that a MongoDB command can answer with, by the real server's codes and names."""

from __future__ import annotations

from typing import Any

# Source: src/mongo/base/error_codes.yml of MongoDB, as shown in the manual under "Error Codes".
CODE_NAMES = {
    1: "InternalError",
    2: "BadValue",
    9: "FailedToParse",
    13: "Unauthorized",
    14: "TypeMismatch",
    20: "IllegalOperation",
    22: "InvalidBSON",
    26: "NamespaceNotFound",
    43: "CursorNotFound",
    48: "NamespaceExists",
    53: "InvalidIdField",
    59: "CommandNotFound",
    66: "ImmutableField",
    72: "InvalidOptions",
    73: "InvalidNamespace",
    136: "CappedPositionLost",
    146: "ExceededMemoryLimit",
    175: "QueryPlanKilled",
    237: "CursorKilled",
    238: "NotImplemented",
    352: "UnsupportedOpQueryCommand",
    10334: "BSONObjectTooLarge",
    11000: "DuplicateKey",
    12051: "CursorInUse",
}


class CommandError(Exception):
    """A command failed; `code` is the real server's, `details` are further fields of the error document."""

    def __init__(self, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details

    @property
    def code_name(self) -> str:
        """The real server's name of the code; one without a name is `Location<code>` there."""
        return CODE_NAMES.get(self.code, f"Location{self.code}")

    def document(self) -> dict[str, Any]:
        """Return the reply `{ok: 0, errmsg, code, codeName}`."""
        return {"ok": 0.0, "errmsg": str(self), "code": self.code, "codeName": self.code_name, **self.details}

    def write_error(self, index: int) -> dict[str, Any]:
        """Return the same as an element of `writeErrors`, for the statement at `index`."""
        return {"index": index, "code": self.code, "errmsg": str(self), **self.details}
