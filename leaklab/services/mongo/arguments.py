"""Reads a command's fields, with the real server's error for each thing that is wrong."""

from __future__ import annotations

from typing import Any

from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.names import FIELDS

Document = dict[str, Any]

LIST_COLLECTIONS = "$cmd.listCollections"
"""The collection that a cursor of listCollections says it is of (MongoDB manual, "listCollections", Output)."""

INT64_BOUND = 2.0**63
"""Numbers from here on are no 64-bit integers."""

# Source: MongoDB manual, "BSON Types", column Alias. Subclasses come before their bases.
_TYPE_NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "bool"),
    (Int64, "long"),
    (int, "int"),
    (float, "double"),
    (Code, "javascript"),
    (str, "string"),
    (dict, "object"),
    (list, "array"),
    ((bytes, Binary), "binData"),
    (ObjectId, "objectId"),
    (Regex, "regex"),
    (Timestamp, "timestamp"),
    (Decimal128, "decimal"),
    (MinKey, "minKey"),
    (MaxKey, "maxKey"),
    (type(None), "null"),
)


def type_name(value: object) -> str:
    """Return the BSON alias of a decoded value's type."""
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "date")


class Arguments:
    """The fields of one command; each reader raises CommandError (TypeMismatch ...) if one is wrong."""

    def __init__(self, command_name: str, fields: Document, connection_id: int = 0) -> None:
        self.command_name = command_name
        self.connection_id = connection_id
        self.database = ""
        self._fields = fields

    def get(self, name: str) -> Any:
        """Return the field as it came, None if it is absent."""
        return self._fields.get(name)

    def _mismatch(self, name: str, value: object, expected: str) -> CommandError:
        return CommandError(
            14,
            f"BSON field '{self.command_name}.{name}' is the wrong type '{type_name(value)}', "
            f"expected type '{expected}'",
        )

    @property
    def session(self) -> bytes | None:
        """The id of the session that the command came in, None if it came in none."""
        session = self.get("lsid")
        value = session.get("id") if isinstance(session, dict) else None
        return bytes(value) if isinstance(value, bytes) else None

    def check_names(self) -> None:
        """Refuse a field that the command has not, as the real server's parser does."""
        known = FIELDS.get(self.command_name)
        for name in self._fields:
            if known is not None and name not in known:
                raise CommandError(40415, f"BSON field '{self.command_name}.{name}' is an unknown field.")

    def check_database(self) -> None:
        """Read `$db` into `database`."""
        database = self.get("$db")
        if database is None:
            raise CommandError(40571, "OP_MSG requests require a $db argument")
        if not isinstance(database, str):
            raise self._mismatch("$db", database, "string")
        # Source: MongoDB manual, "MongoDB Limits and Thresholds", naming restrictions.
        if not database or len(database.encode()) > 63 or set(database) & set('/\\. "$\0'):
            raise CommandError(73, f"Invalid database name: '{database}'")
        self.database = database

    def collection(self, name: str | None = None, *, of_cursor: bool = False) -> str:
        """Return the collection's name, in the field `name` (default: the command's own).

        With `of_cursor` it may be the name that the cursor of a listCollections goes by.
        """
        value = self.get(name or self.command_name)
        if of_cursor and value == LIST_COLLECTIONS:
            return LIST_COLLECTIONS
        if not isinstance(value, str):
            raise CommandError(73, f"collection name has invalid type {type_name(value)}")
        if not value or "$" in value or "\0" in value or ".." in value or value[0] == "." or value[-1] == ".":
            raise CommandError(73, f"Invalid namespace specified '{self.database}.{value}'")
        return value

    def document(self, name: str, *, required: bool = False) -> Document:
        """Return a document; empty if it is absent and not `required`."""
        value = self.get(name)
        if value is None and not required:
            return {}
        if value is None:
            raise CommandError(40414, f"BSON field '{self.command_name}.{name}' is missing but a required field")
        if not isinstance(value, dict):
            raise self._mismatch(name, value, "object")
        return value

    def array(self, name: str) -> list[Any]:
        """Return an array that has to be there."""
        value = self.get(name)
        if value is None:
            raise CommandError(40414, f"BSON field '{self.command_name}.{name}' is missing but a required field")
        if not isinstance(value, list):
            raise self._mismatch(name, value, "array")
        return value

    def documents(self, name: str, *, may_be_empty: bool = False, at_most: int | None = None) -> list[Document]:
        """Return an array of documents."""
        values = self.array(name)
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                raise self._mismatch(f"{name}.{index}", value, "object")
        if (not values and not may_be_empty) or (at_most is not None and len(values) > at_most):
            raise CommandError(16, f"Write batch sizes must be between 1 and {at_most}. Got {len(values)} operations.")
        return values

    def integer(self, name: str, *, at_least: int | None = None) -> int | None:
        """Return a whole number of any numeric type; None if it is absent."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, Decimal128):
            value = float(value.to_decimal())
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._mismatch(name, value, "long")
        if value != value or abs(value) >= INT64_BOUND:  # noqa: PLR0124 - this is how a NaN shows
            raise CommandError(2, f"BSON field '{name}' is out of the range of a 64-bit integer: {value}")
        number = int(value)
        if at_least is not None and number < at_least:
            raise CommandError(2, f"BSON field '{name}' value must be >= {at_least}, actual value '{number}'")
        return number

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """Return true or false; numbers count as the real server counts them: everything but 0 is true."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, (bool, int, float)):
            raise self._mismatch(name, value, "bool")
        return bool(value)

    def cursor_batch_size(self) -> int | None:
        """`cursor.batchSize`, None if it is absent."""
        return Arguments(f"{self.command_name}.cursor", self.document("cursor")).integer("batchSize", at_least=0)

    def refuse(self, *names: str) -> None:
        """Say of options that change an answer, and are not implemented here, that they are not."""
        for name in names:
            value = self.get(name)
            if value in (None, False, {}, []):
                continue
            if name == "collation" and isinstance(value, dict) and value.get("locale") == "simple":
                continue
            raise not_implemented(f"'{self.command_name}.{name}'")
