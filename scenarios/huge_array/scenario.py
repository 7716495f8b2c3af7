"""Huge array: a name keeps a large buffer alive after its last use, while the function goes on."""

import random
import string
from functools import cache
from zlib import crc32

from leaklab.scenario import LEAKS_NOTHING, SIZE, Expected, InGo, Lab, Scenario, Setting, Settings, Steps, difference

MIB = 2**20
PAGE = "".join(random.choices(string.ascii_letters + " \n", k=4096))  # random: a half must go through all pages


def workload(lab: Lab) -> dict[str, object]:
    """The page that fills the buffer, then one small job per step."""
    return {"page": PAGE, "size": lab.settings.size, "jobs": Steps(lab.steps)}


@cache
def checksum_of(pages: int) -> int:
    """The checksum of so many pages, computed from 256 at a time."""
    checksum = 0
    for first in range(0, pages, 256):
        checksum = crc32(PAGE.encode() * min(256, pages - first), checksum)
    return checksum


def check_answer(lab: Lab, answer: object) -> str | None:
    """A label for each job, with the checksum of the whole buffer."""
    checksum = checksum_of(lab.settings.size // len(PAGE))
    labels = [f"{checksum:08x}-{job}" for job in range(1, lab.steps + 1)]
    return difference(answer, labels, f"the labels of the jobs 1 to {lab.steps}, each with the checksum of all pages")


SCENARIO = Scenario(
    number=5,
    minutes=4,
    difficulty="easy",
    title="Huge array",
    leaks="the whole buffer, until the function returns",
    summary="a name that is no longer used keeps a large buffer alive",
    settings=Settings(Setting("size", SIZE, 256 * MIB, "Size of the buffer.", least=MIB), steps=50),
    # A class checks on many small machines: a quarter of the memory shows the same.
    learners={"size": 64 * MIB},
    workload=workload,
    check_answer=check_answer,
    buffer=lambda settings: settings.size,
    # Half of the buffer: far above what identical runs differ by, far below what a kept buffer costs.
    memory_budget=lambda settings: settings.size // 2,
    expected={
        "leaky": Expected("leaks", (("held", "rss"),)),
        "almost": Expected("leaks", (("leaked", "rss"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("rss",),
    hints=(
        "Memory at the peak is the same in both halves; memory at the last step is not. Which line is the last to "
        "need the buffer, and which name still refers to it after that?",
        "CPython frees an object when its last reference goes, and a local name is a reference until the function "
        "returns, used or not. A memoryview, or another object made from the buffer, may hold one as well.",
        "Drop the name once the checksum is known: delete it, or compute the checksum in a function of its own, whose "
        "names end when it returns. Or never hold the whole buffer: crc32(page, checksum) continues from the checksum so far.",
    ),
    release=(
        "`del pages` drops the only name of the bytearray before the jobs begin, so its memory is freed there and "
        "then, not when `run` returns."
    ),
    go=InGo(
        why=(
            "A package variable, or a slice of a few bytes, keeps the whole array. A local variable that is not used again keeps nothing."
        ),
        leaks="the whole buffer, as long as anything refers to it",
        summary="a package variable, or a slice of a few bytes, keeps a large buffer alive",
        hints=(
            "Memory at the peak is the same in both halves; memory at the last step is not. What still refers to the "
            "buffer after the last line that needs it?",
            "A local variable that is not used again is dead to Go's collector, so it is not that one. A package "
            "variable is alive as long as the program is, and a slice keeps the whole array that it is a part of.",
            "Keep a copy of the bytes that you need: bytes.Clone of a short slice has an array of its own.",
        ),
        release="`bytes.Clone` copies the 64 bytes into an array of their own, so nothing refers to the large one.",
    ),
)
