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
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.stored import MAX_PART_BYTES, PARTS, StoredEvent, check_id, event_from_row
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
        """Return a part's ciphertext, or "event.json" or "event.json.p7s", after its hash was compared.

        Raises
        ------
        MissingInputError
            There is no such event or part.
        InputError
            The ciphertext is not the one that was stored.
        """
        event = self.get(event_id)
        if name == "viewing" and event.state == "original":
            raise MissingInputError(
                "has no viewing copy; its record says why",
                where=event_id,
                remedy="a supervisor can approve its original: noisewatch clips approve",
            )
        data = read_bounded(event.path(name), max_bytes=MAX_PART_BYTES)
        with self._guard, self._database_errors():
            rows = list(self._db.table("media").rows_where("event_id = ? and name = ?", [event_id, name]))
        if name in PARTS and (not rows or rows[0]["sha256"] != sha256_hex(data)):
            raise InputError("is not the ciphertext that was stored", where=event.path(name))
        return data

    def unproven(self) -> tuple[str, ...]:
        """Return the ids of erasures that were begun but not proven."""
        with storage_errors(self.folder):
            return tuple(sorted(path.name for path in (self.folder / "erasing").iterdir()))

    def state(self, key: str) -> Mapping[str, Any] | None:
        """Return a small document that was kept with ``keep_state``, or None."""
        with self._guard, self._database_errors():
            rows = list(self._db.table("state").rows_where("key = ?", [key]))
        return jsonform.bytes_to_document(rows[0]["value"].encode(), where="state") if rows else None

    def list(
        self, *, since: datetime | None = None, until: datetime | None = None, state: str | None = None
    ) -> tuple[StoredEvent, ...]:
        """Return events by time of capture, oldest first; ``until`` itself is left out."""
        conditions = {
            "captured_at >= ?": None if since is None else jsonform.utc_text(since),
            "captured_at < ?": None if until is None else jsonform.utc_text(until),
            "state = ?": state,
        }
        chosen = {text: value for text, value in conditions.items() if value is not None}
        with self._guard, self._database_errors():
            rows = self._db.table("events").rows_where(
                " and ".join(chosen) or None, [*chosen.values()], order_by="captured_at, id"
            )
            return tuple(event_from_row(row, store=self.folder) for row in rows)

    def _row(self, event_id: str) -> dict[str, Any] | None:
        rows = self._db.table("events").rows_where("id = ?", [check_id(event_id)])
        return next(iter(rows), None)

    def _note(self, action: str, target: str, why: str, details: Mapping[str, Any]) -> None:
        if self._log is None:
            raise InputOutputError("was opened for reading only", where=self.folder)
        self._log.append(LogEntry("noisewatch", action, target, why, datetime.now(UTC), details))

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
