"""`no_leaks()` without pytest: each of these tests passes."""

import asyncio
import contextlib
import os
import socket
import threading
import time
import unittest
import warnings

import requests

from leaklab.testing import LeakError, LeakWarning, no_leaks

KEPT = []
SESSION = requests.Session()
URL = os.environ["TEST_URL"]


def leak():
    KEPT.append(socket.socket())  # here


class Blocks(unittest.TestCase):
    def test_a_leak_is_told_with_its_line_and_what_keeps_it(self):
        with self.assertRaises(LeakError) as caught, no_leaks():
            leak()
        told = str(caught.exception)
        self.assertIn("1 socket is still open after the block", told)
        self.assertIn("KEPT.append(socket.socket())  # here", told)
        self.assertIn("kept by KEPT[", told)

    def test_what_is_closed_is_no_leak(self):
        with no_leaks(), socket.socket():
            pass

    def test_what_ends_soon_is_no_leak(self):
        with no_leaks():
            threading.Thread(target=time.sleep, args=(0.2,)).start()

    def test_a_kind_that_is_not_watched(self):
        with no_leaks(sockets=False):
            leak()

    def test_too_many_connections(self):
        with (
            self.assertRaisesRegex(LeakError, "5 connections to 127.0.0.1:.* by one line \\(3 allowed\\)"),
            no_leaks(connections=3),
        ):
            for _ in range(5):
                requests.get(URL)

    def test_memory(self):
        with self.assertRaisesRegex(LeakError, "20.* MiB of memory is still held"), no_leaks(memory="8MiB"):
            KEPT.append(bytearray(b"x") * (20 << 20))

    def test_what_a_pool_keeps_is_a_warning(self):
        with self.assertWarns(LeakWarning), no_leaks():
            self.assertTrue(SESSION.get(URL).content)
        with warnings.catch_warnings(action="error"), no_leaks():
            self.assertTrue(SESSION.get(URL).content)

    def test_an_error_of_the_block_is_what_is_told(self):
        with self.assertRaises(ZeroDivisionError), no_leaks():
            leak()
            1 / 0

    def test_blocks_in_blocks(self):
        with no_leaks():
            with self.assertRaises(LeakError), no_leaks():
                leak()
            with socket.socket():
                pass

    def test_what_an_inner_block_does_not_look_for_is_told_by_the_outer_one(self):
        with self.assertRaises(LeakError), no_leaks():
            with no_leaks(sockets=False):
                leak()

    def test_the_standard_library_is_nobodys_own_code(self):
        with contextlib.ExitStack() as stack, self.assertRaises(LeakError) as caught:
            stack.enter_context(no_leaks())
            KEPT.append(socket.create_server(("127.0.0.1", 0)))  # here
            stack.close()
        self.assertIn('KEPT.append(socket.create_server(("127.0.0.1", 0)))  # here', str(caught.exception))

    def test_a_slip(self):
        with self.assertRaisesRegex(Exception, "there is no kind 'sokets'"):
            no_leaks(sokets=True)


class Functions(unittest.TestCase):
    def test_one_that_leaks_is_run_three_times(self):
        calls = []

        @no_leaks()
        def work():
            calls.append(1)
            leak()

        self.assertRaisesRegex(LeakError, "work\\(\\) leaves something open", work)
        self.assertEqual(len(calls), 3)

    def test_one_that_does_not_is_run_once(self):
        calls = []

        @no_leaks()
        def work():
            calls.append(1)
            return 7

        self.assertEqual((work(), len(calls)), (7, 1))

    def test_one_that_keeps_something_once_is_no_leak(self):
        cache = {}

        @no_leaks()
        def work():
            if not cache:
                cache["socket"] = socket.socket()

        work()
        cache["socket"].close()

    def test_one_that_cannot_be_run_again_is_judged_by_its_first_run(self):
        @no_leaks()
        def work():
            leak()
            calls.append(1)
            assert len(calls) == 1

        calls = []
        self.assertRaisesRegex(LeakError, "1 socket is still open", work)

    def test_what_is_no_function(self):
        def generator():
            yield

        for what in (generator, Blocks):
            self.assertRaisesRegex(Exception, "decorate a function", no_leaks(), what)


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def test_a_task_that_goes_on(self):
        with self.assertRaisesRegex(LeakError, "1 task is still pending after the block"):
            async with no_leaks():
                task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()

    async def test_a_task_that_ends_soon(self):
        async with no_leaks():
            KEPT.append(asyncio.create_task(asyncio.sleep(0.1)))

    async def test_a_function(self):
        @no_leaks()
        async def work():
            leak()

        with self.assertRaises(LeakError):
            await work()


if __name__ == "__main__":
    unittest.main()
