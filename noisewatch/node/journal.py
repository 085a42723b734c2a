"""What happened to a box: starts, ends, losses, changes of health; a short file that an installer reads.

One JSON line an entry, in ``journal.jsonl`` of the node's folder: no sound, no level, no picture, nothing of
an event. Signed figures are in the log; this is for whoever must find out why a box was silent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError
from noisewatch.evidence.durable import read_bounded, storage_errors, write_all, write_atomic
from noisewatch.evidence.jsonform import bytes_to_document, utc_moment, utc_text

NAME = "journal.jsonl"
#: Above the first size the file is cut to the newest lines of the second.
MAXIMUM_BYTES, KEPT_BYTES = 1024 * 1024, 512 * 1024


class Journal:
    """The journal of one node.

    Parameters
    ----------
    folder : Path
        The node's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def note(self, kind: str, sentence: str, *, at: datetime, **details: Any) -> None:
        """Append an entry durably.

        Raises
        ------
        InputOutputError
            The disk does not take it.
        """
        entry = {"at": utc_text(at), "kind": kind, "what": sentence} | details
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        with storage_errors(self._path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
            try:
                write_all(descriptor, line)
                os.fsync(descriptor)
                is_large = os.fstat(descriptor).st_size > MAXIMUM_BYTES
            finally:
                os.close(descriptor)
        if is_large:
            write_atomic(self._path, _newest(self._path.read_bytes(), KEPT_BYTES))

    def entries(self, *, last: int | None = None) -> list[dict[str, Any]]:
        """Return the entries, oldest first; a line that a power cut tore is left out."""
        if not self._path.exists():
            return []
        lines = read_bounded(self._path, max_bytes=MAXIMUM_BYTES + 64 * 1024).splitlines()
        found = [entry for line in lines if (entry := self._entry(line)) is not None]
        return found if last is None else found[-last:]

    def _entry(self, line: bytes) -> dict[str, Any] | None:
        try:
            return bytes_to_document(line, where=self._path)
        except InputError:
            return None


def _newest(data: bytes, size: int) -> bytes:
    tail = data[-size:]
    return tail[tail.index(b"\n") + 1 :]


def last_run(status: Mapping[str, Any] | None, *, now: datetime) -> tuple[bool, float | None]:
    """Tell whether the run before ended cleanly, and how many seconds were not heard since; pure.

    The seconds are None where the clock went back, or no run was there before.

    Examples
    --------
    >>> from datetime import UTC
    >>> cut = {"running": True, "written_at": "2026-05-04T10:00:00Z"}
    >>> last_run(cut, now=datetime(2026, 5, 4, 10, 2, tzinfo=UTC))
    (False, 120.0)
    >>> last_run(None, now=datetime(2026, 5, 4, 10, 2, tzinfo=UTC))
    (True, None)
    """
    if status is None:
        return True, None
    lost_s = (now - utc_moment(str(status["written_at"]))).total_seconds()
    return not status.get("running"), lost_s if lost_s >= 0 else None


def restarts_ago_s(entries: list[dict[str, Any]], *, now: datetime, within_s: float) -> tuple[float, ...]:
    """Return how long ago restarts were asked for, those within `within_s` only; pure."""
    ages_s = [
        (now - utc_moment(str(entry["at"]))).total_seconds()
        for entry in entries
        if entry["kind"] == "restart"
    ]
    return tuple(age_s for age_s in ages_s if 0 <= age_s < within_s)
