"""Verdicts on the custody machine: ``CUSTODY/verdicts/YYYY-MM-DD-<random>.json``, for twelve months.

Custody's log says who gave a verdict on which event; the verdict itself holds neither id nor time, and its
name and file time tell no more than the day, so that it cannot be led back to a clip that has ended.
"""

from __future__ import annotations

import math
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError, MissingInputError, UsageError
from noisewatch.evidence import jsonform
from noisewatch.evidence.access import Who, prepare
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.durable import (
    make_folder,
    read_bounded,
    remove_durably,
    storage_errors,
    write_atomic,
)
from noisewatch.evidence.levels import read_levels
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.seal import start_of_day
from noisewatch.recognition import voicefree
from noisewatch.recognition.verdict import (
    FIGURES,
    VERDICTS,
    Verdict,
    ends_on,
    event_figures,
    mean_row,
)
from noisewatch.records import LogEntry

SCHEMA = "noisewatch-verdict-1"
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)-[0-9a-f]{16}\.json")
_MAX_BYTES = 16 * 1024


def give(
    event_id: str,
    verdict: str,
    *,
    as_: str,
    reason: str | None,
    case: str | None,
    reason_code: str = "other",
    node: Path,
    custody: Path,
    now: datetime | None = None,
    passphrase: str | None = None,
) -> Verdict:
    """Log a consultation, read the event's levels and scores, and keep the verdict with their figures.

    Raises
    ------
    UsageError
        The verdict is none of the three, or this event has one already.
    InputError
        The levels are not those that the record names.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"{verdict[:40]!r} is none of {', '.join(VERDICTS)}", where="--verdict")
    who = Who(as_, reason, case, reason_code, passphrase)
    access = prepare(
        event_id, who, action="consultation", parts=("levels",), node=node, custody=custody, now=now
    )
    if _has_verdict(access.opened, event_id):
        raise UsageError("has a verdict already", where=event_id, remedy="a verdict cannot be changed")
    # what was said is neither signed nor in the log: it must not lead from a clip to its verdict
    clear = access.open(access.sign(verdict=True), verdict=True)
    found = access.found
    event = found.record.event
    given = Verdict(
        day=found.record.captured_at.astimezone(UTC).date(),
        verdict=verdict,
        signature=event.signature,
        version=event.version,
        figures=event_figures(read_levels(clear["levels"]).levels_db, event.windows),
        is_trial=found.record.is_trial,
        features=_features(found.record.statements.get("voice_free")),
    )
    keep(verdicts_folder(access.opened), given)
    return given


def verdicts_folder(custody: Custody) -> Path:
    """Return where a custody keeps its verdicts."""
    return custody.folder / "verdicts"


def keep(folder: Path, verdict: Verdict) -> Path:
    """Write one verdict durably under a random name; its file time is its day's midnight."""
    make_folder(folder)
    path = folder / f"{verdict.day.isoformat()}-{secrets.token_hex(8)}.json"
    write_atomic(path, jsonform.document_to_bytes(to_document(verdict)))
    midnight_s = start_of_day(verdict.day).timestamp()
    with storage_errors(path):
        os.utime(path, (midnight_s, midnight_s))
    return path


def read(folder: Path, *, now: datetime | None = None) -> list[Verdict]:
    """Return the verdicts that have not ended, by day; a missing folder holds none.

    Raises
    ------
    InputError
        A file is not a verdict.
    """
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    living = [path for day, path in _files(folder) if today < ends_on(day)]
    return [_from_file(path) for path in living]


def read_one(path: Path) -> Verdict:
    """Return the verdict of one file.

    Raises
    ------
    InputError
        It is not a verdict, or its twelve months are over.
    """
    found = _from_file(path)
    if datetime.now(UTC).date() >= ends_on(found.day):
        raise InputError(
            "has ended twelve months after its day", where=path, remedy="noisewatch retention enforce"
        )
    return found


def end(custody: Custody, *, now: datetime | None = None) -> int:
    """Erase the verdicts whose twelve months are over, note how many, and return that number."""
    moment = now or datetime.now(UTC)
    today = moment.astimezone(UTC).date()
    over = [path for day, path in _files(verdicts_folder(custody)) if today >= ends_on(day)]
    erased = sum(remove_durably(path) for path in over)
    if erased:
        details: dict[str, Any] = {"verdicts": erased, **({"trial": True} if custody.is_trial else {})}
        why = "verdicts end after twelve months"
        custody.log().append(LogEntry("noisewatch", "erasure", "verdicts", why, moment, details))
    return erased


def to_document(verdict: Verdict) -> dict[str, Any]:
    """Return what is kept of a verdict: all of it."""
    return {
        "schema": SCHEMA,
        "day": verdict.day.isoformat(),
        "ends_on": ends_on(verdict.day).isoformat(),
        "verdict": verdict.verdict,
        "signature": verdict.signature,
        "version": verdict.version,
        "figures": dict(verdict.figures),
        "trial": verdict.is_trial,
        **({"feature_set": voicefree.NAME, "features": list(verdict.features)} if verdict.features else {}),
    }


def from_document(document: Mapping[str, Any], *, where: Path | str) -> Verdict:
    """Return the verdict that a document holds; ``InputError`` where it is none."""
    try:
        figures = {name: float(document["figures"][name]) for name in FIGURES}
        verdict = Verdict(
            day=date.fromisoformat(document["day"]),
            verdict=document["verdict"],
            signature=str(document["signature"]),
            version=str(document["version"]),
            figures=figures,
            is_trial=bool(document["trial"]),
            features=_kept_features(document),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("is not a verdict", where=where) from error
    is_known = document.get("schema") == SCHEMA and verdict.verdict in VERDICTS
    numbers = (*figures.values(), *verdict.features)
    if not is_known or not all(map(math.isfinite, numbers)):
        raise InputError("is not a verdict", where=where)
    return verdict


def _features(said: Any) -> tuple[float, ...]:
    """Return the mean row of what a record says of an event's seconds; empty where it says nothing known."""
    if not isinstance(said, Mapping) or said.get("feature_set") != voicefree.NAME or not said.get("rows"):
        return ()
    return mean_row(said["rows"])


def _kept_features(document: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the features of a verdict's file; those of another set are passed over."""
    if document.get("feature_set") != voicefree.NAME:
        return ()
    found = tuple(float(value) for value in document["features"])
    if len(found) != len(voicefree.voice_free_names()):
        raise ValueError("features")
    return found


def _from_file(path: Path) -> Verdict:
    document = jsonform.bytes_to_document(read_bounded(path, max_bytes=_MAX_BYTES), where=path)
    return from_document(document, where=path)


def _files(folder: Path) -> list[tuple[date, Path]]:
    """Return the verdicts of a folder with the day in their names, oldest first."""
    found = []
    with storage_errors(folder):
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        try:
            found.append((date.fromisoformat(match.group(1)), folder / name))
        except ValueError as error:
            raise InputError("its name holds no day", where=folder / name) from error
    return found


def _has_verdict(custody: Custody, event_id: str) -> bool:
    if not custody.log_path.is_file():
        raise MissingInputError("custody's log is not there", where=custody.log_path)
    rows = EventLog(custody.log_path, None).entries()
    return any(
        row.entry.action == "consultation"
        and row.entry.target == event_id
        and row.entry.details.get("verdict") is True
        for row in rows
    )
