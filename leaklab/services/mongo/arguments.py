"""Reads a command's fields, with the real server's error for each that is wrong; those that it lacks are refused."""

from __future__ import annotations

from typing import Any

from bson import Decimal128

from leaklab.services.mongo.command_error import CommandError, not_supported

Document = dict[str, Any]

LIST_COLLECTIONS = "$cmd.listCollections"
"""The collection that a cursor of listCollections says it is of (MongoDB manual, "listCollections", Output)."""

# What every command takes; none of them changes the answer of a single server.
_EVERYWHERE = (
    "$clusterTime $db $readPreference apiDeprecationErrors apiStrict apiVersion comment lsid maxTimeMS readConcern "
    "writeConcern bypassDocumentValidation allowDiskUse"
)
# Source: MongoDB manual, "Database Commands", the page of each command.
TAKEN = {
    "find": "filter sort projection skip limit batchSize singleBatch tailable awaitData noCursorTimeout "
    "oplogReplay allowPartialResults",
    "aggregate": "pipeline cursor",
    "count": "query limit skip",
    "distinct": "key query",
    "insert": "documents ordered",
    "update": "updates ordered",
    "updates": "q u upsert multi",
    "delete": "deletes ordered",
    "deletes": "q limit",
    "findAndModify": "query sort remove update new fields upsert",
    "getMore": "collection batchSize",
    "killCursors": "cursors",
    "create": "capped size max",
    "createIndexes": "indexes commitQuorum",
    "indexes": "key name v ns background unique",
    "dropIndexes": "index",
    "listIndexes": "cursor",
    "listCollections": "filter nameOnly authorizedCollections cursor",
    "listDatabases": "filter nameOnly authorizedDatabases",
    "drop": "",
    "dropDatabase": "",
}
"""The fields of a command, or of an element of its array; where there is no entry any field will do."""


class Arguments:
    """The fields of one command; each method raises CommandError (TypeMismatch ...) if one is wrong."""

    def __init__(self, name: str, fields: Document) -> None:
        self.name = name
        self.database = ""
        self._fields = fields
        taken = {name, *_EVERYWHERE.split(), *TAKEN[name].split()} if name in TAKEN else fields
        for field, value in fields.items():
            # Some that are not taken ask for what is done anyway.
            if field not in taken and value not in (None, False, {}, [], {"locale": "simple"}, {"$natural": 1}):
                raise not_supported(f"the field '{name}.{field}'")

    def get(self, field: str, *kinds: type, required: bool = False) -> Any:
        """Return a field that is of one of the types (none given: of any), None if it is absent and not `required`."""
        value = self._fields.get(field)
        about = f"BSON field '{self.name}.{field}'"
        if value is None and required:
            raise CommandError(40414, f"{about} is missing but a required field")
        is_wrong = not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
        if value is not None and kinds and is_wrong:
            raise CommandError(14, f"{about} is the wrong type '{type(value).__name__}', expected {kinds}")
        return value

    @property
    def session(self) -> bytes | None:
        """The id of the session that the command came in, None if it came in none."""
        value = self.document("lsid").get("id")
        return bytes(value) if isinstance(value, bytes) else None

    def read_database(self) -> None:
        """Read `$db` into `database`."""
        database = self.get("$db", str)
        if database is None:
            raise CommandError(40571, "OP_MSG requests require a $db argument")
        # Source: MongoDB manual, "MongoDB Limits and Thresholds", naming restrictions.
        if not database or len(database.encode()) > 63 or set(database) & set('/\\. "$\0'):
            raise CommandError(73, f"Invalid database name: '{database}'")
        self.database = database

    def namespace(self, field: str | None = None) -> tuple[str, str]:
        """Return database and collection, which is the field of the command's own name unless another is given."""
        name = self._fields.get(field or self.name)
        if not isinstance(name, str) or not name or "\0" in name or ".." in name or "." in (name[0], name[-1]):
            raise CommandError(73, f"Invalid namespace specified '{self.database}.{name}'")
        if "$" in name and name != LIST_COLLECTIONS:
            raise CommandError(73, f"Invalid namespace specified '{self.database}.{name}'")
        return self.database, name

    def document(self, field: str, *, required: bool = False) -> Document:
        """Return a document; empty if it is absent and not `required`."""
        return self.get(field, dict, required=required) or {}

    def documents(self, field: str) -> list[Document]:
        """Return an array of documents."""
        values = self.array(field)
        if not all(isinstance(value, dict) for value in values):
            raise CommandError(14, f"BSON field '{self.name}.{field}' is an array of other things than objects")
        return values

    def array(self, field: str) -> list[Any]:
        """Return an array that has to be there."""
        values: list[Any] = self.get(field, list, required=True)
        return values

    def integer(self, field: str, *, at_least: int = -(2**63)) -> int | None:
        """Return a whole number of any numeric type; None if it is absent."""
        value = self.get(field, int, float, Decimal128)
        if value is None:
            return None
        number = float(value.to_decimal()) if isinstance(value, Decimal128) else value
        if not at_least <= number < 2.0**63:
            raise CommandError(2, f"BSON field '{field}' value must be >= {at_least}, actual value '{value}'")
        return int(number)

    def boolean(self, field: str, *, default: bool = False) -> bool:
        """Return true or false; a number other than 0 counts as true, as on the real server."""
        value = self.get(field, bool, int, float)
        return default if value is None else bool(value)

    @property
    def batch_size(self) -> int | None:
        """What `cursor.batchSize` says, None if it is absent."""
        return Arguments("", self.document("cursor")).integer("batchSize", at_least=0)
