"""Search a log by who, what, object and time: fast over a hundred thousand entries, and of nothing else.

Lines are sorted out by their bytes before one is read as JSON; whether they are genuine, ``log.verify`` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import jsonform
from noisewatch.evidence.durable import storage_errors
from noisewatch.evidence.log import MAX_ENTRY_BYTES, row_from_line


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; what is None is not asked."""

    who: str | None = None
    target: str | None = None
    since: datetime | None = None
    action: str | None = None

    def marks(self) -> tuple[bytes, ...]:
        """Return the bytes that a line must hold, as the log's canonical form writes them."""
        asked = {"who": self.who, "target": self.target, "action": self.action}
        return tuple(
            f'"{key}":{json.dumps(value, ensure_ascii=False)}'.encode()
            for key, value in asked.items()
            if value is not None
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """One entry: its number and what it says."""

    seq: int
    said: dict[str, Any]


def search(path: Path, wanted: Wanted) -> Iterator[Hit]:
    """Yield the entries that fit, in the order of the log.

    Raises
    ------
    MissingInputError
        There is no such log.
    InputError
        A line that fits is no entry, or was edited.
    """
    if not path.is_file():
        raise MissingInputError("there is no such log", where=path)
    marks = wanted.marks()
    with storage_errors(path), path.open("rb") as stream:
        while line := stream.readline(MAX_ENTRY_BYTES):
            if not all(mark in line for mark in marks) or _is_before(line, wanted.since):
                continue
            row = row_from_line(line.rstrip(b"\n"), where=path)
            entry = row.entry
            pairs = ((wanted.who, entry.who), (wanted.target, entry.target), (wanted.action, entry.action))
            if any(asked is not None and asked != said for asked, said in pairs):
                continue  # the words stood elsewhere in the line, such as in a reason
            yield Hit(
                row.seq,
                {
                    "at": jsonform.utc_text(entry.at),
                    "who": entry.who,
                    "action": entry.action,
                    "target": entry.target,
                    "why": entry.why,
                    "details": dict(entry.details),
                },
            )


def _is_before(line: bytes, since: datetime | None) -> bool:
    """Tell whether an entry is older; canonical lines begin with action and ``at``, which sorts as text."""
    if since is None:
        return False
    _, found, rest = line.partition(b'"at":"')
    if not found:
        raise InputError("a line of the log does not say when")
    return rest[:19] < jsonform.utc_text(since)[:19].encode()
