"""A node's measured audio-video offsets on disk: signed, chained, never replaced.

``NODE/calibration/sync/0001_20260510T120000Z.json`` and beside it ``….json.p7s`` (detached CMS).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from noisewatch.acoustics.sync import SyncRecord, from_document, to_document
from noisewatch.errors import AnswerIsNo, ConfigurationError, InputError, InputOutputError
from noisewatch.evidence import cms
from noisewatch.evidence.calibration_store import Signer, calibration_folder, signature_path
from noisewatch.evidence.durable import make_folder, read_bounded, storage_errors, take_lock, write_atomic
from noisewatch.evidence.jsonform import bytes_to_document, document_to_bytes

_MAX_RECORD_BYTES = 64 * 1024
_NAME = re.compile(r"^(\d{4,})_\d{8}T\d{6}Z\.json$")


def sync_folder(node: Path) -> Path:
    """Return where a node keeps its measured offsets."""
    return calibration_folder(node) / "sync"


def list_offsets(folder: Path, *, authority_pem: bytes) -> tuple[SyncRecord, ...]:
    """Return all records, oldest first; each is signed by custody's node and names the one before it.

    An absent folder is an empty one.

    Raises
    ------
    InputError
        A record is damaged, or one was altered or taken away.
    ConfigurationError
        A signature is missing or not good.
    """
    records: list[SyncRecord] = []
    for path in _paths(folder):
        data = read_bounded(path, max_bytes=_MAX_RECORD_BYTES)
        document = bytes_to_document(data, where=path.name)
        record = from_document(document, where=path.name, sha256=hashlib.sha256(data).hexdigest())
        if record.previous_sha256 != (records[-1].sha256 if records else None):
            raise InputError(
                "does not follow the record before it: one was altered or taken away",
                where=path.name,
                remedy="restore the calibration folder",
            )
        _check_signature(path, data, record, authority_pem)
        records.append(record)
    return tuple(records)


def append(folder: Path, record: SyncRecord, *, signer: Signer) -> tuple[Path, SyncRecord]:
    """Sign a record and add it behind the newest one, whose hash it gets.

    The signature is written first: a record without one is never seen, even after a crash between the two.

    Returns
    -------
    tuple of (Path, SyncRecord)
        The file, and the record as it was signed, with its hash.

    Raises
    ------
    TryAgainError
        Somebody else is writing one.
    InputOutputError
        The disk is full or read-only; nothing was added.
    """
    make_folder(folder)
    lock = take_lock(folder / ".lock")
    try:
        paths = _paths(folder)
        previous = None
        if paths:
            previous = hashlib.sha256(read_bounded(paths[-1], max_bytes=_MAX_RECORD_BYTES)).hexdigest()
        chained = replace(record, previous_sha256=previous)
        number = 1 + (int(paths[-1].name.split("_")[0]) if paths else 0)
        path = folder / f"{number:04d}_{record.when.astimezone(UTC):%Y%m%dT%H%M%SZ}.json"
        if path.exists():
            raise InputOutputError("stands already; a measurement is never replaced", where=path)
        data = document_to_bytes(to_document(chained))
        write_atomic(signature_path(path), signer.sign_detached(data), mode=0o644)
        write_atomic(path, data, mode=0o644)
    finally:
        os.close(lock)
    return path, replace(chained, sha256=hashlib.sha256(data).hexdigest())


def _check_signature(path: Path, data: bytes, record: SyncRecord, authority_pem: bytes) -> None:
    remedy = "measure anew with: noisewatch calibrate sync"
    if not signature_path(path).is_file():
        raise ConfigurationError("has no signature beside it", where=path, remedy=remedy)
    signature = read_bounded(signature_path(path), max_bytes=_MAX_RECORD_BYTES)
    try:
        cms.verify_detached(data, signature, authority_pem=authority_pem, at=record.when.astimezone(UTC))
    except AnswerIsNo as error:
        raise ConfigurationError(f"the signature {error.what}", where=path, remedy=remedy) from error


def _paths(folder: Path) -> Sequence[Path]:
    if not folder.exists():
        return []
    with storage_errors(folder):
        names = [path for path in folder.iterdir() if _NAME.match(path.name)]
    return sorted(names, key=lambda path: int(path.name.split("_")[0]))
