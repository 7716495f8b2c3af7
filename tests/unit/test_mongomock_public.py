"""leaklab uses mongomock by its public names only, so that any release of it will do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import leaklab

SOURCES = sorted(Path(leaklab.__file__).parent.rglob("*.py"))


def test_nothing_of_mongomock_is_imported_but_itself() -> None:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name == "mongomock" for name in names if name.startswith("mongomock")), source


def test_no_private_attribute_of_mongomock_is_used() -> None:
    service = "".join(source.read_text() for source in SOURCES if source.parent.name == "mongo")
    assert "mongomock.MongoClient()" in service
    assert "setattr" not in service
    # What the service has of mongomock is in `mock` (a collection, a database) and `_client`.
    assert not re.findall(r"\b(?:mongomock|mock|_client)(?:\([^)]*\)|\[[^]]*\])*\._\w+", service)
