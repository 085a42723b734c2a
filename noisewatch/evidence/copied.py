"""The index of a copy that was pulled from a box: made anew from the box's log and the files that came.

It is the file that ``Store.open`` reads, in one piece (no write-ahead log), and it appears by a rename: who
reads the former one meanwhile goes on reading it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from noisewatch.evidence import database, history, retention
from noisewatch.evidence.durable import (
    fsync_folder,
    make_folder,
    read_bounded,
    remove_durably,
    storage_errors,
    write_atomic,
)
from noisewatch.evidence.history import Said
from noisewatch.evidence.seal import start_of_day
from noisewatch.evidence.stored import MAX_PART_BYTES, RECORD, StoredEvent, row_of


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


def has_ended(folder: Path, said: Said | None, *, now: datetime) -> bool:
    """Tell whether an event's time is over, as the box's log says; where it is silent, its day says."""
    try:
        day = date.fromisoformat(folder.parent.name)
    except ValueError:
        return False
    limit = retention.expires_at(day, is_trial=False, sealed_at=start_of_day(day))
    promised = None if said is None else said.expires_at
    return now >= (limit if promised is None else min(limit, promised))


def _events(store: Path, said: Mapping[str, Said]) -> Iterator[tuple[StoredEvent, list[dict[str, Any]]]]:
    for folder in sorted((store / "clips").glob("*/*")):
        one = said.get(folder.name)
        event = None if one is None else history.event_of(one, folder, store=store)
        if one is None or event is None:
            continue
        data = read_bounded(event.path(RECORD), max_bytes=MAX_PART_BYTES)
        if hashlib.sha256(data).hexdigest() == one.ciphertext[RECORD]:
            yield event, history.media_of(one, event)
