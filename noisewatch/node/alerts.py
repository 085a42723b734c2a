"""Whom to wake, and when: what lasts is told once, again after a day, and once more when it is over; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

#: What an alert may be about, and how long it must last before anybody is told, in seconds.
HOLD_S: Mapping[str, float] = MappingProxyType(
    {
        "deaf": 30.0,
        "blind": 60.0,
        "failed": 0.0,
        "uncalibrated": 600.0,
        "unsynchronised": 600.0,
        "disk": 60.0,
        "clock": 900.0,
        "keys": 0.0,
        "retention": 3600.0,
        "refusals": 0.0,
        "denied": 0.0,
        "flood": 0.0,
        "camera": 600.0,
        "microphone": 600.0,
        "late": 60.0,
        "broker": 3600.0,
        "hot": 600.0,
        "channel": 3600.0,
    }
)
DAY_S = 86_400.0
_DEFAULT_HOLD_S = 60.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One message: what it is about, in a sentence, and whether it is over."""

    kind: str
    sentence: str
    is_over: bool = False

    def document(self, *, node: str, site: str, at: str) -> dict[str, Any]:
        """Return the alert as hooks and the broker get it; nothing of sound or picture is in it."""
        return {
            "node": node,
            "site": site,
            "at": at,
            "kind": self.kind,
            "state": "over" if self.is_over else "open",
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one condition: since when it holds or is gone, and when somebody was told."""

    sentence: str
    since_s: float
    told_s: float | None = None
    gone_s: float | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """All conditions that hold, or ended only just now."""

    known: Mapping[str, Known] = field(default_factory=dict)


def decide(
    book: Book, conditions: Mapping[str, str], *, now_s: float, repeat_s: float = DAY_S
) -> tuple[Book, tuple[Alert, ...]]:
    """Return what is known now, and who must be told what.

    Parameters
    ----------
    book : Book
        What was known.
    conditions : mapping of str to str
        What is wrong now: kind and sentence.
    now_s : float
        Monotonic time.
    repeat_s : float
        After which time an open alert is told again.

    Examples
    --------
    >>> book, alerts = decide(Book(), {"keys": "5 days of keys are left"}, now_s=0.0)
    >>> [(alert.kind, alert.is_over) for alert in alerts]
    [('keys', False)]
    >>> decide(book, {"keys": "5 days of keys are left"}, now_s=60.0)[1]
    ()
    """
    known: dict[str, Known] = {}
    alerts: list[Alert] = []
    for kind in sorted({*book.known, *conditions}):
        kept, alert = _judge(
            book.known.get(kind), conditions.get(kind), kind=kind, now_s=now_s, repeat_s=repeat_s
        )
        if kept is not None:
            known[kind] = kept
        if alert is not None:
            alerts.append(alert)
    return Book(known), tuple(alerts)


def _judge(
    known: Known | None, sentence: str | None, *, kind: str, now_s: float, repeat_s: float
) -> tuple[Known | None, Alert | None]:
    hold_s = HOLD_S.get(kind, _DEFAULT_HOLD_S)
    if sentence is None:
        return (None, None) if known is None else _gone(known, kind=kind, now_s=now_s, hold_s=hold_s)
    known = Known(sentence, now_s) if known is None else replace(known, sentence=sentence, gone_s=None)
    is_due = known.told_s is None or now_s - known.told_s >= repeat_s
    if is_due and now_s - known.since_s >= hold_s:
        return replace(known, told_s=now_s), Alert(kind, sentence)
    return known, None


def _gone(known: Known, *, kind: str, now_s: float, hold_s: float) -> tuple[Known | None, Alert | None]:
    """Say that it is over once it stayed away as long as it had to last: what flickers is one alert."""
    if known.told_s is None:
        return None, None
    gone_s = now_s if known.gone_s is None else known.gone_s
    if now_s - gone_s < hold_s:
        return replace(known, gone_s=gone_s), None
    return None, Alert(kind, f"over: {known.sentence}", is_over=True)
