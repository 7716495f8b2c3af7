"""The errors that a MongoDB command can answer with, by the real server's codes and names."""

from __future__ import annotations

import re
from typing import Any

import mongomock

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
    27: "IndexNotFound",
    28: "PathNotViable",
    40: "ConflictingUpdateOperators",
    43: "CursorNotFound",
    48: "NamespaceExists",
    52: "DollarPrefixedFieldName",
    53: "InvalidIdField",
    59: "CommandNotFound",
    66: "ImmutableField",
    67: "CannotCreateIndex",
    72: "InvalidOptions",
    73: "InvalidNamespace",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    136: "CappedPositionLost",
    146: "ExceededMemoryLimit",
    168: "InvalidPipelineOperator",
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


def not_implemented(what: str) -> CommandError:
    """Return the error for `what` MongoDB has and the embedded server has not."""
    return CommandError(238, f"{what} is not implemented in the embedded server: use --mongo with a real one")


def as_command_error(error: Exception) -> CommandError:
    """Return what a client is told of any exception: mongomock and bson raise whatever they trip over.

    Their texts are made for who calls them from Python, and often blame the wrong one: here it is only said that the
    command could not be done, and which operator they name.
    """
    if isinstance(error, CommandError):
        return error
    named = re.search(r"\$[a-z]\w*", str(error))
    if isinstance(error, NotImplementedError):
        return not_implemented(named[0] if named else "this")
    if isinstance(error, mongomock.DuplicateKeyError):
        return CommandError(11000, "E11000 duplicate key error")
    what = f"this use of {named[0]}" if named else "the command, as it was sent,"
    return CommandError(
        238,
        f"{what} could not be carried out by the embedded server: it is wrong, or not implemented here. "
        "Use --mongo with a real one to be told which",
    )
