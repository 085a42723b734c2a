"""Keeps what is only in memory in memory: locked pages, no core dump, no swap that could be read later.

Sound and picture that match nothing live in the rings alone. Three ways lead from there to a disk behind a
program's back: a core dump, the swap, and a hibernation image. The first is closed for every run. Of the
second, a live node that is no trial asks: swap must be absent, encrypted, or compressed memory (zram) without
a backing device. A hibernation image is written to swap, so the same rule closes it.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from noisewatch.errors import ConfigurationError

#: From linux/mman.h: lock what is there, what comes, and each page only when it is first touched.
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
#: From linux/prctl.h.
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
#: From linux/capability.h: may lock memory whatever the limit.
_CAP_IPC_LOCK = 14

SWAPS, BLOCK_DEVICES, PROCESS_STATUS = Path("/proc/swaps"), Path("/sys/dev/block"), Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Swap:
    """One swap area, and whether what is swapped out there can be read without a key later."""

    name: str
    is_safe: bool
    why: str


@dataclass(frozen=True, slots=True)
class Hardening:
    """What was done, and a line about each thing that could not be."""

    is_locked: bool
    core_dumps_off: bool
    swaps: tuple[Swap, ...]
    warnings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The state in words, as ``run`` prints it.

        Examples
        --------
        >>> Hardening(True, True, (), ()).sentence
        'memory locked, core dumps off, no swap'
        """
        swap = ", ".join(f"{one.name} ({one.why})" for one in self.swaps) or "no swap"
        locked = "memory locked" if self.is_locked else "memory not locked"
        dumps = "core dumps off" if self.core_dumps_off else "core dumps NOT off"
        return f"{locked}, {dumps}, {swap}"


@contextmanager
def hardened(
    *, lock_memory: bool, allow_plain_swap: bool, only_warn: bool, report: Callable[[str], None]
) -> Iterator[Hardening]:
    """Harden this process while the block lasts.

    Parameters
    ----------
    lock_memory : bool
        Whether memory is to be locked; where the limit of this user does not allow it, that is a warning.
    allow_plain_swap : bool
        Let a live node run beside swap that is neither encrypted nor zram; that is a warning.
    only_warn : bool
        The same for a trial, and for files, which lie on a disk anyway.
    report : callable
        Gets each warning.

    Yields
    ------
    Hardening
        What holds now.

    Raises
    ------
    ConfigurationError
        There is swap that could be read later, and nothing allows it.
    """
    swaps = read_swaps()
    plain = [swap for swap in swaps if not swap.is_safe]
    if plain and not (allow_plain_swap or only_warn):
        raise ConfigurationError(
            f"there is swap that could be read later: {_names(plain)}",
            where="memory.allow_plain_swap",
            remedy="encrypt it, use zram, or run: swapoff -a",
        )
    warnings = [f"what is in memory may reach the swap {_names(plain)}"] if plain else []
    why_not = lock_refusal() if lock_memory else "memory.lock is false"
    locked = why_not is None and lock_memory_here()
    if not locked:
        warnings.append(f"memory is not locked: {why_not or 'the system refused it'}")
    was_dumpable = _prctl(_PR_GET_DUMPABLE, 0)
    dumps_off = no_core_dumps()
    if not dumps_off:
        warnings.append("core dumps could not be switched off")
    for line in warnings:
        report(f"warning: {line}")
    try:
        yield Hardening(locked, dumps_off, swaps, tuple(warnings))
    finally:
        if locked:
            _libc().munlockall()
        if was_dumpable == 1:
            _prctl(_PR_SET_DUMPABLE, 1)


def no_core_dumps() -> bool:
    """Switch core dumps off for this process; tell whether they are.

    The limit alone is not enough: where ``core_pattern`` is a pipe the kernel does not look at it. A process
    that is not dumpable leaves no core in either case. A child that starts another program must call this
    itself, as that makes it dumpable again.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)
    return resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) and _prctl(_PR_GET_DUMPABLE, 0) == 0


def lock_memory_here() -> bool:
    """Lock the memory of this process where its user may lock without a limit; tell whether it is locked.

    A child does not inherit the lock: one that holds sound or picture calls this itself.
    """
    return lock_refusal() is None and _mlockall()


def lock_refusal(*, status: Path = PROCESS_STATUS) -> str | None:
    """Return why memory should not be locked here, or None.

    With a limit every later allocation beyond it would fail, and with it the measurement: so only a process
    without a limit locks.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or _may_lock_all(status):
        return None
    return f"this user may lock {soft // 1024} kB only (for a service: LimitMEMLOCK=infinity)"


def read_swaps(*, swaps: Path = SWAPS, devices: Path = BLOCK_DEVICES) -> tuple[Swap, ...]:
    """Return the swap areas of this machine, each judged.

    Parameters
    ----------
    swaps : Path
        As ``/proc/swaps``; a kernel without swap has none. Where its neighbour ``meminfo`` is missing too,
        this process may not look (``ProcSubset=pid`` of a service), and there may be any swap.
    devices : Path
        As ``/sys/dev/block``.
    """
    try:
        lines = swaps.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except FileNotFoundError:
        if swaps.with_name("meminfo").exists():
            return ()
        return (Swap(str(swaps), is_safe=False, why="hidden from this service"),)
    # the kernel writes a space in a name as \040
    names = [line.split()[0].replace("\\040", " ") for line in lines if line.split()]
    return tuple(_judge(Path(name), devices) for name in names)


def _judge(area: Path, devices: Path) -> Swap:
    try:
        status = area.stat()
    except OSError as error:
        return Swap(str(area), is_safe=False, why=f"cannot be looked at: {error.strerror}")
    number = status.st_rdev if area.is_block_device() else status.st_dev
    block = devices / f"{os.major(number)}:{os.minor(number)}"
    if area.name.startswith("zram"):
        backing = _text(block / "backing_dev")
        is_safe = backing in ("", "none")
        return Swap(str(area), is_safe, "zram" if is_safe else f"zram that writes back to {backing}")
    is_safe = is_encrypted(block)
    return Swap(str(area), is_safe, "encrypted" if is_safe else "plain")


def is_encrypted(block: Path) -> bool:
    """Tell whether a block device (its folder in sysfs) is dm-crypt, or stands on nothing but dm-crypt."""
    if _text(block / "dm" / "uuid").startswith("CRYPT-"):
        return True
    below = sorted((block / "slaves").iterdir()) if (block / "slaves").is_dir() else []
    return bool(below) and all(is_encrypted(one) for one in below)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _may_lock_all(status: Path) -> bool:
    for line in _text(status).splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_IPC_LOCK & 1)
    return False


def _names(swaps: list[Swap]) -> str:
    return ", ".join(f"{swap.name} ({swap.why})" for swap in swaps)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mlockall() -> bool:
    # on fault: what is reserved but never touched, such as stacks of threads, costs no memory
    return int(_libc().mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)) == 0


def _prctl(option: int, value: int) -> int:
    return int(_libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0))
