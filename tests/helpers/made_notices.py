"""An event, an hour and a sender for tests of what is told to a broker."""

from __future__ import annotations

from datetime import datetime

from noisewatch.node.hours import Hour
from noisewatch.node.notices import Sender
from noisewatch.records import Event

SENDER = Sender("node-01", "Stalenstraat", "Stalenstraat", (50.9653, 5.5005), is_calibrated=True)


def made_event(number: int = 0) -> Event:
    """One exhaust; each number gives another id."""
    return Event(
        id=f"20260504-100203-{number:08x}",
        onset_sample=48_000 * (123 + number),
        peak_sample=48_000 * (125 + number),
        end_sample=48_000 * (128 + number),
        rate_hz=48_000,
        lafmax_db=91.234,
        laeq_db=84.0,
        lcpeak_db=110.0,
        signature="exhaust",
        version="0.5.0",
        signature_sha256="0" * 64,
        probability=0.97531,
        windows=(),
        why="level and signature",
        behaviour="accelerating",
    )


def made_hour(start: datetime) -> Hour:
    """One hour of an ordinary street."""
    return Hour(
        start, 3600.0, 61.23, 68.0, 91.2, 64.0, 48.0, is_calibrated=True, counts={"car": 400, "exhaust": 9}
    )
