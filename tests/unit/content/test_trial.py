"""Code of scenario authors that never ends, or that ends Python, does not take leaklab with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from leaklab.content import trial
from leaklab.content.trial import ContainedError, contained, faults
from tests.integration.conftest import wait_until


def run(path: Path) -> None:
    exec(compile(path.read_bytes(), str(path), "exec"), {})  # noqa: S102 # as a scenario is loaded


CODE = {
    "while True: pass": "not imported within",
    "while True:\n    try:\n        while True: pass\n    except BaseException: pass": "not imported within",
    "import os; os._exit(0)": "ends Python with exit code 0",
    "import os; os._exit(3)": "ends Python with exit code 3",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "ends Python by SIGKILL",
    "import os, signal; signal.alarm(0); os.abort()": "ends Python by SIGABRT",
    "import os\nif os.fork() == 0:\n    import time; time.sleep(600)\nelse:\n    os._exit(4)": "exit code 4",
    "raise SystemExit(5)": None,
    "x = 1": None,
    "print('out'); import sys; sys.stderr.write('err')": None,
}


def test_what_does_not_come_back_is_named_and_all_are_tried_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "IMPORTED_WITHIN_S", 1.0)
    paths = {tmp_path / f"{index}.py": words for index, words in enumerate(CODE.values())}
    for path, text in zip(paths, CODE, strict=True):
        path.write_text(text)
    mark = f"LEAKLAB_TRIAL_{os.getpid()}"
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    monkeypatch.setenv(mark, "1")
    found = faults(paths, run)
    assert {path for path, words in paths.items() if words is not None} == set(found)
    for path, words in found.items():
        assert (paths[path] or "?") in words
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before
    assert capfd.readouterr() == ("", "")


def test_code_that_would_end_the_process_raises_instead_and_its_own_children_may_end() -> None:
    with pytest.raises(ContainedError, match=r"it calls os\._exit\(7\)"), contained():
        os._exit(7)
    with contained():
        assert subprocess.run(["true"], check=False).returncode == 0  # noqa: S607
    assert os._exit.__module__ == "posix"


def catches_what_is_raised() -> None:
    caught = 0
    while True:
        try:
            time.sleep(60)
        except BaseException:
            caught += 1
            if caught == 3:
                raise


def test_code_that_takes_too_long_is_ended_also_if_it_catches_what_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ANSWERED_WITHIN_S", 0.2)
    monkeypatch.setattr(trial, "_AGAIN_S", 0.1)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ContainedError, match=r"it takes longer than 0\.2 s"), contained():
        catches_what_is_raised()
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends only after a while")
def test_what_is_tried_ends_with_leaklab_however_that_ends(tmp_path: Path) -> None:
    (tmp_path / "loops.py").write_text("import os\nopen('began', 'w').write(str(os.getpid()))\nwhile True: pass\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom leaklab.content.trial import faults\n"
        "faults([Path('loops.py')], lambda path: exec(path.read_text()))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as process:
        wait_until(lambda: (tmp_path / "began").exists() and (tmp_path / "began").stat().st_size > 0, "the trial")
        process.kill()
    pid = int((tmp_path / "began").read_text())
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "its end", 5)
