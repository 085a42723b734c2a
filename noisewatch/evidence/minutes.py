"""What is kept of the street outside events: one line a minute, and nothing finer, sealed for custody's desk.

::

    NODE/store/levels/YYYY-MM-DD.sealed       the UTC day whose key seals; one line a minute, durable
    CUSTODY/minutes/BOX/YYYY-MM-DD.csv        the same minutes, opened and filed by the desk (filed.py)

A minute holds four levels rounded to 0.1 dB and how many of its seconds sounded most like which class: no
sound, no picture, no spectrum, nothing of a single vehicle or person. The levels are those of the whole
minute, with what passed in it. On the box each is an age file in base64; the box opens none of them.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from noisewatch.errors import InputError
from noisewatch.evidence.durable import (
    fsync_folder,
    make_folder,
    remove_durably,
    storage_errors,
    write_all,
)
from noisewatch.evidence.jsonform import utc_moment
from noisewatch.evidence.seal import DayKey, seal_for_desk

COLUMNS = (
    "minute", "heard_s", "laeq_db", "lafmax_db", "l10_db", "l90_db", "calibrated", "counts"
)  # fmt: skip
#: How the log's entries about seconds heard and forgotten are named (``node.forgetting``).
FORGOTTEN_TARGET, FORGOTTEN_WHY = "unmatched sound", "heard, not matched, and forgotten in memory"
#: A day has 1 440 minutes of some 800 bytes; runs over files may repeat a day, but not without end.
MAX_DAY_BYTES = 8 * 1024 * 1024
#: The key that opens a day's minutes lives no longer; what it sealed is of no use after it.
KEY_DAYS = 30
#: The clear text is filled up to whole blocks, so that its length does not tell what sounded.
_BLOCK_BYTES = 256
_SEALED = re.compile(r"(\d{4}-\d\d-\d\d)\.sealed")


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the street.

    ``heard_s`` is below 60 where the run began, ended or lost sound in it. ``l10_db`` and ``l90_db`` are what
    10 % and 90 % of the LAF values at 125 ms exceed. ``counts`` holds, by class, the windows of one second
    (every half second) of which it was the most probable. ``is_calibrated`` is False where the levels are on
    an assumed scale.
    """

    start: datetime
    heard_s: float
    laeq_db: float
    lafmax_db: float
    l10_db: float
    l90_db: float
    is_calibrated: bool
    counts: Mapping[str, int] = field(default_factory=dict)


def levels_folder(store: Path) -> Path:
    """Return where a store keeps its minutes."""
    return store / "levels"


def sealed_name(day: date) -> str:
    """Return the name of the file of the minutes that a day's key seals."""
    return f"{day.isoformat()}.sealed"


def day_of(name: str) -> date | None:
    """Return the day of such a name; None for every other name.

    Examples
    --------
    >>> print(day_of("2026-03-01.sealed"), day_of("2026-03-01.csv"), day_of("2026-13-01.sealed"))
    2026-03-01 None None
    """
    match = _SEALED.fullmatch(name)
    try:
        return None if match is None else date.fromisoformat(match.group(1))
    except ValueError:
        return None


def append(store: Path, minute: Minute, key: DayKey, *, keep_days: int) -> bool:
    """Seal one minute and write it durably; False where the day is full (that needs many runs over a file).

    Parameters
    ----------
    store : Path
        The store's folder.
    minute : Minute
        What is written.
    key : DayKey
        The key of the day on which this happens, whatever day the minute tells of.
    keep_days : int
        How long custody keeps it after that day.

    Raises
    ------
    InputOutputError
        The disk is full, read-only or broken.
    """
    return append_lines(store, to_line(minute), key, keep_days=keep_days)


def append_lines(store: Path, lines: bytes, key: DayKey, *, keep_days: int) -> bool:
    """Seal whole lines as one, as ``append`` does."""
    text = f"{keep_days} ".encode() + lines
    text += b" " * (-len(text) % _BLOCK_BYTES)
    sealed = base64.b64encode(seal_for_desk(text, key)) + b"\n"
    folder = levels_folder(store)
    path = folder / sealed_name(key.day)
    make_folder(folder)
    with storage_errors(path):
        is_new = not path.exists()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            if _without_torn_line(descriptor) + len(sealed) > MAX_DAY_BYTES:
                return False
            write_all(descriptor, sealed)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            fsync_folder(folder)
    return True


def sealed_lines(data: bytes, *, where: str | Path) -> list[bytes]:
    """Return the ciphertext of each whole line; a last line that a crash tore is left out.

    Raises
    ------
    InputError
        A line is not base64; it is named.
    """
    found = []
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            found.append(base64.b64decode(line, validate=True))
        except binascii.Error as error:
            raise InputError("is not a sealed minute", where=f"{where}: line {number}") from error
    return found


def opened_line(clear: bytes, *, where: str | Path) -> tuple[int, bytes]:
    """Return how many days what was opened is kept, and its lines; ``InputError`` where it is none."""
    days, _, line = clear.rstrip(b" ").partition(b" ")
    if not days.isdigit() or not line.endswith(b"\n"):
        raise InputError("is not a minute", where=where)
    return int(days), line


def sealed_files(store: Path) -> list[tuple[date, Path]]:
    """Return the days of a store that hold sealed minutes, in order, with their files."""
    folder = levels_folder(store)
    with storage_errors(folder):
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = ((day_of(name), folder / name) for name in names)
    return [(day, path) for day, path in found if day is not None]


def end(store: Path, now: datetime, *, days: int) -> tuple[date, ...]:
    """Erase the sealed days that are over: after ``days``, and when their key has ended; return them."""
    first = now.astimezone(UTC).date() - timedelta(days=min(days, KEY_DAYS))
    over = [(day, path) for day, path in sealed_files(store) if day < first]
    for _, path in over:
        remove_durably(path)
    return tuple(day for day, _ in over)


def heard_s(minutes: Iterable[Minute]) -> float:
    """Return how many seconds these minutes heard."""
    return sum(minute.heard_s for minute in minutes)


def to_line(minute: Minute) -> bytes:
    """Return a minute as one line of comma-separated values."""
    counts = ";".join(f"{name}:{count}" for name, count in sorted(minute.counts.items()))
    levels = (minute.laeq_db, minute.lafmax_db, minute.l10_db, minute.l90_db)
    cells = [
        f"{minute.start.astimezone(UTC):%Y-%m-%dT%H:%M:00Z}",
        f"{minute.heard_s:.3f}",
        *(f"{level:.1f}" if math.isfinite(level) else "" for level in levels),
        "yes" if minute.is_calibrated else "no",
        counts,
    ]
    return (",".join(cells) + "\n").encode()


def from_lines(lines: bytes, *, where: str | Path, first: int = 1) -> Iterator[Minute]:
    """Yield the minutes of whole lines; ``InputError`` names a line, counted from ``first``, that is none."""
    rows = csv.reader(io.StringIO(lines.decode("utf-8", "replace")))
    for number, row in enumerate(rows, start=first):
        yield _minute(row, where=f"{where}: line {number}")


def _minute(row: list[str], *, where: str) -> Minute:
    try:
        start, heard, laeq, lafmax, l10, l90, calibrated, counts = row
        pairs = [pair.rsplit(":", 1) for pair in counts.split(";") if pair]
        return Minute(
            start=utc_moment(start),
            heard_s=float(heard),
            laeq_db=_level(laeq),
            lafmax_db=_level(lafmax),
            l10_db=_level(l10),
            l90_db=_level(l90),
            is_calibrated={"yes": True, "no": False}[calibrated],
            counts={name: int(count) for name, count in pairs},
        )
    except (ValueError, KeyError, InputError) as error:
        raise InputError("is not a minute", where=where) from error


def _level(text: str) -> float:
    return float(text) if text else math.nan


def _without_torn_line(descriptor: int) -> int:
    """Cut what stands after the last newline, as a crash may leave it; return the length."""
    size = os.fstat(descriptor).st_size
    whole = end = size
    while end > 0:
        start = max(0, end - 4096)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        whole = start + newline + 1
        if newline >= 0:
            break
        end = start
    if whole < size:
        os.ftruncate(descriptor, whole)
    return whole
