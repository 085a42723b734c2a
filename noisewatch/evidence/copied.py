"""The index of a copy that was pulled from a box: made anew from the signed records and the box's log.

It is the file that ``Store.open`` reads, in one piece (no write-ahead log), and it appears by a rename: who
reads the former one meanwhile goes on reading it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import database, jsonform
from noisewatch.evidence.durable import (
    fsync_folder,
    make_folder,
    read_bounded,
    remove_durably,
    storage_errors,
    write_atomic,
)
from noisewatch.evidence.stored import StoredEvent, event_of, row_of
from noisewatch.records import EventRecord

if TYPE_CHECKING:
    from noisewatch.evidence.pull import Said


def index(to: Path, said: Mapping[str, Said]) -> int:
    """Make the index of the events that are whole in the copy, and return how many they are."""
    store = to / "store"
    for folder in (store / "clips", store / "erasing"):
        make_folder(folder)
    fresh = store / ".events.db.tmp"
    for left in store.glob(f"{fresh.name}*"):
        remove_durably(left)
    found = list(_events(store, said))
    db = database.connect(fresh, writable=True)
    with database.database_errors(fresh):
        db.table("events").insert_all(row_of(event) for event, _ in found)
        db.table("media").insert_all(row for _, media in found for row in media)
        database.checkpoint(db)
        db.execute("PRAGMA journal_mode=DELETE")
        db.close()
    with storage_errors(fresh):
        fresh.chmod(0o600)
        fresh.rename(store / "events.db")
    fsync_folder(store)
    if not (store / "lock").exists():
        write_atomic(store / "lock", b"")
    return len(found)


def has_ended(folder: Path, *, now: datetime) -> bool:
    """Tell whether the record of an event's folder says that its time is over; what can't be read has not."""
    record = _record(folder)
    return record is not None and now >= record.expires_at


def _events(store: Path, said: Mapping[str, Said]) -> Iterator[tuple[StoredEvent, list[dict[str, Any]]]]:
    for folder in sorted((store / "clips").glob("*/*")):
        one = said.get(folder.name)
        record = _record(folder)
        if one is None or record is None or not all((folder / name).is_file() for name in one.files):
            continue
        digest = hashlib.sha256(read_bounded(folder / "event.json", max_bytes=jsonform.MAX_BYTES)).hexdigest()
        event = replace(event_of(record, store=store, sealed_at=one.begun_at), state=one.state)
        if digest not in one.records or event.folder != folder:
            continue
        parts = [name.removesuffix(".age") for name in one.files if name.endswith(".age")]
        yield (
            event,
            [
                {
                    "event_id": event.id,
                    "name": part,
                    "sha256": one.ciphertext[part],
                    "size_bytes": event.path(part).stat().st_size,
                }
                for part in parts
            ],
        )


def _record(folder: Path) -> EventRecord | None:
    try:
        date.fromisoformat(folder.parent.name)
        data = read_bounded(folder / "event.json", max_bytes=jsonform.MAX_BYTES)
        return jsonform.document_to_record(jsonform.bytes_to_document(data))
    except (InputError, MissingInputError, ValueError):
        return None
