"""Where a pull reads from: a box's folder on this machine, or a box over ssh. Nothing is written there.

Only the log, its checkpoint and ciphertext can be named; never a key, a configuration or the database. Over
ssh the box needs ``find`` and ``tar``, and the arguments go as a list, with the path quoted.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from noisewatch.errors import (
    InputError,
    InputOutputError,
    MissingInputError,
    TryAgainError,
    UnavailableError,
    UsageError,
)
from noisewatch.evidence import tools
from noisewatch.evidence.durable import storage_errors
from noisewatch.evidence.minutes import day_of
from noisewatch.evidence.references import FOLDER, PULLED
from noisewatch.evidence.stored import FILES, ID, MAX_PART_BYTES

LOG = "log/node.jsonl"
CHECKPOINT = "log/node.jsonl.checkpoint"

#: Folders of what records refer to: public, small, and checked where it is used.
REFERENCES = ("calibration", FOLDER)

#: A folder of events, never more; a box keeps 30 days.
MAX_FILES = 1_000_000

_EVENT_FILE = re.compile(
    rf"store/clips/(\d{{4}}-\d\d-\d\d)/({ID.pattern})/"
    rf"({'|'.join(FILES)})\.age"
)
_ADDRESS = re.compile(r"((?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*):(/[^\0-\x1f\x7f]*)")
_SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15")
_LISTING_TIMEOUT_S = 120.0


class Box(Protocol):
    """A box to read from."""

    def listing(self) -> dict[str, int]:
        """Return the size of each file below ``store/clips``, by its name as the box gives it."""
        ...

    def minutes(self) -> dict[str, int]:
        """Return the size of each file of sealed minutes, by its name."""
        ...

    def references(self) -> dict[str, int]:
        """Return the size of each calibration record, and of what is kept of signatures, by its name."""
        ...

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield these files in this order; those that are gone meanwhile are left out."""
        ...


def parts_of(name: str) -> tuple[str, str, str] | None:
    """Return day, event and which of its files a name means; None for every other name.

    Examples
    --------
    >>> parts_of("store/clips/2026-03-01/ev-1234/viewing.age")
    ('2026-03-01', 'ev-1234', 'viewing')
    >>> parts_of("store/clips/2026-03-01/ev-1234/../../../../etc/passwd") is None
    True
    """
    match = _EVENT_FILE.fullmatch(name)
    return None if match is None else (match.group(1), match.group(2), match.group(3))


def minutes_of(name: str) -> date | None:
    """Return the day of a file of sealed minutes; None for every other name.

    Examples
    --------
    >>> print(minutes_of("store/levels/2026-03-01.sealed"), minutes_of("store/levels/../x.sealed"))
    2026-03-01 None
    """
    folder, _, file = name.rpartition("/")
    return day_of(file) if folder == "store/levels" else None


def open_box(given: str) -> Box:
    """Return the box that a person named: a node's folder, or ``user@host:/path``.

    Raises
    ------
    UsageError
        It is neither, or a name that ssh would take for an option.
    """
    path = Path(given)
    if path.is_dir():
        return FolderBox(path)
    match = _ADDRESS.fullmatch(given)
    if match is None:
        remedy = "give the folder of a node, or user@host:/path/of/node"
        raise UsageError("is neither a folder nor a box", where=given[:100], remedy=remedy)
    return SshBox(match.group(1), match.group(2))


@dataclass(frozen=True, slots=True)
class FolderBox:
    """A node's folder on this machine, such as a mounted disk."""

    folder: Path

    def listing(self) -> dict[str, int]:
        """Return the files of the store; symbolic links are neither followed nor listed."""
        return self._below("store/clips")

    def minutes(self) -> dict[str, int]:
        """Return the files of sealed minutes, as ``listing`` does."""
        return {name: size for name, size in self._below("store/levels").items() if minutes_of(name)}

    def references(self) -> dict[str, int]:
        """Return the files of calibrations and signatures, as ``listing`` does."""
        found = {name: size for one in REFERENCES for name, size in self._below(one).items()}
        return {name: size for name, size in found.items() if PULLED.fullmatch(name)}

    def _below(self, inner: str) -> dict[str, int]:
        found: dict[str, int] = {}
        with storage_errors(self.folder):
            for root, _, names in os.walk(self.folder / inner, followlinks=False):
                for name in names:
                    path = Path(root) / name
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        found[path.relative_to(self.folder).as_posix()] = status.st_size
        return found

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the files; a symbolic link is refused."""
        for name in names:
            _check_name(name)
            try:
                data = _read_plain(self.folder / name)
            except MissingInputError:
                continue
            yield name, data


@dataclass(frozen=True, slots=True)
class SshBox:
    """A box over ssh: keys and ports come from this user's ssh configuration, passwords are never asked."""

    host: str
    path: str

    def listing(self) -> dict[str, int]:
        """Ask ``find`` on the box."""
        return self._find("exec find store/clips -type f -printf '%s %p\\0'")

    def minutes(self) -> dict[str, int]:
        """Ask ``find`` on the box for sealed minutes; a box may have none yet."""
        found = self._find("[ ! -d store/levels ] || exec find store/levels -type f -printf '%s %p\\0'")
        return {name: size for name, size in found.items() if minutes_of(name)}

    def references(self) -> dict[str, int]:
        """Ask ``find`` on the box for calibrations and signatures; a box may have none yet."""
        find = "[ ! -d $one ] || find $one -type f -printf '%s %p\\0'"
        found = self._find(f"for one in {' '.join(REFERENCES)}; do {find}; done")
        return {name: size for name, size in found.items() if PULLED.fullmatch(name)}

    def _find(self, asked: str) -> dict[str, int]:
        command = f"cd {shlex.quote(self.path)} && {asked}"
        try:
            done = subprocess.run(
                [*_SSH, "--", self.host, command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_LISTING_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise TryAgainError("did not answer", where=self.host) from error
        except FileNotFoundError as error:
            raise _no_ssh() from error
        self._refuse_failed(done.returncode, done.stderr)
        found: dict[str, int] = {}
        for item in done.stdout.split(b"\0")[:MAX_FILES]:
            size, _, name = item.decode("utf-8", "surrogateescape").partition(" ")
            if size.isascii() and size.isdigit() and name:
                found[name] = int(size)
        return found

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Let ``tar`` on the box stream the files; whatever was not asked for is refused."""
        for name in names:
            _check_name(name)
        if not names:
            return
        command = (
            f"cd {shlex.quote(self.path)} && "
            "exec tar --create --file=- --format=ustar --no-recursion --ignore-failed-read "
            "--null --files-from=-"
        )
        asked = iter(names)
        # the names go as a file: a pipe that nobody empties would hold up the box while it sends
        with tools.in_memory(b"".join(name.encode() + b"\0" for name in names)) as wanted:
            os.lseek(wanted, 0, os.SEEK_SET)
            try:
                child = subprocess.Popen(
                    [*_SSH, "--", self.host, command],
                    stdin=wanted,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            except FileNotFoundError as error:
                raise _no_ssh() from error
            with child:
                try:
                    yield from _members(child, asked)
                    _, said = child.communicate()
                except BaseException:
                    child.kill()
                    raise
        self._refuse_failed(child.returncode, said, allowed=(0, 1, 2))

    def _refuse_failed(self, code: int, said: bytes, *, allowed: tuple[int, ...] = (0,)) -> None:
        if code in allowed:
            return
        lines = said.decode("utf-8", "replace").strip().splitlines()
        why = "".join(
            one if one.isprintable() else "?" for one in (lines[-1] if lines else "no reason given")
        )
        if code == 255:
            remedy = "look with: ssh HOST; what was pulled stays, run it again"
            raise TryAgainError(f"ssh ended: {why[:200]}", where=self.host, remedy=remedy)
        raise InputOutputError(f"cannot be read there: {why[:200]}", where=f"{self.host}:{self.path}")


def _members(child: subprocess.Popen[bytes], asked: Iterator[str]) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=child.stdout, mode="r|") as archive:
            for member in archive:
                # in the order asked; those that are gone are passed over
                if not member.isreg() or not any(name == member.name for name in asked):
                    raise InputError("the box sent something that was not asked for", where="pull")
                if member.size > MAX_PART_BYTES:
                    raise InputError("is larger than a part of an event can be", where=member.name)
                stream = archive.extractfile(member)
                data = b"" if stream is None else stream.read()
                if len(data) != member.size:
                    raise TryAgainError("the connection ended in the middle of a file", where=member.name)
                yield member.name, data
    except tarfile.ReadError as error:
        if child.wait() in (0, 1, 2) and "empty file" not in str(error):
            raise TryAgainError("the connection ended in the middle of a file", where="pull") from error


def _read_plain(path: Path) -> bytes:
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError("is not a plain file", where=path)
            data = stream.read(MAX_PART_BYTES + 1)
    if len(data) > MAX_PART_BYTES:
        raise InputError(f"is larger than {MAX_PART_BYTES} bytes", where=path)
    return data


def _check_name(name: str) -> None:
    is_known = name in (LOG, CHECKPOINT) or parts_of(name) is not None or minutes_of(name) is not None
    if not is_known and PULLED.fullmatch(name) is None:
        raise InputError("is not a file that is pulled", where=ascii(name)[:100])


def _no_ssh() -> UnavailableError:
    return UnavailableError(
        "this program is needed", where="ssh", remedy="install the system package openssh-client"
    )
