"""Where a box hangs, and since when: signed records, one a place, never replaced; a move begins a new one.

``site/0001.json`` with its signature beside it. The newest one counts before ``[site]`` of ``node.toml``,
which serves as long as there is none. What was calibrated, measured or drawn before a move does not hold
after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from noisewatch.errors import ConfigurationError, InputError, MissingInputError
from noisewatch.evidence import cms
from noisewatch.evidence.durable import make_folder, read_bounded, storage_errors, write_atomic
from noisewatch.evidence.jsonform import bytes_to_document, document_to_bytes, utc_moment, utc_text

FOLDER = "site"
SCHEMA = "noisewatch-site-1"
_MAXIMUM_BYTES = 64 * 1024
_REMEDY = "restore the folder, or begin anew with: noisewatch site move"


class Signer(Protocol):
    """What signs a record: the node's key."""

    def sign_detached(self, data: bytes) -> bytes:
        """Return a detached CMS signature."""


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """One place of a box, from its installation on.

    ``lane_distances_m`` are measured from the microphone to the middle of each lane, the nearest first.
    ``position_deg`` is latitude and longitude (WGS 84). ``previous_sha256`` chains the records.
    """

    number: int
    name: str
    street: str
    since: datetime
    installer: str
    lane_distances_m: tuple[float, ...] = ()
    position_deg: tuple[float, float] | None = None
    air_temperature_c: float | None = None
    note: str = ""
    previous_sha256: str | None = None

    @property
    def sha256(self) -> str:
        """Hash of what was signed."""
        return hashlib.sha256(to_bytes(self)).hexdigest()

    def section(self) -> dict[str, Any]:
        """Return what ``[site]`` of ``node.toml`` would say of this place."""
        return {
            "name": self.name,
            "street": self.street,
            "lane_distance_m": min(self.lane_distances_m, default=None),
            "air_temperature_c": self.air_temperature_c,
            "position_deg": self.position_deg,
        }

    def document(self) -> dict[str, Any]:
        """Return what an event's record says of its place beyond the section."""
        return {
            "record": self.number,
            "record_sha256": self.sha256,
            "since": utc_text(self.since),
            "installer": self.installer,
            "lane_distances_m": list(self.lane_distances_m),
        }


@dataclass(frozen=True, slots=True)
class Period:
    """A place with its time: ``until`` is None while the box hangs there."""

    record: SiteRecord
    until: datetime | None


def periods(records: Sequence[SiteRecord]) -> tuple[Period, ...]:
    """Return each place with the time of its end; pure.

    Examples
    --------
    >>> at = datetime(2026, 5, 1, tzinfo=UTC)
    >>> one = SiteRecord(1, "Stalenstraat", "", at, "An")
    >>> two = SiteRecord(2, "Weg naar As", "", at.replace(month=6), "An")
    >>> [period.until is None for period in periods([one, two])]
    [False, True]
    """
    ends = [*(record.since for record in records[1:]), None]
    return tuple(Period(record, until) for record, until in zip(records, ends, strict=True))


def place_at(records: Sequence[SiteRecord], at: datetime) -> SiteRecord | None:
    """Return the place at a moment; None before the first record. Pure."""
    found = [record for record in records if record.since <= at]
    return found[-1] if found else None


def list_sites(node: Path, *, authority_pem: bytes | None = None) -> tuple[SiteRecord, ...]:
    """Read all records, oldest first; each names the one before it.

    Parameters
    ----------
    node : Path
        The node's folder.
    authority_pem : bytes, optional
        Custody's authority; with it each signature is verified.

    Raises
    ------
    ConfigurationError
        A record cannot be read, is not signed well, or one was altered or taken away.
    """
    records: list[SiteRecord] = []
    for path in sorted((node / FOLDER).glob("[0-9][0-9][0-9][0-9].json")):
        data = read_bounded(path, max_bytes=_MAXIMUM_BYTES)
        record = _from_bytes(data, where=path)
        if record.previous_sha256 != (records[-1].sha256 if records else None):
            raise ConfigurationError("does not follow the record before it", where=path, remedy=_REMEDY)
        if authority_pem is not None:
            _verify(path, data, record, authority_pem)
        records.append(record)
    return tuple(records)


def append(node: Path, record: SiteRecord, *, signer: Signer) -> Path:
    """Write a new place with its signature; durable, and never over an older one.

    Raises
    ------
    InputError
        There is such a record, or it begins before the last one.
    """
    before = list_sites(node)
    path = node / FOLDER / f"{record.number:04d}.json"
    if record.number != len(before) + 1 or path.exists():
        raise InputError("this record is there already", where=path)
    if before and record.since <= before[-1].since:
        raise InputError(
            f"a place that begins at {utc_text(record.since)} would end before it began", where=path
        )
    data = to_bytes(record)
    with storage_errors(path.parent):
        make_folder(path.parent)
    write_atomic(_signature(path), signer.sign_detached(data))
    write_atomic(path, data)
    return path


def to_bytes(record: SiteRecord) -> bytes:
    """Return the bytes that are signed."""
    document = asdict(record) | {
        "schema": SCHEMA,
        "since": utc_text(record.since),
        "lane_distances_m": list(record.lane_distances_m),
        "position_deg": None if record.position_deg is None else list(record.position_deg),
    }
    return document_to_bytes(document)


def _from_bytes(data: bytes, *, where: Path) -> SiteRecord:
    try:
        document: Mapping[str, Any] = bytes_to_document(data)
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}")
        position = document["position_deg"]
        return SiteRecord(
            number=int(document["number"]),
            name=str(document["name"]),
            street=str(document["street"]),
            since=utc_moment(str(document["since"])),
            installer=str(document["installer"]),
            lane_distances_m=tuple(float(value) for value in document["lane_distances_m"]),
            position_deg=None if position is None else (float(position[0]), float(position[1])),
            air_temperature_c=document["air_temperature_c"],
            note=str(document["note"]),
            previous_sha256=document["previous_sha256"],
        )
    except (KeyError, TypeError, ValueError, IndexError, InputError) as error:
        raise ConfigurationError(f"is no record of a place ({error})", where=where, remedy=_REMEDY) from None


def _verify(path: Path, data: bytes, record: SiteRecord, authority_pem: bytes) -> None:
    try:
        signature = read_bounded(_signature(path), max_bytes=_MAXIMUM_BYTES)
    except MissingInputError:
        raise ConfigurationError("has no signature", where=path, remedy=_REMEDY) from None
    cms.verify_detached(data, signature, authority_pem=authority_pem, at=record.since.astimezone(UTC))


def _signature(path: Path) -> Path:
    return path.with_name(path.name + ".p7s")
