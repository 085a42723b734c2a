"""The SQLite file behind a store: how it is opened, what it must promise, and its migrations.

Write-ahead log, full synchronisation, foreign keys on, and ``secure_delete`` on and read back: what is
deleted is overwritten, so that after a checkpoint of the write-ahead log no byte of it is left in the file.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import cast

from noisewatch.errors import (
    ConfigurationError,
    InputOutputError,
    NoisewatchError,
    PermissionRefusedError,
    TryAgainError,
)


@contextmanager
def _leaving_out(name: str) -> Iterator[None]:
    """Let an import go without a package that it would take along only because it is installed."""
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    is_loaded = name in modules
    if not is_loaded:
        modules[name] = None
    try:
        yield
    finally:
        if not is_loaded:
            del modules[name]


# pandas takes a second and 50 MB, and sqlite-utils wants it only for a type that no store holds
with _leaving_out("pandas"):
    from sqlite_utils import Database, Migrations

__all__ = [
    "DamagedDatabaseError",
    "Database",
    "Migrations",
    "checkpoint",
    "connect",
    "database_errors",
    "explain",
    "migrations",
    "traces",
]


class DamagedDatabaseError(InputOutputError):
    """The file holds no database any more; what it indexes may be whole."""


#: How long a statement waits for another process before it says "try again".
BUSY_TIMEOUT_S = 2.0

#: SQLite's shared memory alone takes this.
FULL_BELOW_BYTES = 64 * 1024

migrations = Migrations("noisewatch.store")

_IN_THE_CLEAR = (
    *("captured_at", "is_evidence", "site", "signature", "lafmax_db", "behaviour"),
    *("pending_record", "pending_signature"),
)


@migrations(name="0001_events_and_media")
def _events_and_media(db: Database) -> None:
    db.table("events").create(
        {
            "id": str,
            "state": str,
            "sealed_day": str,
            "sealed_at": str,
            "sealed_no_later_than": str,
            "captured_at": str,
            "expires_at": str,
            "is_trial": int,
            "is_evidence": int,
            "site": str,
            "signature": str,
            "lafmax_db": float,
            "behaviour": str,
            "pending_record": bytes,
            "pending_signature": bytes,
        },
        pk="id",
        not_null={"state", "sealed_day", "sealed_at", "captured_at", "expires_at", "is_trial"},
    )
    # what hangs on an event must end with it: sqlite-utils has no keyword for ON DELETE CASCADE
    db.execute(
        "CREATE TABLE media (event_id TEXT NOT NULL REFERENCES events(id) ON DELETE CASCADE, "
        "name TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL, "
        "PRIMARY KEY (event_id, name))"
    )


@migrations(name="0002_clock_floor")
def _clock_floor(db: Database) -> None:
    db.table("state").create({"key": str, "value": str}, pk="key", not_null={"value"})


@migrations(name="0003_index_of_time")
def _index_of_time(db: Database) -> None:
    db.table("events").create_index(["captured_at"])


@migrations(name="0004_nothing_of_what_was_heard")
def _nothing_of_what_was_heard(db: Database) -> None:
    # records are sealed: what they say may not stand beside them (secure_delete overwrites what stood here)
    db.execute("DROP INDEX idx_events_captured_at")
    for column in _IN_THE_CLEAR:
        db.execute(f"ALTER TABLE events DROP COLUMN {column}")
    db.execute("ALTER TABLE events ADD COLUMN former_record BLOB")
    db.table("events").create_index(["sealed_at"])


def explain(error: sqlite3.Error, where: Path) -> NoisewatchError:
    """Return the error of our tree that tells a person what SQLite's means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # on a full disk SQLite cannot make its shared memory, and calls that an input/output error
    is_disk_error = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    if code == sqlite3.SQLITE_FULL or (is_disk_error and _is_full(where)):
        return InputOutputError(
            "no space left on the disk", where=where, remedy="free space there; nothing half-written was left"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TryAgainError("another process holds the database", where=where, remedy="try again later")
    if code == sqlite3.SQLITE_READONLY:
        return InputOutputError("is read-only", where=where, remedy="mount it for writing")
    if code in (sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return PermissionRefusedError("this user may not do that here", where=where)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedDatabaseError(
            "is damaged", where=where, remedy="start the node: the index is made anew from files and log"
        )
    return InputOutputError(f"cannot be used ({error})", where=where, remedy="check the disk and its rights")


@contextmanager
def database_errors(where: Path) -> Iterator[None]:
    """Turn each error of SQLite in the block into one line with a remedy and the right exit code."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, where) from error


def connect(path: Path, *, writable: bool, steps: Migrations = migrations) -> Database:
    """Open a database, apply missing migrations where it is writable, and check what it promises.

    Parameters
    ----------
    path : Path
        The file; made where it is missing and writable.
    writable : bool
        Whether to write.
    steps : Migrations
        The migrations of its kind; those of a store unless others are given.

    Raises
    ------
    InputOutputError
        The file is damaged, on a full or read-only disk, or the promises cannot be kept.
    ConfigurationError
        A newer noisewatch made it.
    """
    with database_errors(path):
        connection = _connection(path, writable=writable)
        try:
            _prepare(connection, path, writable=writable)
            db = Database(connection)
            _migrate(db, path, steps, writable=writable)
        except BaseException:
            connection.close()
            raise
    return db


def checkpoint(db: Database) -> bool:
    """Move the write-ahead log into the file and truncate it; tell whether nobody stood in the way."""
    busy, _, _ = db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return int(busy) == 0


def traces(db: Database, path: Path, event_id: str) -> list[str]:
    """Return what a second connection and the bytes of the file still show of an erased event."""
    found = []
    if not checkpoint(db):
        found.append("the write-ahead log: another process is reading the database")
    second = connect(path, writable=False)
    try:
        for table, column in (("events", "id"), ("media", "event_id")):
            if second.table(table).count_where(f"{column} = ?", [event_id]):
                found.append(f"a row of the table {table}")
    finally:
        second.close()
    for part in sorted(path.parent.glob(f"{path.name}*")):
        if event_id.encode() in part.read_bytes():
            found.append(f"bytes of {part.name}")
    return found


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < FULL_BELOW_BYTES
    except OSError:
        return False


def _connection(path: Path, *, writable: bool) -> sqlite3.Connection:
    uri = path.resolve().as_uri()
    if (
        not writable
        and not os.access(path.parent, os.W_OK)
        and not path.with_name(path.name + "-wal").exists()
    ):
        # on a read-only disk SQLite cannot make its shared memory; without a write-ahead log it needs none
        uri += "?immutable=1"
    else:
        uri += "?mode=rwc" if writable else "?mode=ro"
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
    )


def _prepare(connection: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    if not writable:
        return
    promises = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    for name, expected in promises.items():
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != expected:
            raise InputOutputError(f"SQLite does not keep {name}={expected} but {found}", where=path)
    damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise sqlite3.DatabaseError(damage)


def _migrate(db: Database, path: Path, steps: Migrations, *, writable: bool) -> None:
    known = {migration.name for migration in steps.pending(Database(memory=True))}
    stamped = {migration.name for migration in steps.applied(db)}
    if stamped - known:
        raise ConfigurationError("was made by a newer noisewatch", where=path, remedy="upgrade noisewatch")
    if writable:
        steps.apply(db)
        if known - stamped:
            # what a step dropped is overwritten in the file itself
            checkpoint(db)
    elif known - stamped:
        raise ConfigurationError(
            "was made by an older noisewatch",
            where=path,
            remedy="start the node once",
        )
