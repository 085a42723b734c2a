"""What a record refers to and a package takes along: its calibration as signed, and its signature's card.

Both are public. The box keeps the card and the settings of each signature that it ran under the hash that the
records name (``signatures/SHA256/``), and every calibration it made; a pull brings both. Nothing is believed
for its name: a calibration counts by its hash and its box's signature, a card by the list of hashes whose own
hash stands in the signed record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import contents
from noisewatch.evidence.durable import make_folder, read_bounded, storage_errors, write_atomic
from noisewatch.records import EventRecord

FOLDER = "signatures"
CARD, SETTINGS, SUMS = "card.md", "signature.toml", "SHA256SUMS"
#: What a signature's hash is made of, in this order (``recognition.signature.FILES``).
HASHED = (CARD, "model.skops", SETTINGS)
MAX_BYTES = 1024 * 1024

#: Names that a pull may ask for besides events: calibrations, and what is kept of signatures.
PULLED = re.compile(
    r"calibration/\d{4,}_\d{8}T\d{6}Z\.json(\.p7s)?|signatures/[0-9a-f]{64}/(card\.md|signature\.toml|SHA256SUMS)"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def keep_signature(node: Path, source: Path) -> Path:
    """Keep a signature's card, settings and list of hashes in a node's folder, under its content's hash.

    Parameters
    ----------
    node : Path
        The node's folder.
    source : Path
        The signature's folder.

    Returns
    -------
    Path
        ``NODE/signatures/SHA256``; what stands there already is left as it is.
    """
    with storage_errors(source):
        files = {name: (source / name).read_bytes() for name in HASHED}
    sums = b"".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n".encode() for name in files)
    folder = node / FOLDER / hashlib.sha256(sums).hexdigest()
    if not (folder / SUMS).is_file():
        make_folder(folder)
        # the list last: where it stands, the others do
        for name, data in ((CARD, files[CARD]), (SETTINGS, files[SETTINGS]), (SUMS, sums)):
            write_atomic(folder / name, data, mode=0o644)
    return folder


class Source(Protocol):
    """Where references are fetched from: a box (``boxes.Box``)."""

    def references(self) -> dict[str, int]:
        """Return the size of each file that there is, by its name."""
        ...

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield these files."""
        ...


def fetch(source: Source, to: Path) -> int:
    """Copy what is new of a box's calibrations and kept signatures; return how many files came.

    Neither ever changes on a box, so what is here already is not asked for again.
    """
    listed = source.references()
    wanted = sorted(
        name
        for name, size in listed.items()
        if PULLED.fullmatch(name) and size <= MAX_BYTES and not (to / name).is_file()
    )
    count = 0
    for name, data in source.fetch(wanted):
        if name in wanted and len(data) <= MAX_BYTES:
            make_folder((to / name).parent)
            write_atomic(to / name, data, mode=0o644)
            count += 1
    return count


def of_event(record: EventRecord, node: Path) -> tuple[dict[str, bytes], list[str]]:
    """Return the files that a package of this event takes along, and what of them is not at hand.

    Parameters
    ----------
    record : EventRecord
        The signed record.
    node : Path
        The node's folder, or what was pulled from it.
    """
    files: dict[str, bytes] = {}
    missing = []
    digest = record.calibration.get("record_sha256")
    if isinstance(digest, str):
        found = _calibration(node, digest)
        files |= found
        missing += [] if found else ["its calibration record"]
    found = _signature(node, record)
    files |= found
    missing += [] if found else ["the card of its signature"]
    return files, missing


def problems_of_signature(files: Mapping[str, bytes], sha256: str) -> list[tuple[str, str]]:
    """Return (part, what) of each thing wrong with the card, settings and list of a package."""
    if contents.SIGNATURE_FILES not in files:
        return []
    sums = files[contents.SIGNATURE_FILES]
    if hashlib.sha256(sums).hexdigest() != sha256:
        return [(contents.SIGNATURE_FILES, "is not the list of the signature that the event record names")]
    listed = set(sums.decode("utf-8", "replace").splitlines())
    return [
        (name, "is not the file of the signature that the event record names")
        for name in (contents.CARD, contents.SIGNATURE_TOML)
        if name in files
        and f"{hashlib.sha256(files[name]).hexdigest()}  {name.rpartition('/')[2]}" not in listed
    ]


def _calibration(node: Path, digest: str) -> dict[str, bytes]:
    folder = node / "calibration"
    if not folder.is_dir():
        return {}
    with storage_errors(folder):
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and path.is_file())
    for path in reversed(paths):
        signature = path.with_name(path.name + ".p7s")
        try:
            data = read_bounded(path, max_bytes=MAX_BYTES)
            if hashlib.sha256(data).hexdigest() == digest:
                signed = read_bounded(signature, max_bytes=MAX_BYTES)
                return {contents.CALIBRATION: data, contents.CALIBRATION_SIGNATURE: signed}
        except (MissingInputError, InputError):
            continue
    return {}


def _signature(node: Path, record: EventRecord) -> dict[str, bytes]:
    digest = record.event.signature_sha256
    if _SHA256.fullmatch(digest) is None:
        return {}
    folder = node / FOLDER / digest
    names = {contents.CARD: CARD, contents.SIGNATURE_TOML: SETTINGS, contents.SIGNATURE_FILES: SUMS}
    try:
        files = {part: read_bounded(folder / name, max_bytes=MAX_BYTES) for part, name in names.items()}
    except (MissingInputError, InputError):
        return {}
    return {} if problems_of_signature(files, digest) else files
