"""Cuts the power of a real disk: ext4 in a file, shut down without a flush of its journal, mounted again.

The kernel's own call for this (FS_IOC_SHUTDOWN, which xfstests uses too) drops every page and every change
of a name that was not synced, at once. The disk is mounted so that it helps as little as ext4 can: no commit
of its own for ten minutes, no data before names (``data=writeback``), no allocation at a rename. What had
reached the disk without having been asked for is chosen: nothing, all names but no content, or a part.

It does not model a device that lies about a flush, nor sectors that are torn in the middle.
"""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: _IOR('X', 125, __u32) of linux/fs.h, and its flag that drops the journal.
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
OPTIONS = "loop,commit=600,data=writeback,noauto_da_alloc,noatime"
SIZE_BYTES = 32 * 1024 * 1024

NOTHING, NAMES, PART = "nothing", "names only", "a part"
REACHED = (NOTHING, NAMES, PART)


def make_disk(image: Path, content: Path) -> None:
    """Make a disk that holds a copy of a folder."""
    with image.open("wb") as stream:
        stream.truncate(SIZE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(image)], check=True)
    with mounted(image) as disk:
        shutil.copytree(content, disk / "place")


@contextmanager
def mounted(image: Path, options: str = OPTIONS) -> Iterator[Path]:
    """Mount a disk beside its image."""
    point = image.with_name(f"{image.name}.mounted")
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", options, str(image), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=False, capture_output=True)
        if point.is_mount():
            subprocess.run(["umount", "-l", str(point)], check=True)


@contextmanager
def copied(image: Path) -> Iterator[Path]:
    """Yield a copy of a disk under a name that no disk had before, and remove it at the end.

    Another namespace of this machine may still hold a disk that was mounted and shut down: to mount the same
    file again would bring that one back as it was.
    """
    copy = image.with_name(f"{image.name}-{secrets.token_hex(6)}")
    shutil.copyfile(image, copy)
    try:
        yield copy
    finally:
        copy.unlink()


@contextmanager
def again(image: Path) -> Iterator[Path]:
    """Mount what a disk held at the cut, as a copy."""
    with copied(image) as copy, mounted(copy) as point:
        yield point


def break_down(disk: Path) -> None:
    """Let the file system find an error, upon which it turns read-only (mounted with errors=remount-ro)."""
    found = subprocess.run(["findmnt", "-n", "-o", "SOURCE", str(disk)], capture_output=True, check=True)
    name = Path(found.stdout.decode().strip()).name
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("a test\n")


def cut(disk: Path, *, reached: str, seed: int) -> None:
    """Cut the power; ``reached`` says what the disk had written of its own accord."""
    if reached == PART:
        chance = random.Random(seed)  # noqa: S311 - which pages a kernel wrote is no secret
        for path in sorted(path for path in disk.rglob("*") if path.is_file() and not path.is_symlink()):
            if chance.random() < 0.5:
                _sync(path)
    if reached in (NAMES, PART):
        # the journal's timer fires: names and sizes are committed, content that nobody synced is not
        (disk / "timer").write_bytes(b"x")
        _sync(disk / "timer")
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
