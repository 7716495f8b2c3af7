"""What a scenario author imports; the parts stand in the rooms that use them."""

from leaklab.content.declaration import (
    ALL_HALVES,
    DEAD,
    HALVES,
    LEAKS_NOTHING,
    Complaint,
    Documents,
    Expected,
    Lab,
    Scenario,
    Settings,
    difference,
)
from leaklab.measure.target import Steps
from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint

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
