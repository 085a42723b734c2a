"""An event as the store's index knows it, and its row: nothing of what was heard, or where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError
from noisewatch.evidence.jsonform import utc_moment, utc_text
from noisewatch.records import EventRecord

#: Sealed media of an event, and its sealed record; each lies in the event's folder as NAME.age.
PARTS = ("original", "viewing", "levels")
RECORD = "event"
FILES = (*PARTS, RECORD)

#: States of an event whose original is durable: "original" has no viewing copy, or not yet.
SEALED_STATES = ("original", "sealed")

#: Ten seconds of the largest picture we take are some 20 MB.
MAX_PART_BYTES = 512 * 1024 * 1024

#: No path can be made of these characters, and no name that a file system treats in a way of its own.
ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{3,63}")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as the index knows it; ``folder`` holds its sealed files."""

    id: str
    state: str
    sealed_day: date
    sealed_at: datetime
    expires_at: datetime
    is_trial: bool
    folder: Path

    @property
    def is_sealed(self) -> bool:
        """Whether its original is sealed and durable, with or without a viewing copy."""
        return self.state in SEALED_STATES

    def path(self, name: str) -> Path:
        """Return where one of ``FILES`` lies."""
        return self.folder / f"{name}.age"


def check_id(event_id: str) -> str:
    """Return an event's id, or refuse one that is not: ``InputError``.

    Examples
    --------
    >>> check_id("20260301-120000-a1b2")
    '20260301-120000-a1b2'
    >>> check_id("../x")
    Traceback (most recent call last):
    noisewatch.errors.InputError: '../x' is not an event's id
    """
    if ID.fullmatch(event_id) is None:
        raise InputError(f"{event_id[:64]!r} is not an event's id")
    return event_id


def folder_of(store: Path, *, day: str, event_id: str) -> Path:
    """Return an event's folder."""
    # one path of one text: ten thousand of them are made for a list
    return Path(f"{store}/clips/{day}/{event_id}")


def event_of(record: EventRecord, *, store: Path, sealed_at: datetime) -> StoredEvent:
    """Return what the index keeps of a record; ``InputError`` where its id or day is not one."""
    try:
        day = date.fromisoformat(record.sealed_day)
    except ValueError as error:
        raise InputError(f"sealed_day {record.sealed_day!r} is not a day", where=record.event.id) from error
    return StoredEvent(
        id=check_id(record.event.id),
        state=record.media_state,
        sealed_day=day,
        sealed_at=sealed_at.astimezone(UTC),
        expires_at=record.expires_at.astimezone(UTC),
        is_trial=record.is_trial,
        folder=folder_of(store, day=day.isoformat(), event_id=record.event.id),
    )


def row_of(event: StoredEvent) -> dict[str, Any]:
    """Return an event's row."""
    return {
        "id": event.id,
        "state": event.state,
        "sealed_day": event.sealed_day.isoformat(),
        "sealed_at": utc_text(event.sealed_at),
        "expires_at": utc_text(event.expires_at),
        "is_trial": int(event.is_trial),
    }


def event_from_row(row: Mapping[str, Any], *, store: Path) -> StoredEvent:
    """Return the event of a row, with the earlier of the two moments of sealing that are known."""
    sealed_at = utc_moment(row["sealed_at"])
    if row["sealed_no_later_than"] is not None:
        sealed_at = min(sealed_at, utc_moment(row["sealed_no_later_than"]))
    return StoredEvent(
        id=row["id"],
        state=row["state"],
        sealed_day=date.fromisoformat(row["sealed_day"]),
        sealed_at=sealed_at,
        expires_at=utc_moment(row["expires_at"]),
        is_trial=bool(row["is_trial"]),
        folder=folder_of(store, day=row["sealed_day"], event_id=row["id"]),
    )
