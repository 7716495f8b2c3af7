"""The hook in a Python program: what it says, and that the program finds all as it would without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaklab.explain import asking
from leaklab.explain.asking import HOOK, own_folder
from leaklab.measure.counting import ConnectionCounter, Way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the hook is for Linux")

CONNECTS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as listening:
    for _ in range(3):
        socket.create_connection(listening.getsockname()).close()
    waiting = socket.socket()
    waiting.setblocking(False)
    waiting.connect_ex(listening.getsockname())
    waiting.connect_ex(listening.getsockname())
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
"""


def run(code: str, folder: Path, python_path: str | None = None) -> tuple[str, list[str]]:
    """What a program prints that runs with the hook, and the lines that the hook wrote."""
    counter = ConnectionCounter(Way.HOOK, folder / "events", HOOK)
    counter.prepare()
    environment = {**counter.environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    if python_path is not None:
        environment["PYTHONPATH"] += f":{python_path}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout, counter.file.read_text().splitlines()


def test_each_tcp_socket_that_connects_is_said_and_no_other(tmp_path: Path) -> None:
    _, lines = run(CONNECTS, tmp_path)
    sockets = [line.split()[2] for line in lines if line.startswith("connect")]
    assert (len(sockets), len(set(sockets))) == (5, 4)


def test_a_forked_child_and_a_started_program_are_said(tmp_path: Path) -> None:
    forks = "import os, subprocess, sys\nif not os.fork(): os._exit(0)\nos.wait()\n"
    _, lines = run(f"{forks}subprocess.run([sys.executable, '-c', ''])", tmp_path)
    assert [line.split()[0] for line in lines] == ["hello", "forked", "starts", "hello"]


def test_a_program_that_is_started_is_said_once_however_often_its_start_is_heard(tmp_path: Path) -> None:
    # Without descriptors to close, subprocess calls os.posix_spawn. A program is looked for in each folder of the PATH.
    starts = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', ''], close_fds=False)"
    path = f"dict(os.environ, PATH='{tmp_path}:{Path(sys.executable).parent}')"
    _, lines = run(f"{starts}; os.spawnvpe(os.P_WAIT, 'python', ['python', '-c', ''], {path})", tmp_path)
    assert [line.split()[0] for line in lines] == ["hello", "starts", "hello", "forked", "execs", "execs", "hello"]


def test_the_program_has_its_own_path_and_no_descriptor_of_ours(tmp_path: Path) -> None:
    path, descriptors = "[p for p in sys.path if 'hook' in p]", "sorted(map(int, os.listdir('/proc/self/fd')))[:-1]"
    assert run(f"import os, sys; print({path}, {descriptors})", tmp_path)[0] == "[] [0, 1, 2]\n"


def test_the_sitecustomize_of_the_user_runs_and_is_the_one_that_is_found(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("mine = 7\n")
    out, _ = run("import sitecustomize; print(sitecustomize.mine)", tmp_path, str(tmp_path))
    assert out == "7\n"


def test_an_error_in_the_sitecustomize_of_the_user_is_told_as_ever(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(AssertionError, match="nothing_of_this_name"):
        run("", tmp_path, str(tmp_path))


def test_the_own_code_is_in_the_folder_of_the_script_or_in_the_current_one(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.touch()
    assert own_folder(["python3", "-u", str(script), "--port", "1"]) == tmp_path
    assert own_folder(["python3", "-m", "app"]) == Path.cwd()


def test_what_several_processes_answer_in_the_same_way_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {"counter": "sockets", "what": "socket", "opened": ["app.py", 7, "work"], "kept": None, "waits": None}
    said = {"groups": [{**group, "own": True, "became": "closed", "note": "", "count": 2}], "error": ""}
    for pid in (1, 2, 3):
        (tmp_path / f"events.{pid}.said").write_text(json.dumps(said))
    monkeypatch.setattr(asking, "_handles", lambda *_: True)
    monkeypatch.setattr(os, "kill", lambda *_: None)
    (told,) = asking.ask([1, 2, 3], tmp_path / "events", {"sockets": 6}).looks[asking.LEFT]
    assert (told.count, told.became) == (6, "closed")
