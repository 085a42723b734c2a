"""Runs a program under strace and says what left it: to which file or socket, which bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Every way in which a process on Linux hands bytes to something outside its memory.
CALLS = (
    "write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice,tee,vmsplice,"
    "copy_file_range,mmap,connect,bind,io_uring_setup,memfd_create,shmget,msgsnd,mq_timedsend,process_vm_writev"
)
NAME_SERVICE = 'sun_path="/var/run/nscd/socket"'
_CALL = re.compile(rb"^\d+ +(?:<\.\.\. )?(\w+)[ (]")
_TARGET = re.compile(rb"\((\d+)<((?:[^<>]|<[^<>]*>)*)>(?:\(deleted\))?, ")
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_MAPPED = re.compile(rb"PROT_WRITE[^,]*, MAP_SHARED[^,]*, \d+<([^>]*)>(?:\(deleted\))?")


@dataclass
class Trace:
    """What a program and its children wrote, by target; ``by_other_means`` are calls that hide the bytes."""

    written: dict[str, bytes] = field(default_factory=dict)
    mapped: set[str] = field(default_factory=set)
    by_other_means: list[str] = field(default_factory=list)
    code: int = 0
    out: str = ""
    err: str = ""

    def files(self, below: Path) -> dict[str, bytes]:
        """Return what went to files below a folder, by name relative to it."""
        prefix = f"{below}/"
        return {t.removeprefix(prefix): d for t, d in self.written.items() if t.startswith(prefix)}

    def elsewhere(self, *below: Path) -> dict[str, bytes]:
        """Return what went to files and sockets outside these folders; pipes within the program left out."""
        inside = tuple(f"{folder}/" for folder in below)
        quiet = ("pipe:", "anon_inode:", "/dev/null", "/memfd:")
        return {t: d for t, d in self.written.items() if not t.startswith((*inside, *quiet))}

    def everything(self, *, but_pipes: bool) -> bytes:
        """Return all bytes that were written."""
        return b"\n".join(d for t, d in self.written.items() if not (but_pipes and t.startswith("pipe:")))


def traced(command: Sequence[str], *, trace: Path, env: Mapping[str, str], cwd: Path) -> Trace:
    """Run a command to its end under strace."""
    strace = ["strace", "-f", "-qq", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-e", f"trace={CALLS}"]
    strace += ["-e", "signal=none", "-o", str(trace)]
    done = subprocess.run([*strace, *command], capture_output=True, text=True, env=dict(env), cwd=cwd)
    found = read_trace(trace)
    found.code, found.out, found.err = done.returncode, done.stdout, done.stderr
    return found


def read_trace(path: Path) -> Trace:
    """Read what strace wrote."""
    parts: dict[str, list[bytes]] = defaultdict(list)
    trace = Trace()
    with path.open("rb") as lines:
        for line in lines:
            _take(line, parts, trace)
    trace.written = {target: b"".join(data) for target, data in parts.items()}
    return trace


def _take(line: bytes, parts: dict[str, list[bytes]], trace: Trace) -> None:
    call = _CALL.match(line)
    if call is None or line.find(b"resumed>") >= 0:
        return
    name = call.group(1).decode()
    if name == "mmap":
        mapped = _MAPPED.search(line)
        if mapped is not None:
            trace.mapped.add(_plain(mapped.group(1)))
        return
    if name == "connect" and NAME_SERVICE in _plain(line):
        # the C library asks for the name of this user
        return
    target = _TARGET.search(line)
    texts = list(_TEXT.finditer(line))
    if name == "memfd_create":
        # memory under a name: what is written there is read below like any other file
        return
    if name in ("connect", "bind") or target is None or (not texts and b", 0)" not in line):
        trace.by_other_means.append(line.decode("ascii", "replace").strip()[:200])
        return
    for text in texts:
        assert text.group(2) is None, "strace cut what was written"
        parts[_plain(target.group(2))].append(bytes.fromhex(text.group(1).replace(b"\\x", b"").decode()))


def _plain(name: bytes) -> str:
    """Strace writes a path as hexadecimal escapes too."""
    text = re.sub(rb"\\x([0-9a-f]{2})", lambda one: bytes.fromhex(one.group(1).decode()), name)
    return text.decode("utf-8", "replace")


def noisewatch_command(*arguments: object) -> list[str]:
    """Return the command line of noisewatch in a process of its own."""
    return [sys.executable, "-m", "noisewatch.cli.main", *map(str, arguments)]


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment in which all that a program may leave lies below one folder."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
    places = dict.fromkeys(
        ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"), str(home)
    )
    return {
        **kept,
        **places,
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
