"""One command's fields: which it may have, and what those say that several commands share."""

from typing import Any

from leaklab.services.mongo.command_error import CommandError, not_supported

Document = dict[str, Any]

LIST_COLLECTIONS = "$cmd.listCollections"
"""The collection that a cursor of listCollections says it is of (MongoDB manual, "listCollections", Output)."""

# What every command takes; none of them changes the answer of a single server.
_EVERYWHERE = {
    "$clusterTime", "$db", "$readPreference", "apiDeprecationErrors", "apiStrict", "apiVersion", "comment", "lsid",
    "maxTimeMS", "readConcern", "writeConcern", "bypassDocumentValidation", "allowDiskUse",
}  # fmt: skip
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
    "getMore": "collection batchSize",
    "killCursors": "cursors",
    "create": "capped size max",
    "listCollections": "filter nameOnly authorizedCollections cursor",
    "drop": "",
    "dropDatabase": "",
}
"""The fields of a command, or of an element of its array, beside those of every command; other commands take any."""


class Arguments(Document):
    """The fields of a command, or of an element of its array; CommandError for one that would be passed over."""

    def __init__(self, name: str, fields: Document) -> None:
        super().__init__(fields)
        self.name = name
        taken = {name, *TAKEN[name].split()} if name in TAKEN else fields.keys()
        for field in fields.keys() - taken - _EVERYWHERE:
            if fields[field] not in (None, False, {}, []):  # these ask for what is done anyway
                raise not_supported(f"the field '{name}.{field}'")

    @property
    def session(self) -> bytes | None:
        """The id of the session that the command came in, None if it came in none."""
        return bytes(self["lsid"]["id"]) if self.get("lsid") else None

    @property
    def database(self) -> str:
        """Its `$db`. Raises CommandError for what is no name."""
        name = self.get("$db")
        # Source: MongoDB manual, "MongoDB Limits and Thresholds", naming restrictions.
        if not isinstance(name, str) or not name or len(name.encode()) > 63 or set(name) & set('/\\. "$\0'):
            raise CommandError(73, f"Invalid database name: {name!r}")
        return name

    def namespace(self, field: str | None = None) -> tuple[str, str]:
        """Database and collection, which is the field of the command's own name unless another is given."""
        name: Any = self.get(field or self.name)
        is_name = isinstance(name, str) and name and ".." not in name and name.strip(".") == name
        if not is_name or (set(name) & set("$\0") and name != LIST_COLLECTIONS):
            raise CommandError(73, f"Invalid namespace specified '{self.database}.{name}'")
        return self.database, name

    def document(self, field: str, *, required: bool = False) -> Document:
        """A document, empty if it is absent and not `required`."""
        value = self.get(field)
        if not isinstance(value, dict) and (value is not None or required):
            raise CommandError(14, f"BSON field '{self.name}.{field}' is the wrong type, expected type 'object'")
        return value or {}

    def documents(self, field: str) -> list[Document]:
        """An array of documents, which has to be there."""
        values = self.get(field)
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise CommandError(14, f"BSON field '{self.name}.{field}' must be an array of objects")
        return values

    def integer(self, field: str, *, at_least: int = -(2**63)) -> int | None:
        """A whole number of any numeric type; None if it is absent."""
        value = self.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise CommandError(14, f"BSON field '{self.name}.{field}' is the wrong type, expected type 'long'")
        if not at_least <= value < 2.0**63:
            raise CommandError(2, f"BSON field '{field}' value must be >= {at_least}, actual value '{value}'")
        return int(value)

    def batch_size(self) -> int | None:
        """What `cursor.batchSize` says, None if it is absent."""
        return Arguments("", self.document("cursor")).integer("batchSize", at_least=0)
