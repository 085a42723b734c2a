"""Custody's file of one-minute levels: opened at the desk while the day's key lives, kept as the box asked.

::

    CUSTODY/minutes/BOX/YYYY-MM-DD.csv      minutes that the box sealed with the key of that UTC day

The first line says on which day the file ends and of how much it was made, the second names the columns, then
one minute a line. A file is made anew whenever the box has sealed more of its day; once the day's key has
ended it stays as it is until its own end, so that a year can be told though no key of it is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import minutes
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.desk import Desk
from noisewatch.evidence.durable import make_folder, read_bounded, remove_durably, write_atomic
from noisewatch.evidence.minutes import Minute
from noisewatch.evidence.told import name_of

_ENDS = re.compile(rb"# ends (\d{4}-\d\d-\d\d), from (\d+) sealed lines")
_HEADER = (",".join(minutes.COLUMNS) + "\n").encode()
_FIRST_LINE = 3
#: The box's own limit, with room for the last line.
_MAX_BYTES = minutes.MAX_DAY_BYTES + 64 * 1024


def folder_of(custody: Custody, node: Path) -> Path:
    """Return where the minutes of a box, or of the copy of one, are filed."""
    return custody.folder / "minutes" / name_of(node)


def file_minutes(custody: Custody, node: Path) -> int:
    """Open and file the minutes of a box or of its copy that are not filed yet; return how many lines.

    Days whose keys have ended are passed over: what was filed of them before stays.

    Raises
    ------
    InputError
        A sealed minute was altered; file and line are named, and nothing of its day is filed anew.
    """
    desk, new = Desk(custody), 0
    for day, path in minutes.sealed_files(node / "store"):
        sealed = minutes.sealed_lines(read_bounded(path, max_bytes=_MAX_BYTES), where=path)
        target = folder_of(custody, node) / f"{day.isoformat()}.csv"
        filed = int(_first_line(target).group(2)) if target.exists() else 0
        if len(sealed) <= filed:
            continue
        try:
            opened = [
                minutes.opened_line(desk.open(one, day=day, where=f"{path}: line {number}"), where=path)
                for number, one in enumerate(sealed, start=1)
            ]
        except MissingInputError:
            continue
        ends_on = day + timedelta(days=min(days for days, _ in opened))
        head = f"# ends {ends_on.isoformat()}, from {len(sealed)} sealed lines\n".encode() + _HEADER
        make_folder(target.parent)
        write_atomic(target, head + b"".join(line for _, line in opened))
        new += len(sealed) - filed
    return new


def read(
    custody: Custody, node: Path, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[Minute, ...]:
    """Return the minutes of a box from ``since``, which is in, to ``until``, which is not, oldest first.

    What lies sealed in ``node`` is filed first; raises as ``file_minutes``.
    """
    file_minutes(custody, node)
    found = [minute for path in sorted(folder_of(custody, node).glob("*.csv")) for minute in _minutes(path)]
    return tuple(
        minute
        for minute in sorted(found, key=lambda one: one.start)
        if (since is None or minute.start >= since) and (until is None or minute.start < until)
    )


def end(custody: Custody, *, now: datetime) -> int:
    """Erase the files of all boxes that are over, and return how many they were."""
    today = now.astimezone(UTC).date()
    over = [path for path in (custody.folder / "minutes").glob("*/*.csv") if _ends_on(path) <= today]
    return sum(remove_durably(path) for path in over)


def _minutes(path: Path) -> Iterator[Minute]:
    return minutes.from_lines(_rows_of(path), where=path, first=_FIRST_LINE)


def _rows_of(path: Path) -> bytes:
    first, _, rest = read_bounded(path, max_bytes=_MAX_BYTES).partition(b"\n")
    if _ENDS.fullmatch(first) is None or not rest.startswith(_HEADER):
        raise InputError("holds something else than filed minutes", where=path)
    return rest.removeprefix(_HEADER)


def _ends_on(path: Path) -> date:
    return date.fromisoformat(_first_line(path).group(1).decode("ascii"))


def _first_line(path: Path) -> re.Match[bytes]:
    with path.open("rb") as stream:
        match = _ENDS.match(stream.readline(128))
    if match is None:
        raise InputError("does not say when it ends", where=path)
    return match
