# wrong: leaked open_cursors
from pymongo import MongoClient

failures = []


class ReportError(Exception):
    pass


def read(orders, amounts):
    cursor = orders.find(batch_size=100)
    try:
        for order in cursor:
            amounts.append(int(order["amount"]))
    except ValueError as error:
        raise ReportError(str(error)) from error


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            amounts = []
            try:
                read(client[database]["orders"], amounts)
            except ReportError as error:
                failures.append(error)
            counts.append(len(amounts))
    return counts
