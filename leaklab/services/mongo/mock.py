"""The inner parts of mongomock that the embedded MongoDB server uses and mends; they have no full type hints."""

from __future__ import annotations

from typing import Any

import mongomock.aggregate
import mongomock.collection
import mongomock.filtering
import mongomock.helpers

aggregate: Any = mongomock.aggregate
collection: Any = mongomock.collection
filtering: Any = mongomock.filtering
helpers: Any = mongomock.helpers
NOTHING: Any = filtering.NOTHING
"""What a field that a document has not evaluates to."""
