"""The error that a command is answered with, by the real server's codes."""

import re
from typing import Any

# Source: src/mongo/base/error_codes.yml of MongoDB. These are the ones that clients or their authors ask for by name.
_NAMES = {
    2: "BadValue", 14: "TypeMismatch", 26: "NamespaceNotFound", 43: "CursorNotFound", 48: "NamespaceExists",
    50: "MaxTimeMSExpired", 136: "CappedPositionLost", 175: "QueryPlanKilled", 237: "CursorKilled",
    238: "NotImplemented", 11000: "DuplicateKey", 12051: "CursorInUse",
}  # fmt: skip


class CommandError(Exception):
    """A command failed; `code` is the real server's, `details` are further fields of the error document."""

    def __init__(self, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = {"code": code, "errmsg": message, **details}

    def document(self) -> dict[str, Any]:
        """Return the reply `{ok: 0, errmsg, code, codeName}`."""
        return {"ok": 0.0, "codeName": _NAMES.get(self.code, f"Location{self.code}"), **self.details}


def not_supported(what: str) -> CommandError:
    """Return the error for something that MongoDB has and the embedded server lacks."""
    return CommandError(238, f"{what} is not supported by the embedded server: use --mongo URI")


def as_command_error(error: Exception) -> CommandError:
    """Turn any exception of mongomock, bson or re into the error that the client gets."""
    from pymongo.errors import OperationFailure  # mongomock's errors are pymongo's; slow to import

    text = str(error)
    if isinstance(error, CommandError):
        return error
    if isinstance(error, re.error):
        return CommandError(51091, f"Regular expression is invalid: {text} (the embedded server reads it as Python)")
    if isinstance(error, OperationFailure):
        is_of_id = "(immutable) field '_id'" in text or "The _id field cannot be changed" in text
        return CommandError(66 if is_of_id else error.code or 2, text)
    named = re.search(r"\$[a-z]\w*", text)
    if isinstance(error, NotImplementedError):
        return not_supported(named[0] if named else text)
    what = f"this use of {named[0]}" if named else "this command, with these values,"
    return CommandError(238, f"{what} is wrong, or not supported by the embedded server: use --mongo URI to find out")
