"""Stops or fails real work at one system call of its own process, by strace, and says how far it came.

The work runs in a forked child, so that nothing is imported again: strace attaches to the child, counts the
calls of one name, and at the N-th kills the process before the call is carried out, or lets the call fail.
SQLite's calls are met like Python's. What the work acknowledged stands in shared memory, which survives it.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from noisewatch.errors import NoisewatchError

#: Every call by which the evidence room changes what is on a disk; reads and opens change nothing.
CALLS = (
    "write",
    "pwrite64",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "rmdir",
    "mkdir",
)
KILL, FULL, BROKEN = "kill", "ENOSPC", "EIO"
FAULTS = (KILL, FULL, BROKEN)
_EFFECT = {KILL: "signal=KILL", FULL: "error=ENOSPC", BROKEN: "error=EIO"}
_BOARD_BYTES = 16 * 1024
#: A file system in memory.
QUICK = Path("/dev/shm")  # noqa: S108 - each test makes a folder of its own in it


@dataclass(frozen=True)
class Point:
    """A fault at the N-th call of a name."""

    call: str
    number: int
    fault: str = KILL

    def __str__(self) -> str:
        return f"{self.fault} at {self.call} {self.number}"


@dataclass(frozen=True)
class Ended:
    """How work ended: what it had acknowledged, whether the fault was met, and how it refused."""

    acknowledged: int
    was_hit: bool
    was_killed: bool
    refusal: str
    exit_code: int
    calls: Counter[str]


class Board:
    """Memory that a child and its parent share; writing to it is no system call."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _BOARD_BYTES)

    def acknowledge(self) -> None:
        """Say that what was promised so far is promised."""
        self._memory[0] += 1

    def say(self, kind: int, code: int, text: str) -> None:
        """Leave a line for the parent."""
        data = text.encode()[-(_BOARD_BYTES - 8) :]
        self._memory[1], self._memory[2] = kind, code
        self._memory[8 : 8 + len(data)] = data

    def read(self) -> tuple[int, int, int, str]:
        """Return how much was acknowledged, which kind of line was left, its code and text."""
        text = bytes(self._memory[8:]).rstrip(b"\0").decode("utf-8", "replace")
        return self._memory[0], self._memory[1], self._memory[2], text


Work = Callable[[Board], None]
_REFUSED, _CRASHED = 1, 2


def _in_child(work: Work, board: Board, go: int) -> None:
    os.read(go, 1)
    try:
        work(board)
    except NoisewatchError as error:
        board.say(_REFUSED, error.exit_code, error.line())
    except BaseException:
        board.say(_CRASHED, 0, traceback.format_exc())


def run(
    work: Work,
    point: Point | None = None,
    *,
    pretend: Sequence[str] = (),
    watch: Sequence[str] = (),
    after: Callable[[], None] | None = None,
) -> Ended:
    """Run work in a child with one fault.

    Parameters
    ----------
    work : callable
        What is done.
    point : Point, optional
        Where the fault is.
    pretend : sequence of str
        Calls that do nothing and claim success: a program that forgets to sync.
    watch : sequence of str
        Calls that are counted.
    after : callable, optional
        Called at once when the child has ended, before anything else can happen.
    """
    board = Board()
    go, start = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(start)
        _in_child(work, board, go)
        os._exit(0)
    os.close(go)
    names = sorted({*pretend, *watch, *([] if point is None else [point.call])})
    with tempfile.TemporaryFile() as said:
        tracer = None if not names else _attach(pid, point, pretend=pretend, names=names, said=said)
        os.close(start)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if after is not None:
            after()
        if tracer is not None:
            tracer.wait()
        said.seek(0)
        traced = said.read()
    acknowledged, kind, code, text = board.read()
    assert kind != _CRASHED, f"{point}: {text}"
    was_killed = status == -signal.SIGKILL
    assert was_killed or status == 0, (point, status)
    # strace marks what it forged; sync calls that only claim success are marked too, so count the errors
    was_failed = b"(INJECTED)" in re.sub(rb"= 0 \(INJECTED\)", b"", traced)
    calls = Counter(name.decode() for name in re.findall(rb"^(\w+)\(", traced, re.MULTILINE))
    return Ended(acknowledged, was_killed or was_failed, was_killed, text, code, calls)


def _attach(
    pid: int, point: Point | None, *, pretend: Sequence[str], names: Sequence[str], said: IO[bytes]
) -> subprocess.Popen[bytes]:
    command = ["strace", "-qqq", "-p", str(pid), "-s", "0", "-e", f"trace={','.join(names)}"]
    command += ["-e", "signal=none"]
    if pretend:
        command += ["-e", f"inject={','.join(pretend)}:retval=0"]
    if point is not None:
        command += ["-e", f"inject={point.call}:{_EFFECT[point.fault]}:when={point.number}"]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
    status = Path(f"/proc/{pid}/status")
    for _ in range(5000):
        if re.search(r"^TracerPid:\t[1-9]", status.read_text(), re.MULTILINE):
            return tracer
        time.sleep(0.002)
    raise AssertionError("strace did not attach")


@contextmanager
def quick_folder(made: Path) -> Iterator[Path]:
    """Yield a folder in memory, where nothing waits for a disk; what a crash leaves there is the same."""
    quick = QUICK / f"noisewatch-{os.getpid()}-{made.name}" if QUICK.is_dir() else made
    quick.mkdir(exist_ok=True, mode=0o700)
    try:
        yield quick
    finally:
        shutil.rmtree(quick)


def points_of(calls: Mapping[str, int], faults: Sequence[str] = FAULTS) -> list[Point]:
    """Return every fault at every call, in order."""
    return [
        Point(call, number, fault)
        for fault in faults
        for call in CALLS
        for number in range(1, calls.get(call, 0) + 1)
    ]
