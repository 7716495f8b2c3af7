"""What a witness says of halves that leak in different ways: the line that opened it, and what keeps it.

In each source, the line that must be named ends with `# here`, and the one that something waits at with `# waits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from leaklab.explain.evidence import Evidence, worth_telling
from leaklab.explain.explaining import Plan
from leaklab.services.client import Services
from tests.unit.explain.conftest import N, hear, marked

BEGIN = """
import socket

def connect(address):
    return socket.create_connection(address)  # here

"""


@dataclass(frozen=True)
class Leak:
    """A half, and what must be said of what it leaks.

    Attributes:
        source: its code; `run(address, items)`, where `address` is one that may be connected to.
        chain: what keeps it, or why nothing does.
        root: the name that it is kept by.
        counter: what counts it.
        count: how many there are.
        value: of which a finding would say that so much is left.
        held: whether it is looked at before `run` returns.
        waits: whether something waits at a line of its own.
    """

    source: str
    chain: str | None
    root: str = ""
    counter: str = "sockets"
    count: int = N
    value: float = N
    held: bool = False
    waits: bool = False


LEAKS = {
    "a list": Leak(
        BEGIN + "kept = []\ndef run(address, items):\n    for _ in items:\n        kept.append(connect(tuple(address)))",
        "kept[…]", "global kept of half.py",
    ),
    "the attribute of a class": Leak(
        BEGIN + "class Pool:\n    free = []\ndef run(address, items):\n    for _ in items:\n"
        "        Pool.free.append(connect(tuple(address)))",
        "Pool.free[…]", "global Pool of half.py",
    ),
    "a closure": Leak(
        BEGIN + "handlers = {}\ndef make(sock):\n    def send(data):\n        return sock.send(data)\n    return send\n"
        "def run(address, items):\n    for item in items:\n        handlers[item] = make(connect(tuple(address)))",
        "handlers[…] (closes over sock)", "global handlers of half.py",
    ),
    "the traceback of an error": Leak(
        BEGIN + "errors = []\ndef fetch(address):\n    sock = connect(address)\n    raise ValueError(sock.fileno())\n"
        "def run(address, items):\n    for _ in items:\n        try:\n            fetch(tuple(address))\n"
        "        except ValueError as error:\n            errors.append(error)",
        "errors[…].__traceback__ (frame of fetch(), local sock)", "global errors of half.py",
    ),
    "a cycle that nobody collected": Leak(
        BEGIN + "import gc\ngc.disable()\nclass Node:\n    def __init__(self, address):\n"
        "        self.sock = connect(address)\n        self.me = self\n"
        "def run(address, items):\n    for _ in items:\n        Node(tuple(address))",
        "Node.sock", "a cycle that no name reaches", held=True,
    ),
    "lru_cache": Leak(
        BEGIN + "import functools\n@functools.lru_cache(maxsize=None)\ndef client(host, port, item):\n"
        "    return connect((host, port))\ndef run(address, items):\n    for item in items:\n        client(*address, item)",
        "client (its cache)[…]", "global client of half.py",
    ),
    "a default argument": Leak(
        BEGIN + "def keep(sock, seen=[]):\n    seen.append(sock)\n"
        "def run(address, items):\n    for _ in items:\n        keep(connect(tuple(address)))",
        "keep (default argument)[0][…]", "global keep of half.py",
    ),
    "slots, a set and a tuple": Leak(
        BEGIN + "class Link:\n    __slots__ = ('sock',)\n    def __init__(self, sock):\n        self.sock = sock\n"
        "links = set()\ndef run(address, items):\n    for _ in items:\n"
        "        links.add((Link(connect(tuple(address))),))",
        "links[…][0].sock", "global links of half.py",
    ),
    "generators that stopped half-way": Leak(
        "import socket\nstreams = []\ndef lines(address):\n"
        "    with socket.create_connection(address) as sock:  # here\n        while True:\n            yield sock.fileno()\n"
        "def run(address, items):\n    for _ in items:\n        stream = lines(tuple(address))\n        next(stream)\n"
        "        streams.append(stream)",
        "streams[…] (paused in lines(), local sock)", "global streams of half.py",
    ),
    "the locals of threads": Leak(
        BEGIN + "import threading\nlocal = threading.local()\nready = threading.Barrier(4)\n"
        "def work(address):\n    local.sock = connect(address)\n    ready.wait()\n    threading.Event().wait()\n"
        "def run(address, items):\n    for _ in items:\n"
        "        threading.Thread(target=work, args=(tuple(address),), daemon=True).start()\n    ready.wait()",
        None, "global local of half.py",
    ),
    "a weak dictionary does not keep": Leak(
        BEGIN + "import weakref\nclass Client:\n    def __init__(self, address):\n        self.sock = connect(address)\n"
        "registry, clients = weakref.WeakValueDictionary(), []\ndef run(address, items):\n    for item in items:\n"
        "        client = registry[item] = Client(tuple(address))\n        clients.append(client)",
        "clients[…].sock", "global clients of half.py",
    ),
    "a socket of TLS": Leak(
        "import socket, ssl\nclass Pool:\n    def __init__(self):\n        self.free = []\npool = Pool()\n"
        "def run(address, items):\n    context = ssl.create_default_context()\n    context.check_hostname = False\n"
        "    for _ in items:\n        plain = socket.create_connection(tuple(address))\n"
        "        pool.free.append(context.wrap_socket(plain, do_handshake_on_connect=False))  # here",
        "pool.free[…]", "global pool of half.py",
    ),
    "an object in C": Leak(
        BEGIN + "import ctypes\nbox = []\ndef run(address, items):\n    for _ in items:\n"
        "        box.append(ctypes.py_object(connect(tuple(address))))",
        "box[…]._objects", "global box of half.py",
    ),
    "C alone": Leak(
        BEGIN + "import ctypes\ndef run(address, items):\n    for _ in items:\n"
        "        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connect(tuple(address))))",
        "no object that the garbage collector knows: a running expression or code in C holds it",
    ),
    "a local, and what it was before": Leak(
        BEGIN + "from contextlib import ExitStack\ndef run(address, items):\n    with ExitStack() as stack:\n"
        "        for _ in items:\n            sock = stack.enter_context(connect(tuple(address)))",
        "stack._exit_callbacks[…][1].__self__", "local stack of run() in half.py", held=True, count=N - 1,
    ),
    "files": Leak(
        "import pathlib, tempfile\nlogs = []\nclass Log:\n    def __init__(self, path):\n"
        "        self.file = pathlib.Path(path).open('w')  # here\n"
        "def run(address, items):\n    folder = tempfile.mkdtemp()\n    for item in items:\n"
        "        logs.append(Log(f'{folder}/{item}'))\n        open(f'{folder}/other', 'w').close()",
        "logs[…].file.buffer", "global logs of half.py", "fds",
    ),
    "descriptors": Leak(
        "import os\nnumbers = []\ndef run(address, items):\n    for _ in items:\n"
        "        numbers.append(os.open(os.devnull, os.O_RDONLY))  # here",
        "no object that the garbage collector knows", counter="fds",
    ),
    "pipes": Leak(
        "import os\nnumbers = []\ndef run(address, items):\n    for _ in items:\n        numbers.append(os.pipe())  # here",
        "no object that the garbage collector knows", counter="fds", count=2 * N, value=2 * N,
    ),
    "pipes between processes": Leak(
        "import multiprocessing\nends = []\ndef run(address, items):\n    for _ in items:\n"
        "        ends.append(multiprocessing.Pipe())  # here",
        "ends[…][…]", "global ends of half.py", "fds", 2 * N, 2 * N,
    ),
    "event loops": Leak(
        "import asyncio\nloops = []\ndef run(address, items):\n    for _ in items:\n"
        "        loops.append(asyncio.new_event_loop())  # here",
        "loops[…].{_csock, _ssock}", "global loops of half.py", "fds", 3 * N, 3 * N,
    ),
    "a linked list": Leak(
        BEGIN + "class Node:\n    pass\nhead = None\ndef run(address, items):\n    global head\n    for _ in items:\n"
        "        node = Node()\n        node.sock, node.next = connect(tuple(address)), head\n        head = node",
        None, "global head of half.py",
    ),
    "a context variable": Leak(
        BEGIN + "import contextvars\ncurrent = contextvars.ContextVar('current')\ndef run(address, items):\n    found = []\n"
        "    for _ in items:\n        found.append(connect(tuple(address)))\n    current.set(found)",
        "current[…]", "context variable current",
    ),
    "the loggers of a library": Leak(
        "import logging, os\ndef run(address, items):\n    for item in items:\n"
        "        handler = logging.FileHandler(os.path.join(os.environ['TMPDIR'], str(item)))  # here\n"
        "        logging.getLogger(str(item)).addHandler(handler)",
        "Logger.manager.loggerDict[…].handlers[0].stream.buffer", "global Logger of logging", "fds",
    ),
    "a descriptor that was closed, and its number given away again": Leak(
        "import os\nkept = []\ndef run(address, items):\n    for _ in items:\n        for number in os.pipe():\n"
        "            os.close(number)\n        kept.append(os.scandir('/'))  # here\n        next(kept[-1])",
        "no object that the garbage collector knows", counter="fds",
    ),
    "a map of a file": Leak(
        "import mmap, tempfile\nmaps = []\ndef run(address, items):\n    for _ in items:\n"
        "        with tempfile.TemporaryFile() as file:\n            file.write(b'x')\n            file.flush()\n"
        "            maps.append(mmap.mmap(file.fileno(), 1))  # here",
        "no object that the garbage collector knows", counter="fds",
    ),
    "a socket without its object": Leak(
        "import socket\nnumbers = []\ndef run(address, items):\n    for _ in items:\n"
        "        numbers.append(socket.create_connection(tuple(address)).detach())  # here",
        "no object that the garbage collector knows",
    ),
    "a local name of each of several threads": Leak(
        BEGIN + "import threading\nready = threading.Barrier(4)\ndef work(address):\n    mine = connect(address)\n"
        "    ready.wait()\n    threading.Event().wait()\ndef run(address, items):\n    for _ in items:\n"
        "        threading.Thread(target=work, args=(tuple(address),), daemon=True).start()\n    ready.wait()",
        "mine", "local mine of work() in half.py, in 3 threads",
    ),
    "child processes": Leak(
        "import subprocess\nhelpers = []\ndef run(address, items):\n    for _ in items:\n"
        "        helpers.append(subprocess.Popen(['sleep', '60']))  # here",
        "helpers[…]", "global helpers of half.py", "children",
    ),
    "forked processes": Leak(
        "import os, time\ndef run(address, items):\n    for _ in items:\n        if not os.fork():  # here\n"
        "            time.sleep(60)",
        "no object that the garbage collector knows", counter="children",
    ),
    "processes that nobody waited for": Leak(
        "import subprocess, time\nhelpers = []\ndef run(address, items):\n    for _ in items:\n"
        "        helpers.append(subprocess.Popen(['true']))  # here\n    time.sleep(0.3)",
        "helpers[…]", "global helpers of half.py", "zombies",
    ),
    "processes of multiprocessing": Leak(
        "import multiprocessing, time\nworkers = []\ndef run(address, items):\n"
        "    fork = multiprocessing.get_context('fork')\n    for _ in items:\n"
        "        workers.append(fork.Process(target=time.sleep, args=(60,), daemon=True))\n"
        "        workers[-1].start()  # here",
        "workers[…]", "global workers of half.py", "children",
    ),
    "threads": Leak(
        "import threading\ndef work():\n    threading.Event().wait()  # waits\ndef run(address, items):\n"
        "    for _ in items:\n        threading.Thread(target=work, daemon=True).start()  # here",
        None, counter="threads", waits=True,
    ),
    "threads without an object": Leak(
        "import _thread, time\ndef work():\n    time.sleep(60)\ndef run(address, items):\n    for _ in items:\n"
        "        _thread.start_new_thread(work, ())  # here\n    time.sleep(0.2)",
        "no object that the garbage collector knows", counter="threads",
    ),
    "a pool of threads, called by a library": Leak(
        "import time\nfrom concurrent.futures import ThreadPoolExecutor\npools = []\ndef run(address, items):\n"
        "    for _ in items:\n        pools.append(ThreadPoolExecutor())\n"
        "        pools[-1].submit(time.sleep, 60)  # here",
        "pools[…]._threads[…]", "global pools of half.py", "threads",
    ),
    "tasks that the loop had to cancel": Leak(
        "import asyncio\ntasks = set()\nasync def poll():\n    await asyncio.sleep(3600)  # waits\n"
        "async def main(items):\n    for _ in items:\n        tasks.add(asyncio.create_task(poll()))  # here\n"
        "    await asyncio.sleep(0)\ndef run(address, items):\n    asyncio.run(main(items))",
        "tasks[…]", "global tasks of half.py", "tasks", waits=True,
    ),
    "tasks of a loop in a thread": Leak(
        "import asyncio, threading\nloop = asyncio.new_event_loop()\ntasks = []\nasync def poll():\n"
        "    await asyncio.sleep(3600)  # waits\nasync def spawn():\n"
        "    tasks.append(asyncio.create_task(poll()))  # here\n    await asyncio.sleep(0)\n"
        "def run(address, items):\n    threading.Thread(target=loop.run_forever, daemon=True).start()\n"
        "    for _ in items:\n        asyncio.run_coroutine_threadsafe(spawn(), loop).result()",
        "tasks[…]", "global tasks of half.py", "tasks", waits=True,
    ),
    "files left": Leak(
        "import os, tempfile\ndef run(address, items):\n    for item in items:\n"
        "        number, path = tempfile.mkstemp()  # here\n        os.close(number)",
        None, counter="files",
    ),
    "files that were renamed": Leak(
        "import os, tempfile\ndef run(address, items):\n    folder = tempfile.gettempdir()\n    for item in items:\n"
        "        open(f'{folder}/new', 'w').close()  # here\n        os.rename(f'{folder}/new', f'{folder}/{item}')",
        None, counter="files",
    ),
    "a big array": Leak(
        "from array import array\nlatest = {}\ndef run(address, items):\n"
        "    readings = array('d', [1.0]) * (1 << 22)  # here\n    latest['head'] = memoryview(readings)[:8]\n"
        "    for _ in items:\n        pass",
        "latest['head'].obj", "global latest of half.py", "rss", 1, 1 << 25,
    ),
    "a big local": Leak(
        "def run(address, items):\n    text = b'x' * (1 << 25)  # here\n    for _ in items:\n        pass",
        "text", "local text of run() in half.py", "rss", 1, 1 << 25, held=True,
    ),
    "a big local that is gone at the last step": Leak(
        "def run(address, items):\n    text = b'x' * (1 << 25)  # here\n    del text\n    for _ in items:\n        pass",
        "text", "local text of run() in half.py", "rss", 1, 1 << 25, held=True,
    ),
    "many small things": Leak(
        "cache = {}\ndef run(address, items):\n    for item in items:\n"
        "        cache[item] = [str(n) * 60 for n in range(20_000)]  # here",
        "cache[…]", "global cache of half.py", "rss", N, 18 << 20,
    ),
    "many small things that a library makes": Leak(
        "import json\ncache = []\ntext = '[' + ','.join(f'\"{n:0200}\"' for n in range(20_000)) + ']'\n"
        "def run(address, items):\n    for item in items:\n        cache.append(json.loads(text))  # here",
        "cache[…]", "global cache of half.py", "rss", N, 15 << 20,
    ),
    "memory of the system": Leak(
        "import mmap\nviews = []\ndef run(address, items):\n    view = mmap.mmap(-1, 1 << 25)  # here\n"
        "    view.write(b'x' * (1 << 25))\n    views.append(view)",
        "views[0]", "global views of half.py", "rss", 1, 1 << 25,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAKS)
def test_the_line_and_the_chain_of_a_leak(services: Services, tmp_path: Path, name: str) -> None:
    leak = LEAKS[name]
    file = tmp_path / "half.py"
    file.write_text(dedent(leak.source) + "\n", encoding="utf-8")
    wanted = {leak.counter: leak.value}
    statement = hear(services, file, Plan(held=wanted) if leak.held else Plan(left=wanted))
    assert statement.trouble == ""
    groups = statement.of(leak.counter, ("end", "most") if leak.held else ("left", "cancelled"))
    told = worth_telling(groups, tmp_path, 1)
    assert told, groups
    first: Evidence = told[0].evidence(tmp_path)
    assert first.count == leak.count
    assert first.opened is not None
    assert (first.opened.file, first.opened.line) == ("half.py", marked(file, "here"))
    if leak.waits:
        assert first.waits_at is not None
        assert first.waits_at.line == marked(file, "waits")
    if leak.root:
        assert first.kept_by is not None
        assert first.kept_by.root == leak.root
        assert leak.chain in (None, first.kept_by.chain)
    elif leak.chain is not None:
        assert (first.kept_by, first.note) == (None, leak.chain)


HOSTILE = """
import socket


class Evil:
    def __init__(self, sock): object.__setattr__(self, "sock", sock)
    def __repr__(self): raise SystemExit("repr")
    def __eq__(self, other): raise SystemExit("eq")
    def __hash__(self): return 1
    def __bool__(self): raise SystemExit("bool")
    def __len__(self): raise SystemExit("len")
    def __iter__(self): raise SystemExit("iter")
    def __sizeof__(self): raise SystemExit("sizeof")
    def __getattribute__(self, name): raise SystemExit("getattribute " + name)
    @property
    def __class__(self): raise SystemExit("class")


class EvilDict(dict):
    def items(self): raise SystemExit("items")
    def values(self): raise SystemExit("values")
    def __iter__(self): raise SystemExit("iter")
    def __len__(self): raise SystemExit("len")
    def __getitem__(self, key): raise SystemExit("getitem")
    def __sizeof__(self): raise SystemExit("sizeof")


class EvilList(list):
    def __iter__(self): raise SystemExit("iter")
    def __len__(self): raise SystemExit("len")
    def __sizeof__(self): raise SystemExit("sizeof")


class Meta(type):
    def __getattribute__(cls, name): raise SystemExit("meta " + name)
    def __eq__(cls, other): raise SystemExit("meta eq")
    def __hash__(cls): raise SystemExit("meta hash")
    def __instancecheck__(cls, other): raise SystemExit("meta instance")
    def __subclasscheck__(cls, other): raise SystemExit("meta subclass")


class Deep(metaclass=Meta):
    def __init__(self, inner): self.inner = inner


class MySocket(socket.socket):
    def fileno(self): raise SystemExit("fileno")
    def getpeername(self): raise SystemExit("peer")
    @property
    def family(self): raise SystemExit("family")


class Key:
    def __hash__(self): return 7
    def __repr__(self): raise SystemExit("key repr")
    def __eq__(self, other): raise SystemExit("key eq")


store = EvilDict()


def run(address, items):
    for item in items:
        sock = MySocket()  # here
        sock.connect(tuple(address))
        dict.__setitem__(store, Key() if item == 1 else item, EvilList([Evil((Deep(sock),))]))
"""


@pytest.mark.parametrize("counter", ["sockets", "rss"])
def test_none_of_the_code_of_a_hostile_file_is_run(services: Services, tmp_path: Path, counter: str) -> None:
    file = tmp_path / "half.py"
    file.write_text(HOSTILE, encoding="utf-8")
    statement = hear(services, file, Plan(left={"sockets": N, **({"rss": 2**25} if counter == "rss" else {})}))
    assert statement.trouble == ""
    (group,) = statement.of("sockets", ("left",))
    found = group.evidence(tmp_path)
    assert (found.count, found.opened and found.opened.line) == (N, marked(file, "here"))
    assert found.kept_by is not None
    assert found.kept_by.chain == "store[…][0].sock[0].inner"


def test_many_alike_are_one_group_and_two_leaks_are_two(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(
        BEGIN + "kept, others = [], []\ndef run(address, items):\n    for item in items:\n"
        "        kept.append({'link': connect(tuple(address))})\n        if item % 2:\n"
        "            others.append(socket.create_connection(tuple(address)))\n",
        encoding="utf-8",
    )
    groups = hear(services, file, Plan(left={"sockets": 150}), steps=100).of("sockets", ("left",))
    assert [(group.count, group.kept and group.kept[0]) for group in groups] == [
        (100, "kept[…]['link']"),
        (50, "others[…]"),
    ]


def test_pools_and_monitors_that_do_not_grow_are_not_told(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(
        BEGIN + "import threading, time\nkept = []\ndef run(address, items):\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n    for _ in items:\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # waits\n",
        encoding="utf-8",
    )
    groups = hear(services, file, Plan(left={"threads": 31}), steps=30).of("threads", ("left",))
    told = worth_telling(groups, tmp_path, 2)
    assert [(group.count, group.opened and group.opened.line) for group in told] == [(30, marked(file, "waits"))]


def test_a_half_that_does_not_return_is_looked_at_in_time_and_ended(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text("import time\ndef run(address, items):\n    time.sleep(600)  # waits\n", encoding="utf-8")
    (caller,) = hear(services, file, Plan(late_s=0.2)).of("", ("late",))
    assert caller.waits is not None
    assert caller.waits.line == marked(file, "waits")


@pytest.mark.parametrize(
    ("source", "trouble"),
    [
        ("import os\ndef run(address, items):\n    os._exit(3)\n", "it exited with code 3"),
        ("def run(address, items):\n    import os\n    os.kill(os.getpid(), 9)\n", "it was ended by SIGKILL"),
        ("import nowhere_to_be_found\n", "it cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_half_that_ends_before_it_can_be_looked_at(
    services: Services, tmp_path: Path, source: str, trouble: str
) -> None:
    file = tmp_path / "half.py"
    file.write_text(source, encoding="utf-8")
    statement = hear(services, file, Plan(left={"sockets": 1}))
    assert statement.looks == {}
    assert statement.trouble.startswith(trouble)


def test_what_the_half_breaks_is_said_and_the_half_goes_on(services: Services, tmp_path: Path) -> None:
    """What a recorder needs is taken before the half is imported; what it still can break ends no half."""
    file = tmp_path / "half.py"
    file.write_text(
        "import gc, os, sys, threading, socket, time\n"
        "for module, name in ((gc, 'get_objects'), (gc, 'get_referents'), (sys, '_getframe'), (sys, '_current_frames'),\n"
        "                     (os, 'dup'), (gc, 'collect'), (sys, 'setswitchinterval'), (time, 'monotonic')):\n"
        "    setattr(module, name, None)\n"
        "kept = []\ndef run(address, items):\n    for _ in items:\n"
        "        kept.append(socket.socket())\n        kept[-1].connect(tuple(address))\n",
        encoding="utf-8",
    )
    statement = hear(services, file, Plan(left={"sockets": N}))
    assert statement.trouble == ""
    assert [group.count for group in statement.of("sockets", ("left",))] == [N]
