"""Made-up events, and a trial custody with a node, for the tests of the evidence room."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from noisewatch.evidence import custody, desk, enrol, jsonform, retention, seal
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.store import Store
from noisewatch.evidence.stored import StoredEvent
from noisewatch.records import ClipWindow, ClockState, Event, EventRecord, LogEntry, Media, ScoredWindow

RATE_HZ = 48000
CLEAR = {"original": b"original" * 900, "viewing": b"viewing" * 700, "levels": b"time_s,laf_db\n0.0,80.5\n"}


def make_record(
    event_id: str = "20261122-120000-a1b2",
    *,
    sealed_at: datetime | None = None,
    state: str = "pending",
    is_trial: bool = True,
    lafmax_db: float = 91.25,
) -> EventRecord:
    """An event record as the node writes it."""
    sealed_at = sealed_at or datetime.now(UTC)
    day = sealed_at.astimezone(UTC).date()
    event = Event(
        id=event_id,
        onset_sample=2 * RATE_HZ,
        peak_sample=4 * RATE_HZ,
        end_sample=6 * RATE_HZ,
        rate_hz=RATE_HZ,
        lafmax_db=lafmax_db,
        laeq_db=84.0,
        lcpeak_db=104.5,
        signature="exhaust",
        version="1",
        signature_sha256="0" * 64,
        probability=0.97,
        windows=(ScoredWindow(3.5, 4.5, 0.97, 91.25, gate=True, vetoed_by=None, match=True),),
        why="level and signature for 1.0 s",
    )
    media = ()
    if state == "sealed":
        media = tuple(
            Media(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in CLEAR.items()
        )
    return EventRecord(
        event=event,
        captured_at=sealed_at - timedelta(seconds=20),
        sealed_day=day.isoformat(),
        expires_at=retention.expires_at(day, is_trial=is_trial, sealed_at=sealed_at),
        site={"name": "Molenstraat"},
        clock=ClockState("file", synchronised=False, bound_s=None),
        clip=ClipWindow(0, 10 * RATE_HZ, 10 * RATE_HZ, RATE_HZ, is_full=True, why="six before, four after"),
        calibration={"state": "none"},
        privacy={"method": "none"},
        losses={"samples": 0, "frames": 0},
        software="noisewatch test",
        is_trial=is_trial,
        is_evidence=state == "sealed",
        not_evidence_because=(),
        media_state=state,
        media=media,
    )


def make_stored(
    event_id: str = "event-1",
    *,
    sealed_at: datetime,
    day: date | None = None,
    is_trial: bool = False,
    expires_at: datetime | None = None,
) -> StoredEvent:
    """An event as the store's index knows it, for the pure plan."""
    day = day or sealed_at.astimezone(UTC).date()
    promised = expires_at or retention.expires_at(day, is_trial=is_trial, sealed_at=sealed_at)
    return StoredEvent(
        id=event_id,
        state="sealed",
        sealed_day=day,
        sealed_at=sealed_at,
        expires_at=promised,
        is_trial=is_trial,
        folder=Path("nowhere"),
    )


@dataclass(frozen=True)
class Bench:
    """A trial custody and a node that it enrolled."""

    custody: custody.Custody
    node: Path

    @property
    def signer(self) -> seal.NodeSigner:
        """The node's signer."""
        return seal.NodeSigner.from_folder(self.node / "keys")

    @cached_property
    def keys(self) -> seal.DayKeys:
        """The node's public day keys."""
        return seal.DayKeys.load_bundle(self.node / "keys" / "bundle.json", self.custody.authority_pem())

    @property
    def log_path(self) -> Path:
        """The node's log."""
        return self.node / "log" / "node.jsonl"

    def log(self) -> EventLog:
        """Open the node's log."""
        return EventLog.open(self.log_path, signer=self.signer)

    def store(self) -> Store:
        """Open the node's store for writing."""
        return Store.open(self.node / "store", log=self.log())

    def sealed(self, record: EventRecord) -> seal.SealedRecord:
        """Sign and seal a record as the node does; of a day beyond the bundle with today's key."""
        signed = jsonform.document_to_bytes(jsonform.record_to_document(record))
        keys = {day.isoformat(): key for day, key in self.keys.days.items()}
        key = keys.get(record.sealed_day, next(iter(keys.values())))
        return seal.seal_record(signed, self.signer.sign_detached(signed), key)

    def opened(self, store: Store, event_id: str) -> tuple[bytes, bytes]:
        """Open an event's record at custody's desk: its canonical bytes and the signature."""
        day = store.get(event_id).sealed_day
        return desk.Desk(self.custody).record(store.read(event_id, "event"), day=day, where=event_id)

    def begin(self, store: Store, record: EventRecord) -> None:
        """Begin an event as the node does."""
        store.begin(record, self.sealed(record))

    def finish(
        self, store: Store, record: EventRecord, *new: str, state: str = "sealed", more_to_come: bool = False
    ) -> None:
        """Seal an event's made-up media to its day: all of it, or in stages only what is ``new``."""
        done = make_record(record.event.id, state="sealed", is_trial=record.is_trial)
        media = tuple(one for one in done.media if state == "sealed" or one.name != "viewing")
        done = replace(
            done,
            sealed_day=record.sealed_day,
            expires_at=record.expires_at,
            captured_at=record.captured_at,
            media_state=state,
            media=media,
        )
        key = self.keys.for_day(date.fromisoformat(record.sealed_day))
        sealed = {
            name: (seal.seal_original if name == "original" else seal.seal_viewing)(CLEAR[name], key)
            for name in new or CLEAR
        }
        store.finish(done, self.sealed(done), sealed, more_to_come=more_to_come)

    def seal_event(self, store: Store, event_id: str = "20261122-120000-a1b2") -> EventRecord:
        """Begin and finish one event."""
        record = make_record(event_id)
        self.begin(store, record)
        self.finish(store, record)
        return record


def make_bench(folder: Path) -> Bench:
    """Make a trial custody and a node in a folder."""
    made = custody.init(folder / "custody", trial=True, days=3)
    enrol.prepare_node(folder / "node", folder / "custody", name="box-1")
    return Bench(made, folder / "node")


def entry(
    who: str = "noisewatch",
    action: str = "collection",
    target: str = "event-1",
    why: str = "signature matched",
) -> LogEntry:
    """A log entry."""
    return LogEntry(who, action, target, why, datetime.now(UTC), {})
