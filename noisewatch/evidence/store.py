"""The box's sealed store: ciphertext in folders, an index of it in SQLite; nothing in it can be read here.

::

    store/lock                                   held by the one process that writes
    store/events.db                              index: ids, days, states, hashes
    store/erasing/ID                             an erasure that is not proven yet
    store/clips/YYYY-MM-DD/ID/event.age, original.age, viewing.age, levels.age

``event.age`` is the signed record, sealed for custody's desk: level, place, time and signature stand in it
alone. What is needed to end an event, or to make the index anew, stands in the log too.

An event begins "pending": its signed record is durable before its media is encoded. It becomes "original"
when the original is durable and logged, "sealed" when the viewing copy is too; where that is never made it
stays "original". "lost" says that a crash or fault came between, "none" that there is no media to keep.
Recovery at each start leaves nothing else.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import (
    ConfigurationError,
    InputError,
    InputOutputError,
    NoisewatchError,
)
from noisewatch.evidence import database, history, jsonform
from noisewatch.evidence.durable import (
    fsync_folder,
    is_temporary,
    make_folder,
    remove_durably,
    remove_folder,
    storage_errors,
    take_lock,
    write_atomic,
)
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.seal import NodeSigner, SealedRecord
from noisewatch.evidence.stored import (
    PARTS,
    RECORD,
    SEALED_STATES,
    StoredEvent,
    check_id,
    event_of,
    row_of,
)
from noisewatch.evidence.storeindex import StoreIndex, sha256_hex
from noisewatch.records import EventRecord, LogEntry

_LOST_IN_CRASH = "media lost: the box stopped before the clip was sealed"
_VIEWING_LOST_IN_CRASH = "viewing copy lost: the box stopped before it was sealed"


class Store(StoreIndex):
    """A store; made by ``create`` or ``open``, closed by ``close`` or at the end of a ``with`` block.

    Its methods may be called from several threads; one process writes at a time.
    """

    @classmethod
    def create(cls, folder: Path) -> None:
        """Make an empty store; ``ConfigurationError`` where there is one already."""
        if (folder / "events.db").exists():
            raise ConfigurationError("holds a store already", where=folder)
        for part in ("clips", "erasing"):
            make_folder(folder / part)
        write_atomic(folder / "lock", b"")
        database.connect(folder / "events.db", writable=True).close()
        (folder / "events.db").chmod(0o600)
        fsync_folder(folder)

    @classmethod
    def open(cls, folder: Path, *, writable: bool = True, log: EventLog | None = None) -> Store:
        """Open a store and, for writing, recover from whatever ended the last run.

        Parameters
        ----------
        folder : Path
            The store's folder.
        writable : bool
            Whether to write. Any number of processes may read meanwhile.
        log : EventLog, optional
            The node's log; otherwise ``../log/node.jsonl`` with the key in ``../keys``.

        Raises
        ------
        ConfigurationError
            There is no store, or a newer noisewatch made it.
        TryAgainError
            Another process writes to it.
        InputOutputError
            The disk is full, read-only or damaged.
        """
        with storage_errors(folder):
            # the lock is made with a store and never removed: where the index alone is gone, it is made anew
            is_store = (folder / "events.db").is_file() or (writable and (folder / "lock").is_file())
        if not is_store:
            raise ConfigurationError("holds no store", where=folder, remedy="run: noisewatch init NODE …")
        if not writable:
            return cls(folder, database.connect(folder / "events.db", writable=False), lock=None, log=None)
        lock = take_lock(folder / "lock")
        try:
            if log is None:
                signer = NodeSigner.from_folder(folder.parent / "keys")
                log = EventLog.open(folder.parent / "log" / "node.jsonl", signer=signer)
            store = cls(folder, _index_of(folder, log), lock=lock, log=log)
        except BaseException:
            os.close(lock)
            raise
        try:
            store.recover()
        except BaseException:
            store.close()
            raise
        return store

    def begin(
        self, record: EventRecord, sealed_record: SealedRecord, *, sealed_at: datetime | None = None
    ) -> None:
        """Store a signed record durably before its media is made, or one that has no media ("none").

        Parameters
        ----------
        record : EventRecord
            What the record says; only its id, state, day, end and whether it is a trial are taken from it.
        sealed_record : SealedRecord
            The record and its signature, as ``seal.seal_record`` seals them.
        sealed_at : datetime, optional
            The moment.

        Raises
        ------
        InputError
            The event's id, state or day is not one, or the id is stored already.
        InputOutputError
            The disk is full, read-only or broken; nothing of the event is left.
        """
        sealed_at = sealed_at or datetime.now(UTC)
        event = event_of(record, store=self.folder, sealed_at=sealed_at)
        if record.media_state not in ("pending", "none"):
            raise InputError(f"an event cannot begin as {record.media_state}", where=event.id)
        with self._writing():
            if not (self.folder / "clips").is_dir():
                raise InputOutputError("is gone", where=self.folder, remedy="check the disk it lies on")
            if event.folder.exists() or self._row(event.id) is not None:
                raise InputError("is stored already", where=event.id)
            try:
                make_folder(event.folder)
                write_atomic(event.path(RECORD), sealed_record.ciphertext)
                self._insert(event, sealed_record.ciphertext)
                details = self._about(event.state, {RECORD: sealed_record.ciphertext}, sealed_record)
                self._note("collection", event.id, "signature matched", details | history.beginning(event))
            except (NoisewatchError, sqlite3.Error):
                with suppress(NoisewatchError, sqlite3.Error):
                    self._forget(event)
                    # its beginning may stand in the log already, where only the checkpoint failed
                    self._note("erasure", event.id, "an event that could not begin was removed", {})
                raise

    def finish(
        self,
        record: EventRecord,
        sealed_record: SealedRecord,
        sealed: Mapping[str, bytes],
        *,
        more_to_come: bool = False,
    ) -> None:
        """Store ciphertext and the record that tells of it; after this both survive anything.

        Parameters
        ----------
        record, sealed_record : EventRecord, SealedRecord
            As in ``begin``. The record's ``media_state`` becomes the event's: "original" without a viewing
            copy, else "sealed".
        sealed : mapping of str to bytes
            Ciphertext that is new: of "original", "levels", "viewing".
        more_to_come : bool
            The viewing copy is still being made: should that end, this record is the one that stays.

        Raises
        ------
        MissingInputError
            The event did not begin.
        InputOutputError
            The disk is full, read-only or broken; what was sealed before stays, else the event is "lost" and
            none of its media is left.
        """
        unknown = sorted(set(sealed) - set(PARTS))
        if unknown or record.media_state not in SEALED_STATES:
            raise InputError(
                f"cannot be sealed as {record.media_state} with {unknown}", where=record.event.id
            )
        with self._writing():
            event = self.get(record.event.id)
            if event.state not in ("pending", "original"):
                raise InputError(f"is {event.state}, not pending", where=event.id)
            try:
                self._write_sealed(event, sealed_record, sealed, state=record.media_state)
            except (NoisewatchError, sqlite3.Error) as error:
                why = getattr(error, "what", "the database failed")
                with suppress(NoisewatchError, sqlite3.Error):
                    if event.state == "original":
                        self._keep_original(event, f"viewing copy lost: {why}")
                    else:
                        self.lose(event.id, f"media lost: {why}")
                raise
            self._set_state(
                event.id, record.media_state, former=sealed_record.ciphertext if more_to_come else None
            )

    def lose(self, event_id: str, why: str) -> None:
        """Give up a pending event's media: its record of the beginning stays, every ciphertext goes."""
        with self._writing():
            event = self.get(event_id)
            for part in PARTS:
                remove_durably(event.path(part))
            kept = self._take_back(event)
            # where the box stopped before the beginning was logged, this entry tells of it
            self._note("alteration", event_id, why, self._about("lost", kept) | history.beginning(event))
            self._db.table("media").delete_where("event_id = ? and name <> ?", [event_id, RECORD])
            self._set_state(event_id, "lost")

    def replace_record(self, event_id: str, sealed_record: SealedRecord, why: str) -> None:
        """Put another sealed form of the same record in the place of what is there, and log why."""
        with self._writing():
            event = self.get(event_id)
            files = {RECORD: sealed_record.ciphertext}
            write_atomic(event.path(RECORD), sealed_record.ciphertext)
            self._name_files(event.id, files)
            details = self._about(event.state, files, sealed_record) | history.beginning(event)
            self._note("alteration", event.id, why, details)

    def recover(self) -> tuple[str, ...]:
        """Bring a store that was stopped anywhere back to a whole state; return who lost media."""
        with self._writing(), storage_errors(self.folder):
            for path in sorted(self.folder.rglob("*")):
                if is_temporary(path):
                    remove_durably(path)
            self._take_in()
            lost = [event.id for event in self.list(state="pending")]
            for event_id in lost:
                self.lose(event_id, _LOST_IN_CRASH)
            for event in self.list(state="original"):
                if (self._row(event.id) or {}).get("former_record"):
                    self._keep_original(event, _VIEWING_LOST_IN_CRASH)
            return tuple(lost)

    def erase(self, event_id: str) -> None:
        """Remove an event's files, then its row, and let nothing of it stay in the database file."""
        with self._writing():
            event = self.get(event_id)
            write_atomic(self.folder / "erasing" / event_id, b"")
            self._forget(event)

    def proven(self, event_id: str) -> None:
        """Forget that an erasure was under way."""
        with self._writing():
            remove_durably(self.folder / "erasing" / check_id(event_id))

    def traces_of(self, event_id: str) -> tuple[str, ...]:
        """Return what is still there of an event: looked for on disk and through a second connection."""
        with self._writing(), storage_errors(self.folder):
            files = [str(path) for path in sorted((self.folder / "clips").glob(f"*/{check_id(event_id)}"))]
            return (*files, *database.traces(self._db, self.folder / "events.db", event_id))

    def keep_state(self, key: str, document: Mapping[str, Any]) -> None:
        """Keep a small document with the store, such as the floor of the retention clock."""
        value = jsonform.document_to_bytes(document).decode()
        with self._writing():
            self._db.table("state").insert({"key": key, "value": value}, pk="key", replace=True)

    def bound_sealing(self, event_id: str, moment: datetime) -> None:
        """Note that an event was sealed by this moment at the latest, whatever its clock said."""
        values = {"sealed_no_later_than": jsonform.utc_text(moment)}
        with self._writing():
            self._db.table("events").update(event_id, values)

    def _take_in(self) -> None:
        """Put events whose rows were lost back into the index; remove what had not begun."""
        known = {event.folder for event in self.list()}
        erasing = {path.name for path in (self.folder / "erasing").iterdir()}
        strangers = [
            folder
            for folder in sorted((self.folder / "clips").glob("*/*"))
            if folder not in known and folder.name not in erasing
        ]
        said = history.of_rows(self._entries()) if strangers else {}
        for folder in strangers:
            one = said.get(folder.name)
            event = None if one is None or one.erased else history.event_of(one, folder, store=self.folder)
            if one is None or event is None:
                remove_folder(folder)
                self._note("erasure", folder.name[:64], "an event that had not begun was removed", {})
                continue
            self._db.table("events").insert(row_of(event))
            self._db.table("media").insert_all(history.media_of(one, event))
            self._note("alteration", event.id, "the index was made anew from files and log", {})

    def _insert(self, event: StoredEvent, ciphertext: bytes) -> None:
        # kept until the event is sealed, so that a crash while the record is replaced can be undone
        kept = {"former_record": ciphertext} if event.state == "pending" else {}
        self._db.table("events").insert({**row_of(event), **kept})
        self._name_files(event.id, {RECORD: ciphertext})

    def _write_sealed(
        self, event: StoredEvent, sealed_record: SealedRecord, sealed: Mapping[str, bytes], *, state: str
    ) -> None:
        files = {**sealed, RECORD: sealed_record.ciphertext}
        for name, data in files.items():
            write_atomic(event.path(name), data)
        self._name_files(event.id, files)
        what = "media sealed" if sealed else "no viewing copy is made"
        self._note("collection", event.id, what, self._about(state, files, sealed_record))

    def _keep_original(self, event: StoredEvent, why: str) -> None:
        """Go back to the record that names original and levels only; every trace of a viewing copy goes."""
        remove_durably(event.path("viewing"))
        kept = self._take_back(event)
        self._note("alteration", event.id, why, self._about("original", kept))
        self._db.table("media").delete_where("event_id = ? and name = 'viewing'", [event.id])
        self._set_state(event.id, "original")

    def _take_back(self, event: StoredEvent) -> dict[str, bytes]:
        """Lay the former record back, where one is kept; return it."""
        former = (self._row(event.id) or {}).get("former_record")
        if not former:
            return {}
        write_atomic(event.path(RECORD), former)
        self._name_files(event.id, {RECORD: former})
        return {RECORD: former}

    def _name_files(self, event_id: str, files: Mapping[str, bytes]) -> None:
        rows = [
            {"event_id": event_id, "name": name, "sha256": sha256_hex(data), "size_bytes": len(data)}
            for name, data in files.items()
        ]
        # sqlite-utils' upsert tries a table of its own first; where the disk is full just then, it loses rows
        self._db.table("media").insert_all(rows, pk=("event_id", "name"), replace=True)

    @staticmethod
    def _about(
        state: str, files: Mapping[str, bytes], sealed_record: SealedRecord | None = None
    ) -> dict[str, Any]:
        """Return what the log says of files: hashes; that of the record's clear bytes is for a package."""
        said: dict[str, Any] = {
            "state": state,
            "ciphertext_sha256": {name: sha256_hex(data) for name, data in files.items()},
        }
        return said if sealed_record is None else said | {"record_sha256": sealed_record.record_sha256}

    def _set_state(self, event_id: str, state: str, *, former: bytes | None = None) -> None:
        self._db.table("events").update(event_id, {"state": state, "former_record": former})

    def _forget(self, event: StoredEvent) -> None:
        """Remove files, then row: a crash between leaves a row, and the next erasure finishes."""
        remove_folder(event.folder)
        self._db.table("events").delete_where("id = ?", [event.id])
        database.checkpoint(self._db)


def _index_of(folder: Path, log: EventLog) -> database.Database:
    """Open the index; where it is gone or damaged lay it aside empty, for recovery to fill from the log.

    The log tells of it before anything is removed. What only the index knew is lost with it: the floor of the
    retention clock, and the seconds heard since these were last logged.
    """
    path = folder / "events.db"
    why = "the index was gone: it is made anew from files and log"
    if path.is_file():
        try:
            return database.connect(path, writable=True)
        except database.DamagedDatabaseError:
            why = "the index was damaged: it is made anew from files and log"
    log.append(LogEntry("noisewatch", "alteration", path.name, why, datetime.now(UTC), {}))
    for left in sorted(folder.glob(f"{path.name}*")):
        remove_durably(left)
    db = database.connect(path, writable=True)
    path.chmod(0o600)
    fsync_folder(folder)
    return db
