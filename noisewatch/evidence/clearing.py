"""Seal what an older noisewatch left on a box in the clear: records, and one-minute levels.

It is sealed to the present day's key, logged, and only then removed, its bytes overwritten first. On flash
and on a disk that copies on write an overwritten block may live on; such a disk should be encrypted or wiped.
"""

from __future__ import annotations

import os
from pathlib import Path

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import minutes
from noisewatch.evidence.durable import read_bounded, remove_durably, storage_errors
from noisewatch.evidence.jsonform import MAX_BYTES
from noisewatch.evidence.recordfile import MAX_SIGNATURE_BYTES
from noisewatch.evidence.seal import DayKey, seal_record
from noisewatch.evidence.store import Store

_RECORD, _SIGNATURE = "event.json", "event.json.p7s"
_MAX_CSV_BYTES = 8 * 1024 * 1024


def seal_records(store: Store, key: DayKey) -> tuple[str, ...]:
    """Seal the records that lie in the clear, and return the ids of their events.

    Raises
    ------
    InputOutputError
        The disk is full, read-only or broken; what was not sealed yet lies there as before.
    """
    sealed = []
    for path in sorted((store.folder / "clips").glob(f"*/*/{_RECORD}")):
        signature = path.with_name(_SIGNATURE)
        try:
            event = store.get(path.parent.name)
            data = read_bounded(path, max_bytes=MAX_BYTES)
            p7s = read_bounded(signature, max_bytes=MAX_SIGNATURE_BYTES)
        except (InputError, MissingInputError):
            continue  # no event, or half of one: recovery decides what becomes of its folder
        store.replace_record(event.id, seal_record(data, p7s, key), "the record lay in the clear: sealed")
        for one in (path, signature):
            _overwrite_and_remove(one)
        sealed.append(event.id)
    return tuple(sealed)


def seal_minutes(store: Path, key: DayKey, *, keep_days: int) -> tuple[str, ...]:
    """Seal the minutes that lie in the clear, newest first as far as a day has room; return the days.

    Each day becomes one sealed line. What has no room is removed too: it may not stay in the clear.

    Raises
    ------
    InputOutputError
        The disk is full, read-only or broken.
    """
    sealed = []
    for path in sorted(minutes.levels_folder(store).glob("????-??-??.csv"), reverse=True):
        _, _, lines = read_bounded(path, max_bytes=_MAX_CSV_BYTES).partition(b"\n")
        whole = lines[: lines.rfind(b"\n") + 1]
        if whole and minutes.append_lines(store, whole, key, keep_days=keep_days):
            sealed.append(path.stem)
        _overwrite_and_remove(path)
    return tuple(sealed)


def _overwrite_and_remove(path: Path) -> None:
    with storage_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    remove_durably(path)
