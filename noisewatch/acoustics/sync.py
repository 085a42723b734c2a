"""What a measured audio-video offset says, and whether it still holds. Pure: no file, no clock.

A camera's picture is placed on the street either by its time of arrival or by the camera's own clock (RTCP
sender reports), and the offset differs between the two; a record holds one for each that was there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from noisewatch.errors import InputError

SCHEMA = "noisewatch-sync-1"
#: After this many days a measured offset is stale (configurable).
MAX_AGE_DAYS = 30.0
#: Error of sound against picture after correction that a clip may have (design section 10).
LIMIT_S = 0.020
_CLOCK_TOLERANCE = timedelta(minutes=5)

Basis = Literal["arrival", "camera"]
BASES: tuple[Basis, ...] = ("camera", "arrival")
StateName = Literal["valid", "stale", "doubtful", "missing", "not needed"]


@dataclass(frozen=True, slots=True)
class MeasuredOffset:
    """How much later a picture comes than its sound, as a row of claps gave it; seconds."""

    offset_s: float
    bound_s: float
    spread_s: float
    claps: int
    agreeing: int


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """One measurement of the chain, as signed. ``sha256`` is the hash of the signed bytes.

    ``kind`` is "calibration", or "self-check" where the run itself looked at its lamp at night; then the
    offsets are what was left after correction.
    """

    who: str
    when: datetime
    camera: str
    microphone: str
    distance_m: float
    offsets: Mapping[str, MeasuredOffset]
    note: str = ""
    kind: str = "calibration"
    previous_sha256: str | None = None
    schema: str = SCHEMA
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class SyncState:
    """Whether the audio-video offset of a run stands on a measurement, and on which."""

    name: StateName
    sentence: str
    offsets: Mapping[str, MeasuredOffset]
    record_sha256: str | None = None
    measured_at: datetime | None = None
    age_days: float | None = None

    @property
    def is_valid(self) -> bool:
        """True where sound and picture may be relied upon to belong together."""
        return self.name in ("valid", "not needed")

    def as_document(self) -> dict[str, Any]:
        """Return what an event record carries under ``statements.sync``; plain values, UTC with Z."""
        document = asdict(self)
        document["offsets"] = {basis: asdict(offset) for basis, offset in self.offsets.items()}
        if self.measured_at is not None:
            document["measured_at"] = self.measured_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return document


def not_needed() -> SyncState:
    """Return the state of a file: its sound and picture were put together by whoever recorded it."""
    return SyncState("not needed", "sound and picture come from one file", offsets={})


def sync_state(
    records: Sequence[SyncRecord],
    *,
    now: datetime,
    camera: str,
    microphone: str,
    max_age_days: float = MAX_AGE_DAYS,
) -> SyncState:
    """Judge the measurements of a node, oldest first.

    The newest calibration counts. It is "missing" where there is none, or where camera or microphone are
    others than those it was made with; "doubtful" where a later self-check found more than :data:`LIMIT_S`
    left after correction; "stale" where it is too old or from the future.
    """
    made = [record for record in records if record.kind == "calibration"]
    if not made:
        return _missing("the audio-video offset was never measured; run `noisewatch calibrate sync`")
    newest = made[-1]
    for what, then, today in (
        ("camera", newest.camera, camera),
        ("microphone", newest.microphone, microphone),
    ):
        if then != today:
            return _missing(f"the audio-video offset was measured with another {what} ({then})")
    age = now - newest.when
    state = SyncState(
        "valid",
        f"audio-video offset measured {_day(newest.when)}",
        offsets=newest.offsets,
        record_sha256=newest.sha256 or None,
        measured_at=newest.when,
        age_days=age / timedelta(days=1),
    )
    if age < -_CLOCK_TOLERANCE:
        return replace(state, name="stale", sentence=f"{state.sentence}, which is in the future")
    if age > timedelta(days=max_age_days):
        limit = f"{age / timedelta(days=1):.1f} days ago (limit {max_age_days:g} days)"
        return replace(state, name="stale", sentence=f"{state.sentence}, {limit}; measure it again")
    return _checked(state, records[records.index(newest) + 1 :])


def _checked(state: SyncState, later: Sequence[SyncRecord]) -> SyncState:
    """Let the newest self-check after a calibration speak."""
    if not later or not later[-1].offsets:
        return state
    left_s = max(abs(offset.offset_s) for offset in later[-1].offsets.values())
    when = _day(later[-1].when)
    if left_s <= LIMIT_S:
        return replace(state, sentence=f"{state.sentence}; self-check of {when}: {left_s * 1e3:.0f} ms left")
    return replace(
        state,
        name="doubtful",
        sentence=f"the self-check of {when} found {left_s * 1e3:.0f} ms left (limit {LIMIT_S * 1e3:.0f} ms); "
        "run `noisewatch calibrate sync`",
    )


def _missing(sentence: str) -> SyncState:
    return SyncState("missing", sentence, offsets={})


def _day(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def to_document(record: SyncRecord) -> dict[str, Any]:
    """Return a record as it is signed: without its own hash."""
    document = asdict(record)
    del document["sha256"]
    document["offsets"] = {basis: asdict(offset) for basis, offset in record.offsets.items()}
    document["when"] = record.when.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return document


def from_document(document: Mapping[str, Any], *, where: str, sha256: str) -> SyncRecord:
    """Read a record back.

    Raises
    ------
    InputError
        A key is missing, unknown or of the wrong kind; the line names it.
    """
    if document.get("schema") != SCHEMA:
        raise InputError(f"the schema is not {SCHEMA}", where=where)
    try:
        values = dict(document)
        offsets = {
            basis: MeasuredOffset(**{key: _number(value) for key, value in found.items()})
            for basis, found in values.pop("offsets").items()
            if basis in BASES
        }
        when = datetime.fromisoformat(str(values.pop("when")))
        record = SyncRecord(**values, offsets=offsets, when=when, sha256=sha256)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"is no record of an audio-video offset ({error})", where=where) from None
    if record.when.tzinfo is None:
        raise InputError("key when: has no time zone", where=where)
    return record


def _number(value: object) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value
