"""What a box's log says of each event: enough to make the index anew, without opening a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError
from noisewatch.evidence.jsonform import utc_moment, utc_text
from noisewatch.evidence.log import LogRow
from noisewatch.evidence.seal import start_of_day
from noisewatch.evidence.stored import FILES, ID, PARTS, RECORD, SEALED_STATES, StoredEvent, folder_of

#: Retention's own rule may end it before.
_LONGEST_LIFE = timedelta(days=30)
_EVENT_ACTIONS = ("collection", "alteration", "erasure")


@dataclass(slots=True)
class Said:
    """What a log says of one event; ``ciphertext`` holds the hash of each file as it should be now."""

    begun_at: datetime
    state: str = "pending"
    ciphertext: dict[str, str] = field(default_factory=dict)
    erased: bool = False
    sealed_at: datetime | None = None
    expires_at: datetime | None = None
    is_trial: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files: sealed parts, then the record, so that with the record all is there."""
        kept = [part for part in PARTS if part in self.ciphertext] if self.state in SEALED_STATES else []
        if self.state == "original":
            kept = [part for part in kept if part != "viewing"]
        return (*kept, RECORD)


def beginning(event: StoredEvent) -> dict[str, Any]:
    """Return what the entry of an event's beginning says for a later index; no level, place or signature."""
    return {
        "sealed_at": utc_text(event.sealed_at),
        "expires_at": utc_text(event.expires_at),
        "trial": event.is_trial,
    }


def of_rows(rows: Iterable[LogRow]) -> dict[str, Said]:
    """Return what a log's entries say of each event, by id.

    Raises
    ------
    InputError
        An entry names a time that is none.
    """
    found: dict[str, Said] = {}
    for row in rows:
        entry = row.entry
        if ID.fullmatch(entry.target) is None or entry.action not in _EVENT_ACTIONS:
            continue
        is_beginning = entry.action == "collection" or "sealed_at" in entry.details
        if not is_beginning and entry.target not in found:
            continue
        one = found.setdefault(entry.target, Said(entry.at))
        _add(one, entry.details)
        # an entry about an event after its erasure tells that it is there again
        one.erased = entry.action == "erasure"
    return found


def event_of(said: Said, folder: Path, *, store: Path) -> StoredEvent | None:
    """Return the event of a folder as the log tells of it; None where no whole event lies there.

    Where the log of an older noisewatch does not say when it ends, its day does.
    """
    try:
        day = date.fromisoformat(folder.parent.name)
    except ValueError:
        return None
    sealed_at = said.sealed_at or said.begun_at
    latest = start_of_day(day) + _LONGEST_LIFE
    event = StoredEvent(
        id=folder.name,
        state=said.state,
        sealed_day=day,
        sealed_at=sealed_at,
        expires_at=latest if said.expires_at is None else said.expires_at,
        is_trial=said.is_trial,
        folder=folder_of(store, day=day.isoformat(), event_id=folder.name),
    )
    is_whole = all(name in said.ciphertext and event.path(name).is_file() for name in said.files)
    return event if is_whole and event.folder == folder else None


def media_of(said: Said, event: StoredEvent) -> list[dict[str, Any]]:
    """Return the index's rows of an event's files."""
    return [
        {
            "event_id": event.id,
            "name": name,
            "sha256": said.ciphertext[name],
            "size_bytes": event.path(name).stat().st_size,
        }
        for name in said.files
    ]


def _add(one: Said, details: Mapping[str, Any]) -> None:
    state, hashes = details.get("state"), details.get("ciphertext_sha256")
    if isinstance(state, str):
        one.state = state
    if isinstance(hashes, Mapping):
        one.ciphertext.update({name: str(hashes[name]) for name in FILES if name in hashes})
    for name in ("sealed_at", "expires_at"):
        moment = details.get(name)
        if moment is not None:
            if not isinstance(moment, str):
                raise InputError(f"key {name}: is not a time", where="log")
            setattr(one, name, utc_moment(moment))
    if isinstance(details.get("trial"), bool):
        one.is_trial = details["trial"]
