"""What a server does not count is unknown, and never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leaklab.content.catalog import Catalog
from leaklab.lab.complaints import wrong_requests
from leaklab.measure.run_trace import Trace
from leaklab.services.database import Database

if TYPE_CHECKING:
    from tests.integration.mongo.servers import Server

WHOLE = {
    "metrics": {"cursor": {"open": {"total": 3}}, "commands": {"find": {"total": 5}}},
    "logicalSessionRecordCache": {"activeSessionsCount": 2},
    "connections": {"totalCreated": 9},
}


@pytest.mark.parametrize(
    ("status", "reading"),
    [
        (WHOLE, (0, 0, 0, 5, 0)),
        ({**WHOLE, "metrics": {"cursor": {"open": {"total": 4}}}}, (1, 0, 0, None, None)),
        ({**WHOLE, "metrics": {"commands": {}}}, (None, 0, 0, 0, 0)),
        ({**WHOLE, "metrics": {"commands": "none"}}, (None, 0, 0, None, None)),
        ({}, (None, None, None, None, None)),
        ({**WHOLE, "metrics": None}, (None, 0, 0, None, None)),
    ],
)
def test_a_counter_that_a_server_does_not_have_is_none(
    embedded: Server, status: dict[str, Any], reading: tuple[int | None, ...]
) -> None:
    database = Database(embedded.uri, "leaklab_unknown")
    try:
        database.read({**WHOLE, "metrics": {"cursor": {"open": {"total": 3}}, "commands": {}}})
        assert tuple(database.read(status)) == reading
    finally:
        database.drop()


def test_work_that_is_not_counted_is_not_called_undone() -> None:
    scenario = Catalog().get("open-cursor").scenario

    def complaint(**routes: int | None) -> str | None:
        return wrong_requests(scenario, scenario.settings, Trace("yours", 50, 1.0, 0.0, (), requests_by_route=routes))

    assert complaint(read=50) is None
    assert complaint(read=None, write=None) is None
    assert complaint(read=49) == "it asked the services for 49 × read; the work takes 50 × read"
    assert complaint(read=None, write=3) == "it asked the services for 3 × write; the work takes nothing"
