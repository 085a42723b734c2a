"""A trial custody and a node whose store holds one sealed event, made with the real parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_up

from noisewatch.evidence import custody, enrol, jsonform, seal, store
from noisewatch.records import Media

REASON = "complaint of 3 May, technical inspection"
CASE = "PV 2026/114"


@dataclass(frozen=True)
class Place:
    """A node and a custody folder, and the events in the node's store."""

    node: Path
    custody: Path
    event_id: str
    clips: dict[str, bytes] = field(repr=False)

    @property
    def trust(self) -> Path:
        return self.custody / "trust"


def make_place(folder: Path, *, clip: bytes | None = None) -> Place:
    """Make custody and node and seal one event."""
    node, custody_folder = folder / "node", folder / "custody"
    opened = custody.init(custody_folder, trial=True)
    node.mkdir(parents=True)
    enrol.prepare_node(node, custody_folder, name="box-1")
    assert opened.is_trial
    clip = clip or made_up.make_clip()
    original = made_up.make_clip(seed=3)
    event_id = "ev-20260301-0001"
    seal_event(node, opened, event_id=event_id, viewing=clip, original=original)
    return Place(node, custody_folder, event_id, {"viewing": clip, "original": original})


def seal_event(
    node: Path,
    opened: custody.Custody,
    *,
    event_id: str,
    viewing: bytes,
    original: bytes,
    levels: bytes | None = None,
) -> None:
    """Sign and seal one event as the node does."""
    levels = made_up.make_levels() if levels is None else levels
    signer = seal.NodeSigner.from_folder(node / "keys")
    keys = seal.DayKeys.load_bundle(node / "keys" / "bundle.json", opened.authority_pem())
    now = datetime.now(UTC)
    key = keys.for_day(now.date())
    media = tuple(
        Media(name, hashlib.sha256(data).hexdigest(), len(data), {"pascal_per_unit": 20.0})
        for name, data in (("original", original), ("viewing", viewing), ("levels", levels))
    )
    made = made_up.make_record(viewing, levels, event_id=event_id)
    final = replace(
        made,
        calibration={**made.calibration, "record_sha256": put_references(node, signer, now)},
        captured_at=now - timedelta(minutes=5),
        sealed_day=key.day.isoformat(),
        expires_at=now + timedelta(hours=24),
        is_trial=True,
        is_evidence=False,
        not_evidence_because=("trial: throw-away keys and people",),
        media=media,
    )
    pending = replace(final, media_state="pending", media=())
    with store.Store.open(node / "store") as opened_store:
        for record, finish in ((pending, False), (final, True)):
            signed = jsonform.document_to_bytes(jsonform.record_to_document(record))
            sealed_record = seal.seal_record(signed, signer.sign_detached(signed), key)
            if finish:
                sealed = {
                    "original": seal.seal_original(original, key),
                    "viewing": seal.seal_viewing(viewing, key),
                    "levels": seal.seal_viewing(levels, key),
                }
                opened_store.finish(record, sealed_record, sealed)
            else:
                opened_store.begin(record, sealed_record)


def put_references(node: Path, signer: seal.NodeSigner, now: datetime) -> str:
    """Lay down what a box keeps beside its events; return the hash of its calibration record."""
    folder = node / "signatures" / hashlib.sha256(made_up.SUMS).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    files = {"card.md": made_up.CARD, "signature.toml": made_up.SETTINGS, "SHA256SUMS": made_up.SUMS}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    calibration = made_up.make_calibration(now)
    (node / "calibration").mkdir(exist_ok=True)
    number = len(list((node / "calibration").glob("*.json"))) + 1
    path = node / "calibration" / f"{number:04d}_{now:%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(calibration)
    path.with_name(f"{path.name}.p7s").write_bytes(signer.sign_detached(calibration))
    return hashlib.sha256(calibration).hexdigest()
