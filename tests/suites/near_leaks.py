"""None of these tests leaks: each leaves something once, or for a moment, or on behalf of another one."""

import asyncio
import functools
import http.server
import logging
import socket
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
import requests
from pymongo import AsyncMongoClient, MongoClient

SESSION = requests.Session()
POOL = ThreadPoolExecutor(4)


def test_pool(url):
    assert SESSION.get(url).content


def test_executor():
    assert POOL.submit(pow, 2, 3).result() == 8


@functools.lru_cache
def connection(port):
    return socket.create_connection(("127.0.0.1", port))


def test_lru_cache(port):
    assert connection(port)


@functools.cache
def ensure_poller():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def test_daemon_that_is_started_once():
    ensure_poller()


@pytest.fixture(scope="session")
def session_socket():
    with socket.socket() as sock:
        yield sock


def test_session_fixture(session_socket):
    assert session_socket.fileno() > 0


@pytest.fixture
def own_socket():
    with socket.socket() as sock:
        yield sock


def test_function_fixture(own_socket):
    assert own_socket.fileno() > 0


class TestOfAClass:
    @pytest.fixture(scope="class")
    def shared(self):
        with socket.socket() as sock:
            yield sock

    def test_first(self, shared):
        assert shared.fileno() > 0

    def test_second(self, shared):
        assert shared.fileno() > 0


def test_slow_ender():
    threading.Thread(target=time.sleep, args=(0.3,)).start()


def test_client(leaklab_mongo):
    with MongoClient(leaklab_mongo.uri) as client:
        items = client[leaklab_mongo.database].items
        items.insert_many([{"n": n} for n in range(100)])
        assert len(list(items.find(batch_size=10))) == 100
        with items.find(batch_size=10) as cursor:
            next(cursor)
    assert leaklab_mongo.open_cursors == 0


def test_async_client(leaklab_mongo):
    async def main():
        async with AsyncMongoClient(leaklab_mongo.uri) as client:
            assert await client[leaklab_mongo.database].items.find().to_list() == []

    asyncio.run(main())


def test_log_file(tmp_path_factory):
    log = logging.getLogger("near_leaks")
    if not log.handlers:
        log.addHandler(logging.FileHandler(tmp_path_factory.mktemp("logs") / "a.log"))
    log.warning("written")


def test_cancelled_task():
    async def main():
        task = asyncio.create_task(asyncio.sleep(1000))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())


def test_garbage_in_a_cycle():
    one, other = [socket.socket()], []
    one.append(other)
    other.append(one)


def test_connections_that_are_refused():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    for _ in range(30):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def test_a_pool_that_is_filled_at_once(leaklab_http):
    async def main():
        async with aiohttp.ClientSession() as session:

            async def fetch(url):
                async with session.get(url) as response:
                    await response.read()

            for _ in range(3):
                await asyncio.gather(*map(fetch, leaklab_http.urls(40)))

    asyncio.run(main())
    assert leaklab_http.connections_opened <= 40


def test_an_executor_that_is_still_busy_when_the_test_ends():
    POOL.submit(time.sleep, 0.1)


def test_a_session_that_keeps_a_connection_to_each_host(leaklab_http):
    assert SESSION.get(leaklab_http.url()).ok


@functools.lru_cache(maxsize=8)
def opened(path):
    return open(path, "w")


def test_a_cache_that_is_not_full_yet(tmp_path):
    opened(tmp_path / "a")


def test_a_server_that_ends_each_connection():
    handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {"do_GET": answer, "log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, requests.Session() as session:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for _ in range(12):
            assert session.get(f"http://127.0.0.1:{server.server_address[1]}/").ok
        server.shutdown()


def answer(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


def test_a_child_that_was_dropped_and_has_ended():
    subprocess.Popen(["sleep", "0.3"])


def test_many_requests_over_one_connection(leaklab_http):
    async def main():
        async with aiohttp.ClientSession() as session:
            for url in leaklab_http.urls(30):
                async with session.get(url) as response:
                    await response.read()

    asyncio.run(main())
    assert (leaklab_http.connections_opened, leaklab_http.requests_served) == (1, 30)
    assert leaklab_http.open_connections == 0


class TestCase(unittest.TestCase):
    def setUp(self):
        self.socket = socket.socket()
        self.addCleanup(self.socket.close)

    def test_cleaned_up(self):
        assert self.socket.fileno() > 0


@pytest.mark.leaks("sockets", reason="kept for ever")
def test_that_may_leak():
    KEPT.append(socket.socket())


KEPT = []
