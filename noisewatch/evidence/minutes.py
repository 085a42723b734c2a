"""What is kept of the street outside events: one line a minute, and nothing finer.

::

    store/levels/YYYY-MM-DD.csv      UTC day; one line a minute, written once, durable

A line holds four levels rounded to 0.1 dB and how many of the minute's seconds sounded most like which class:
no sound, no picture, no spectrum, nothing of a single vehicle or person. The levels are those of the whole
minute, with what passed in it.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from noisewatch.errors import InputError
from noisewatch.evidence.durable import (
    fsync_folder,
    make_folder,
    read_bounded,
    remove_durably,
    storage_errors,
    write_all,
)
from noisewatch.evidence.jsonform import utc_moment

COLUMNS = (
    "minute", "heard_s", "laeq_db", "lafmax_db", "l10_db", "l90_db", "calibrated", "counts"
)  # fmt: skip
#: How the log's entries about seconds heard and forgotten are named (``node.forgetting``).
FORGOTTEN_TARGET, FORGOTTEN_WHY = "unmatched sound", "heard, not matched, and forgotten in memory"
_HEADER = (",".join(COLUMNS) + "\n").encode()
#: A day has 1 440 minutes of some 100 bytes; runs over files may repeat a day, but not without end.
MAX_DAY_BYTES = 4 * 1024 * 1024


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


def append(store: Path, minute: Minute) -> bool:
    """Write one minute durably; False where its day is full (that needs many runs over the same file).

    Raises
    ------
    InputOutputError
        The disk is full, read-only or broken.
    """
    folder = levels_folder(store)
    path = folder / f"{minute.start.astimezone(UTC):%Y-%m-%d}.csv"
    make_folder(folder)
    with storage_errors(path):
        is_new = not path.exists()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            size = _without_torn_line(descriptor)
            if size > MAX_DAY_BYTES:
                return False
            write_all(descriptor, (b"" if size else _HEADER) + _line(minute))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            fsync_folder(folder)
    return True


def read(store: Path, *, since: datetime | None = None, until: datetime | None = None) -> tuple[Minute, ...]:
    """Return the minutes of a store from ``since``, which is in, to ``until``, which is not.

    A last line that a crash tore is left out.

    Raises
    ------
    InputError
        A file holds something else; file and line are named.
    """
    found = [minute for day in _days(store) if _may_hold(day, since, until) for minute in _day(store, day)]
    return tuple(
        minute
        for minute in sorted(found, key=lambda one: one.start)
        if (since is None or minute.start >= since) and (until is None or minute.start < until)
    )


def end(store: Path, now: datetime, *, days: int) -> tuple[date, ...]:
    """Erase the days that are over and return them."""
    first = now.astimezone(UTC).date() - timedelta(days=days)
    over = tuple(day for day in _days(store) if day < first)
    for day in over:
        remove_durably(_path(store, day))
    return over


def heard_s(minutes: Iterable[Minute]) -> float:
    """Return how many seconds these minutes heard."""
    return sum(minute.heard_s for minute in minutes)


def _path(store: Path, day: date) -> Path:
    return levels_folder(store) / f"{day.isoformat()}.csv"


def _days(store: Path) -> list[date]:
    days = []
    folder = levels_folder(store)
    with storage_errors(folder):
        for path in sorted(folder.glob("????-??-??.csv")) if folder.is_dir() else ():
            try:
                days.append(date.fromisoformat(path.stem))
            except ValueError as error:
                raise InputError("its name holds no day", where=path) from error
    return days


def _may_hold(day: date, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or day >= since.astimezone(UTC).date()) and (
        until is None or day <= until.astimezone(UTC).date()
    )


def _day(store: Path, day: date) -> list[Minute]:
    path = _path(store, day)
    # bounded as it is written, with room for the last line
    data = read_bounded(path, max_bytes=MAX_DAY_BYTES + 64 * 1024)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole:
        return []
    if not whole.startswith(_HEADER):
        raise InputError("holds other columns than one-minute levels", where=path)
    rows = csv.reader(io.StringIO(whole[len(_HEADER) :].decode("utf-8", "replace")))
    return [_minute(row, where=f"{path}: line {number}") for number, row in enumerate(rows, start=2)]


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


def _line(minute: Minute) -> bytes:
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


def _level(text: str) -> float:
    return float(text) if text else math.nan


def _without_torn_line(descriptor: int) -> int:
    """Cut what stands after the last newline, as a crash may leave it; return the length."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 4096)
    whole = start + os.pread(descriptor, size - start, start).rfind(b"\n") + 1
    if whole < size:
        os.ftruncate(descriptor, whole)
    return whole
