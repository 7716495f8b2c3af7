"""What a scenario author imports; the parts stand in the rooms that use them."""

from leaklab.content.declaration import (
    ALL_HALVES,
    DEAD,
    HALVES,
    LEAKS_NOTHING,
    Complaint,
    Documents,
    Expected,
    HttpEndpoint,
    Lab,
    MongoEndpoint,
    Scenario,
    Settings,
    Steps,
    difference,
)

__all__ = [
    "ALL_HALVES",
    "DEAD",
    "HALVES",
    "LEAKS_NOTHING",
    "Complaint",
    "Documents",
    "Expected",
    "HttpEndpoint",
    "Lab",
    "MongoEndpoint",
    "Scenario",
    "Settings",
    "Steps",
    "difference",
]
