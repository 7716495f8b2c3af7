"""What one run of a half is given: services with the documents it works on, and the folder it imports from."""

from collections.abc import Mapping

from leaklab.content.catalog import Entry
from leaklab.content.declaration import Scenario
from leaklab.content.settings import Settings
from leaklab.measure.worker import fill
from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceNeeds
from leaklab.system.processes import importing_from


def start_services(entry: Entry, settings: Settings, mongo_uri: str | None, services: Services) -> HalfServices:
    """Start the services of one run. Raises as `Services.start`."""
    return services.start(entry.scenario.services, service_needs(entry.scenario, settings, mongo_uri))


def environment_of(entry: Entry) -> Mapping[str, str]:
    """What is added to the environment of a half, so that it can import what the halves share."""
    return importing_from(entry.folder) if entry.shared else {}


def service_needs(scenario: Scenario, settings: Settings, mongo_uri: str | None = None) -> ServiceNeeds:
    """What the services of a half of `scenario` need; `mongo_uri` is a real server, None for the embedded one."""
    documents: dict[str, list[Mapping[str, object]]] = {}
    capped = {entry.collection: entry.capped for entry in scenario.documents if entry.capped}
    for entry in scenario.documents:
        count = entry.count(settings) if callable(entry.count) else entry.count
        numbers = range(entry.first, entry.first + count)
        documents.setdefault(entry.collection, []).extend(fill(dict(entry.document), number) for number in numbers)
    return ServiceNeeds(documents=documents, capped=capped, mongo_uri=mongo_uri)
