"""The drawn carriageway of a node: versions that are signed, dated and end, and that nobody replaces.

``masks/0001.json`` with its signature beside it; the newest one counts. Outside it nothing is recorded
(:mod:`noisewatch.privacy.mask`). No picture is ever kept here: corners only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

from noisewatch.errors import ConfigurationError, InputError, MissingInputError
from noisewatch.evidence import cms, jsonform
from noisewatch.evidence.durable import make_folder, read_bounded, storage_errors, write_atomic
from noisewatch.privacy.mask import Carriageway, Point

FOLDER = "masks"
SCHEMA = "noisewatch-mask-1"
MAXIMUM_CORNERS = 64
_MAXIMUM_BYTES = 64 * 1024


class Signer(Protocol):
    """What signs a mask: the node's key."""

    def sign_detached(self, data: bytes) -> bytes:
        """Return a detached CMS signature."""


@dataclass(frozen=True, slots=True)
class Mask:
    """One version of the carriageway: corners as shares of the picture, who drew it, its last day (UTC)."""

    version: int
    carriageway: tuple[Point, ...]
    drawn_at: datetime
    who: str
    valid_until: date
    note: str = ""

    @property
    def sha256(self) -> str:
        """Hash of what was signed."""
        return hashlib.sha256(_to_bytes(self)).hexdigest()

    def against(self, today: date) -> str:
        """Return why this mask does not hold on a day; empty where it does.

        Examples
        --------
        >>> made = datetime(2026, 5, 1, tzinfo=UTC)
        >>> mask = Mask(2, ((0, 0), (1, 0), (0, 1)), made, "An", date(2026, 6, 1))
        >>> mask.against(date(2026, 6, 1)), mask.against(date(2026, 6, 2))
        ('', 'the carriageway (version 2) ended on 2026-06-01; draw it anew with: noisewatch calibrate mask')
        """
        if today <= self.valid_until:
            return ""
        return (
            f"the carriageway (version {self.version}) ended on {self.valid_until.isoformat()}; "
            "draw it anew with: noisewatch calibrate mask"
        )


def check_corners(points: tuple[Point, ...]) -> None:
    """Refuse what is no area inside the picture.

    Raises
    ------
    InputError
        Fewer than three or too many corners, one outside the picture, sides that cross, or no area.
    """
    if not 3 <= len(points) <= MAXIMUM_CORNERS:
        raise InputError(f"a carriageway has 3 to {MAXIMUM_CORNERS} corners, not {len(points)}")
    for x, y in points:
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise InputError(f"the corner {x:g},{y:g} is outside the picture: shares go from 0 to 1")
    sides = list(zip(points, (*points[1:], points[0]), strict=True))
    for i, one in enumerate(sides):
        for other in sides[i + 2 : len(sides) - (i == 0)]:
            if _cross(*one, *other):
                raise InputError("the sides of the carriageway cross each other", remedy="order the corners")
    if abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in sides)) / 2.0 < 0.005:
        raise InputError("the carriageway covers less than 0.5 % of the picture")


def newest(node: Path, *, authority_pem: bytes | None = None, since: datetime | None = None) -> Mask | None:
    """Read the newest mask of a node; None where none was drawn.

    Parameters
    ----------
    node : Path
        The node's folder.
    authority_pem : bytes, optional
        Custody's authority; with it the signature is verified.
    since : datetime, optional
        Since when the box hangs where it hangs: an older mask shows another street and does not count.

    Raises
    ------
    ConfigurationError
        The newest mask cannot be read, or its signature is not good: never fall back to an older one.
    """
    paths = _paths(node)
    if not paths:
        return None
    path = paths[-1]
    data = read_bounded(path, max_bytes=_MAXIMUM_BYTES)
    mask = _from_bytes(data, where=path)
    if authority_pem is not None:
        try:
            signature = read_bounded(_signature(path), max_bytes=_MAXIMUM_BYTES)
        except MissingInputError:
            raise ConfigurationError("has no signature", where=path, remedy="draw the mask anew") from None
        cms.verify_detached(data, signature, authority_pem=authority_pem, at=mask.drawn_at)
    return None if since is not None and mask.drawn_at < since else mask


def append(node: Path, mask: Mask, *, signer: Signer) -> Path:
    """Write a new version with its signature; durable, and never over an older one."""
    check_corners(mask.carriageway)
    folder = node / FOLDER
    path = folder / f"{mask.version:04d}.json"
    if path.exists():
        raise InputError("this version is there already", where=path)
    data = _to_bytes(mask)
    with storage_errors(folder):
        make_folder(folder)
    write_atomic(_signature(path), signer.sign_detached(data))
    write_atomic(path, data)
    return path


def document_of(carriageway: Carriageway, mask: Mask | None) -> dict[str, Any]:
    """Return what a record says of the area that was kept."""
    points = [list(point) for point in carriageway.points]
    sha256 = hashlib.sha256(jsonform.document_to_bytes({"points": points})).hexdigest()
    said: dict[str, Any] = {"carriageway": points, "sha256": sha256}
    if mask is not None and mask.carriageway == carriageway.points:
        said |= {
            "version": mask.version,
            "valid_until": mask.valid_until.isoformat(),
            "mask_sha256": mask.sha256,
        }
    return said


def _paths(node: Path) -> list[Path]:
    return sorted((node / FOLDER).glob("[0-9][0-9][0-9][0-9].json"))


def _signature(path: Path) -> Path:
    return path.with_name(path.name + ".p7s")


def _to_bytes(mask: Mask) -> bytes:
    document = asdict(mask) | {
        "schema": SCHEMA,
        "carriageway": [list(point) for point in mask.carriageway],
        "drawn_at": mask.drawn_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "valid_until": mask.valid_until.isoformat(),
    }
    return jsonform.document_to_bytes(document)


def _from_bytes(data: bytes, *, where: Path) -> Mask:
    try:
        document: Mapping[str, Any] = jsonform.bytes_to_document(data)
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}")
        mask = Mask(
            version=int(document["version"]),
            carriageway=tuple((float(x), float(y)) for x, y in document["carriageway"]),
            drawn_at=datetime.fromisoformat(str(document["drawn_at"])),
            who=str(document["who"]),
            valid_until=date.fromisoformat(str(document["valid_until"])),
            note=str(document["note"]),
        )
        check_corners(mask.carriageway)
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise ConfigurationError(
            f"is no mask ({error})", where=where, remedy="draw it anew with: noisewatch calibrate mask"
        ) from None
    return mask


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
