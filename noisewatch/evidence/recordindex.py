"""Custody's index of the records that its desk opened, so that a list of ten thousand events is quick.

::

    CUSTODY/records/index.db       by box and event: what a list shows and is searched by

A row is good for one ciphertext, whose hash it holds; it ends with the event's day, or as soon as the event
is seen to be gone. ``secure_delete`` is on, so that a row that ended leaves no byte in the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from noisewatch.evidence import database
from noisewatch.evidence.durable import make_folder
from noisewatch.evidence.jsonform import utc_moment, utc_text

migrations = database.Migrations("noisewatch.records")


@migrations(name="0001_told")
def _told(db: database.Database) -> None:
    db.execute(
        "CREATE TABLE told (node TEXT NOT NULL, id TEXT NOT NULL, day TEXT NOT NULL, sha256 TEXT NOT NULL, "
        "captured_at TEXT NOT NULL, site TEXT NOT NULL, signature TEXT NOT NULL, lafmax_db REAL NOT NULL, "
        "behaviour TEXT NOT NULL, is_evidence INTEGER NOT NULL, PRIMARY KEY (node, id)) WITHOUT ROWID"
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What a list shows of an event beyond what its box's index knows."""

    captured_at: datetime
    site: str
    signature: str
    lafmax_db: float
    behaviour: str
    is_evidence: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One event of one box: whose ciphertext was opened, of which day, and what it told."""

    event_id: str
    day: date
    sha256: str
    told: Told


class RecordIndex:
    """The index of one custody; made by ``opened``."""

    def __init__(self, db: database.Database) -> None:
        self._db = db

    def rows(self, node: str) -> dict[str, Row]:
        """Return what is known of a box's events, by id."""
        columns = "id, day, sha256, captured_at, site, signature, lafmax_db, behaviour, is_evidence"
        found = self._db.execute(f"SELECT {columns} FROM told WHERE node = ?", [node])  # noqa: S608 - fixed text
        return {values[0]: _row(*values) for values in found}

    def put(self, node: str, rows: Iterable[Row]) -> None:
        """Add rows, in the place of those of the same events."""
        values = [_values(node, row) for row in rows]
        if values:
            with self._db.conn:
                self._db.conn.execute("BEGIN")
                marks = ", ".join("?" * len(values[0]))
                self._db.conn.executemany(f"INSERT OR REPLACE INTO told VALUES ({marks})", values)  # noqa: S608

    def drop(self, node: str, event_ids: Collection[str]) -> None:
        """Erase the rows of events that are gone."""
        if event_ids:
            pairs = [(node, event_id) for event_id in event_ids]
            with self._db.conn:
                self._db.conn.execute("BEGIN")
                self._db.conn.executemany("DELETE FROM told WHERE node = ? AND id = ?", pairs)
            database.checkpoint(self._db)

    def keep_days(self, living: Collection[date]) -> int:
        """Erase the rows of every day but these, and return how many they were."""
        days = [day for (day,) in self._db.execute("SELECT DISTINCT day FROM told")]
        over = [day for day in days if date.fromisoformat(day) not in living]
        erased = 0
        for day in over:
            erased += self._db.execute("DELETE FROM told WHERE day = ?", [day]).rowcount
        if over:
            database.checkpoint(self._db)
        return erased


def _row(
    event_id: str,
    day: str,
    sha256: str,
    captured_at: str,
    site: str,
    signature: str,
    lafmax_db: float,
    behaviour: str,
    is_evidence: int,
) -> Row:
    told = Told(utc_moment(captured_at), site, signature, lafmax_db, behaviour, bool(is_evidence))
    return Row(event_id, date.fromisoformat(day), sha256, told)


def _values(node: str, row: Row) -> tuple[str | float | int, ...]:
    told = row.told
    keys = (node, row.event_id, row.day.isoformat(), row.sha256)
    heard = (told.site, told.signature, told.lafmax_db, told.behaviour, int(told.is_evidence))
    return (*keys, utc_text(told.captured_at), *heard)


@contextmanager
def opened(custody: Path) -> Iterator[RecordIndex]:
    """Open the index of a custody folder, made where it is missing; its owner alone can read it.

    Raises
    ------
    InputOutputError
        The file is damaged, or on a full or read-only disk. It may be deleted: it is made anew.
    """
    path = path_of(custody)
    make_folder(path.parent)
    db = database.connect(path, writable=True, steps=migrations)
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        with database.database_errors(path):
            yield RecordIndex(db)
    finally:
        db.close()


def keep_days(custody: Path, living: Collection[date]) -> int:
    """Erase what the index holds of days that ended; nothing to do where there is none."""
    if not path_of(custody).exists():
        return 0
    with opened(custody) as index:
        return index.keep_days(living)


def path_of(custody: Path) -> Path:
    """Return where a custody's index lies."""
    return custody / "records" / "index.db"
