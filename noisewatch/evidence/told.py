"""What a box's records tell, opened at custody's desk: kept in its index, opened once for each ciphertext."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import cms, jsonform, keyring, recordindex
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.desk import Desk
from noisewatch.evidence.recordindex import Row, Told
from noisewatch.evidence.seal import load_certificate
from noisewatch.evidence.store import Store
from noisewatch.evidence.stored import RECORD, StoredEvent


@dataclass(frozen=True, slots=True)
class Listed:
    """An event of a store; ``told`` is None where its record is sealed to us, altered, or its day ended."""

    event: StoredEvent
    told: Told | None = None


def listed(node: Path, custody: Custody | None) -> list[Listed]:
    """Return the events of a box or of its copy, with what their records tell.

    Parameters
    ----------
    node : Path
        The node's folder, or what was pulled from it.
    custody : Custody, optional
        Whose desk opens the records; without it they stay sealed.

    Raises
    ------
    ConfigurationError
        There is no store.
    PermissionRefusedError
        Others can read the keyring.
    """
    with Store.open(node / "store", writable=False) as store:
        events = store.list()
        if custody is None:
            return [Listed(event) for event in events]
        rows = _rows(node, custody, store, events)
    return [Listed(event, rows[event.id].told if event.id in rows else None) for event in events]


def documents(node: Path, custody: Custody) -> Iterator[dict[str, Any]]:
    """Yield the record of each event of a box or its copy, as its box signed it, in the order of sealing.

    Raises
    ------
    InputError
        A record does not open, or was altered.
    MissingInputError
        The keys of its day have ended.
    """
    desk = Desk(custody)
    with Store.open(node / "store", writable=False) as store:
        for event in store.list():
            ciphertext = store.read(event.id, RECORD)
            signed, _ = desk.record(ciphertext, day=event.sealed_day, where=event.id)
            yield jsonform.bytes_to_document(signed, where=event.id)


def name_of(node: Path) -> str:
    """Return the name in a box's certificate, under which custody files what it opened."""
    return cms.common_name(load_certificate(node / "keys" / "node.pem"))


def _rows(node: Path, custody: Custody, store: Store, events: tuple[StoredEvent, ...]) -> Mapping[str, Row]:
    hashes = store.record_hashes()
    name, living = name_of(node), set(keyring.days(custody.keyring))
    with recordindex.opened(custody.folder) as index:
        index.keep_days(living)
        known = index.rows(name)
        index.drop(name, set(known) - {event.id for event in events})
        new = [
            event
            for event in events
            if event.id in hashes and (event.id not in known or known[event.id].sha256 != hashes[event.id])
        ]
        fresh = {row.event_id: row for row in _opened(Desk(custody), store, new, hashes)}
        index.put(name, fresh.values())
    return {**known, **fresh}


def _opened(desk: Desk, store: Store, events: list[StoredEvent], hashes: Mapping[str, str]) -> Iterator[Row]:
    for event in events:
        try:
            ciphertext = store.read(event.id, RECORD)
            signed, _ = desk.record(ciphertext, day=event.sealed_day, where=event.id)
            told = _told(jsonform.bytes_to_document(signed, where=event.id))
        except (InputError, MissingInputError, KeyError, TypeError, ValueError, AttributeError):
            # the list shows nothing of it; who asks for this event is told why
            continue
        yield Row(event.id, event.sealed_day, hashes[event.id], told)


def _told(document: Mapping[str, Any]) -> Told:
    event, site = document["event"], document["site"]
    return Told(
        captured_at=jsonform.utc_moment(document["captured_at"]),
        site=str(site.get("name", "")),
        signature=str(event["signature"]),
        lafmax_db=float(event["lafmax_db"]),
        behaviour=str(event["behaviour"]),
        is_evidence=bool(document["is_evidence"]),
    )
