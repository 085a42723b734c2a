"""The half of a store that reads: its index, its parts, and the guard that lets one thread write."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from noisewatch.errors import InputError, InputOutputError, MissingInputError
from noisewatch.evidence import database, jsonform
from noisewatch.evidence.durable import read_bounded, storage_errors
from noisewatch.evidence.log import EventLog, LogRow
from noisewatch.evidence.stored import (
    FILES,
    MAX_PART_BYTES,
    RECORD,
    StoredEvent,
    check_id,
    event_from_row,
)
from noisewatch.records import LogEntry


class StoreIndex:
    """What is known of the events of a store; ``Store`` adds what changes them."""

    def __init__(
        self, folder: Path, db: database.Database, *, lock: int | None, log: EventLog | None
    ) -> None:
        self.folder = folder
        self._db = db
        self._lock = lock
        self._log = log
        self._guard = threading.RLock()

    def close(self) -> None:
        """Close the database and let another process have the store."""
        with self._guard:
            self._db.close()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def get(self, event_id: str) -> StoredEvent:
        """Return one event; ``MissingInputError`` where there is none."""
        with self._guard, self._database_errors():
            row = self._row(event_id)
        if row is None:
            raise MissingInputError("there is no such event", where=event_id[:64])
        return event_from_row(row, store=self.folder)

    def read(self, event_id: str, name: str) -> bytes:
        """Return the ciphertext of a part, or of the record ("event"), after its hash was compared.

        Raises
        ------
        MissingInputError
            There is no such event or part.
        InputError
            The ciphertext is not the one that was stored.
        """
        event = self.get(event_id)
        if name not in FILES:
            raise MissingInputError(f"an event has no part {name[:40]!r}", where=event_id)
        if name == "viewing" and event.state == "original":
            raise MissingInputError(
                "has no viewing copy; its record says why",
                where=event_id,
                remedy="a supervisor can approve its original: noisewatch clips approve",
            )
        data = read_bounded(event.path(name), max_bytes=MAX_PART_BYTES)
        with self._guard, self._database_errors():
            rows = list(self._db.table("media").rows_where("event_id = ? and name = ?", [event_id, name]))
        if not rows or rows[0]["sha256"] != sha256_hex(data):
            raise InputError("is not the ciphertext that was stored", where=event.path(name))
        return data

    def record_hashes(self) -> dict[str, str]:
        """Return the hash of each event's sealed record, by the event's id."""
        with self._guard, self._database_errors():
            rows = self._db.table("media").rows_where("name = ?", [RECORD])
            return {row["event_id"]: row["sha256"] for row in rows}

    def unproven(self) -> tuple[str, ...]:
        """Return the ids of erasures that were begun but not proven."""
        with storage_errors(self.folder):
            return tuple(sorted(path.name for path in (self.folder / "erasing").iterdir()))

    def state(self, key: str) -> Mapping[str, Any] | None:
        """Return a small document that was kept with ``keep_state``, or None."""
        with self._guard, self._database_errors():
            rows = list(self._db.table("state").rows_where("key = ?", [key]))
        return jsonform.bytes_to_document(rows[0]["value"].encode(), where="state") if rows else None

    def list(self, *, state: str | None = None) -> tuple[StoredEvent, ...]:
        """Return the events, or those of one state, in the order in which they were sealed."""
        condition, values = (None, []) if state is None else ("state = ?", [state])
        with self._guard, self._database_errors():
            rows = self._db.table("events").rows_where(condition, values, order_by="sealed_at, id")
            return tuple(event_from_row(row, store=self.folder) for row in rows)

    def _row(self, event_id: str) -> dict[str, Any] | None:
        rows = self._db.table("events").rows_where("id = ?", [check_id(event_id)])
        return next(iter(rows), None)

    def _note(self, action: str, target: str, why: str, details: Mapping[str, Any]) -> None:
        if self._log is None:
            raise InputOutputError("was opened for reading only", where=self.folder)
        self._log.append(LogEntry("noisewatch", action, target, why, datetime.now(UTC), details))

    def _entries(self) -> Iterator[LogRow]:
        """Yield what the log says so far."""
        return iter(()) if self._log is None else self._log.entries()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let one thread write, and only in a store that was opened for it: readers remove nothing."""
        if self._lock is None:
            raise InputOutputError("was opened for reading only", where=self.folder)
        with self._guard, self._database_errors():
            yield

    @contextmanager
    def _database_errors(self) -> Iterator[None]:
        with database.database_errors(self.folder / "events.db"):
            yield


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of data in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
