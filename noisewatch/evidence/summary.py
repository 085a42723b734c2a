"""An event in a few plain lines: what, where, when, how loud, how it was driven, how long."""

from __future__ import annotations

from datetime import datetime, timedelta

from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord


def summary(record: EventRecord, words: Words) -> list[tuple[str, str]]:
    """Return (label, text) of each line, in the reader's language."""
    event = record.event
    label = words.named("label", event.signature)
    probability = words.number(min(100 * event.probability, 99), 0)
    moment = peak_moment(record)
    length_s, clip_s = words.number(event.end_s - event.onset_s), words.number(record.clip.duration_s, 3)
    return [
        (words("what"), words("what_value", label=label, probability=probability)),
        (words("where"), _site(record)),
        (words("when"), words("when_value", local=words.date(moment), utc=words.utc(moment))),
        (words("how_loud"), "\n".join(how_loud(record, words))),
        (words("behaviour"), words.named("behaviour", event.behaviour)),
        (words("how_long"), words("how_long_value", seconds=length_s, clip=clip_s)),
    ]


def how_loud(record: EventRecord, words: Words) -> list[str]:
    """Return how loud it was: the level, then its 95 % interval or that it is only indicative."""
    event = record.event
    lines = [words("loud_value", level=words.number(event.lafmax_db))]
    uncertainty_db = event.expanded_uncertainty_db
    if uncertainty_db is None or record.calibration.get("indicative"):
        return [*lines, words("indicative")]
    low, high = event.lafmax_db - uncertainty_db, event.lafmax_db + uncertainty_db
    return [*lines, words("interval", low=words.number(low), high=words.number(high))]


def _site(record: EventRecord) -> str:
    names = [str(record.site.get(key) or "") for key in ("name", "street", "municipality", "node")]
    return ", ".join(dict.fromkeys(name for name in names if name))


def peak_moment(record: EventRecord) -> datetime:
    """Return the loudest moment in UTC."""
    return record.captured_at + timedelta(seconds=record.event.peak_s - record.clip.start_s)
