"""leaklab uses mongomock by its public names only, so that any release of it will do."""

from __future__ import annotations

import re
from pathlib import Path

import leaklab

SOURCES = {path: path.read_text() for path in Path(leaklab.__file__).parent.rglob("*.py")}


def test_mongomock_is_used_by_its_public_names_only() -> None:
    importing = {path: found for path, text in SOURCES.items() if (found := re.findall(r"import mongomock.*", text))}
    assert [path.parent.name for path in importing] == ["mongo"]
    assert not [path for path, text in SOURCES.items() if re.search(r"from mongomock|mongomock\.\w+ import", text)]
    service = "".join(text for path, text in SOURCES.items() if path.parent.name == "mongo")
    assert "mongomock.MongoClient()" in service
    assert "setattr" not in service
    # What the service has of mongomock is in `mock` (a collection, a database) and `_client`.
    assert not re.findall(r"\b(?:mongomock|mock|_client)(?:\([^)]*\)|\[[^]]*\])*\._\w+", service)
