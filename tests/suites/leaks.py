"""Each of these tests leaks: its name is what is counted, and the line that opens it ends with `# here`."""

import asyncio
import os
import selectors
import socket
import sqlite3
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from pymongo import AsyncMongoClient, MongoClient

from leaklab.testing import no_leaks

KEPT = []


def test_open_sockets(port):
    KEPT.append(socket.create_connection(("127.0.0.1", port)))  # here


def test_open_sockets__unread(url):
    session = requests.Session()
    KEPT.append(session.get(url, stream=True))  # here


def test_connections_opened(url):
    for _ in range(20):
        requests.get(url)  # here


def test_open_cursors(leaklab_mongo):
    with MongoClient(leaklab_mongo.uri) as client:
        items = client[leaklab_mongo.database].items
        items.insert_many([{"n": n} for n in range(100)])
        cursor = items.find(batch_size=10)
        next(cursor)  # here
        KEPT.append(cursor)
        assert leaklab_mongo.open_cursors == 1


def test_open_cursors__async(leaklab_mongo):
    async def main():
        async with AsyncMongoClient(leaklab_mongo.uri) as client:
            items = client[leaklab_mongo.database].items
            await items.insert_many([{"n": n} for n in range(100)])
            cursor = items.find(batch_size=10)
            await anext(cursor)  # here
            KEPT.append(cursor)

    asyncio.run(main())


def test_threads():
    event = threading.Event()
    thread = threading.Thread(target=event.wait, args=(60,), daemon=True)
    thread.start()  # here
    KEPT.append((thread, event))


def test_threads__daemon():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # here


def test_tasks():
    async def main():
        KEPT.append(asyncio.create_task(asyncio.sleep(1000)))  # here
        await asyncio.sleep(0)

    asyncio.run(main())


class TestTasks(unittest.IsolatedAsyncioTestCase):
    async def test_tasks(self):
        KEPT.append(asyncio.create_task(asyncio.sleep(1000)))  # here


def test_child_processes():
    KEPT.append(subprocess.Popen(["sleep", "60"]))  # here


def test_zombie_processes():
    KEPT.append(subprocess.Popen(["true"]))  # here
    time.sleep(0.1)


def test_open_fds__file(tmp_path):
    KEPT.append(open(tmp_path / "a.log", "w"))  # here


def test_open_fds():
    read, write = os.pipe()  # here
    os.close(write)


class TestSockets(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))  # here

    def test_open_sockets(self):
        KEPT.append(self.server)


def helper():
    KEPT.append(socket.socket())  # here


def test_open_sockets__in_a_helper():
    helper()


def test_open_fds__sqlite(tmp_path):
    KEPT.append(sqlite3.connect(tmp_path / "a.db"))  # here


def test_open_fds__selector():
    KEPT.append(selectors.DefaultSelector())  # here


def test_open_fds__of_a_file_that_is_gone(tmp_path):
    KEPT.append(open(tmp_path / "a", "w"))  # here
    os.rename(tmp_path / "a", tmp_path / "b")
    os.unlink(tmp_path / "b")


def test_threads__of_an_executor_that_is_never_shut_down():
    executor = ThreadPoolExecutor(2)
    executor.submit(pow, 2, 3).result()  # here
    KEPT.append(executor)


def test_open_sockets__when_the_clock_stands_still(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    KEPT.append(socket.socket())  # here


def test_open_sockets__beside_a_block_that_does_not_look_for_them():
    with no_leaks(sockets=False):
        KEPT.append(socket.socket())  # here


@pytest.mark.no_leaks(memory="8MiB")
def test_rss():
    KEPT.append(bytearray(b"x") * (20 << 20))  # here
