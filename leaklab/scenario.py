"""What a scenario author imports; the parts stand in the rooms that use them."""

from leaklab.content.declaration import (
    ALL_HALVES,
    HALVES,
    LEAKS_NOTHING,
    Complaint,
    Documents,
    Expected,
    Lab,
    Scenario,
    difference,
)
from leaklab.content.settings import CHOICE, COUNT, DURATION, NUMBER, SIZE, TEXT, Kind, Setting, Settings
from leaklab.measure.target import Steps
from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint

__all__ = [
    "ALL_HALVES",
    "CHOICE",
    "COUNT",
    "DURATION",
    "HALVES",
    "LEAKS_NOTHING",
    "NUMBER",
    "SIZE",
    "TEXT",
    "Complaint",
    "Documents",
    "Expected",
    "HttpEndpoint",
    "Kind",
    "Lab",
    "MongoEndpoint",
    "Scenario",
    "Setting",
    "Settings",
    "Steps",
    "difference",
]
