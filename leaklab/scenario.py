"""What a scenario author imports.

A scenario is a folder: `scenario.py`, the halves `leaky.py` and `fixed.py` (and `almost.py` and `almost2.py`, tempting
partial fixes, and `shared.py`, which the halves import, if there are any), the same in Go if it has it (`leaky.go` …),
and `lesson.md`. Its `scenario.py` sets
`SCENARIO` to a `Scenario`: `leaklab new NAME` writes one to start from, and `leaklab validate` checks that every half
does what it declares.

`Settings` and `Setting` declare what `--steps` and `--set` change. `workload` gets a `Lab` and returns the arguments of
`run`, with `Steps` for the one that marks the steps. `check_answer` says what is wrong with an answer; `difference`
finds the words. `Documents` fill a database, and `Expected` and LEAKS_NOTHING say what must be found; `InGo` says what
differs in Go.
"""

from leaklab.content.declaration import LEAKS_NOTHING, Documents, Expected, InGo, Lab, Scenario, difference
from leaklab.content.settings import CHOICE, COUNT, DURATION, NUMBER, SIZE, TEXT, Kind, Setting, Settings
from leaklab.measure.target import Steps
from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint

__all__ = [
    "CHOICE",
    "COUNT",
    "DURATION",
    "LEAKS_NOTHING",
    "NUMBER",
    "SIZE",
    "TEXT",
    "Documents",
    "Expected",
    "HttpEndpoint",
    "InGo",
    "Kind",
    "Lab",
    "MongoEndpoint",
    "Scenario",
    "Setting",
    "Settings",
    "Steps",
    "difference",
]
