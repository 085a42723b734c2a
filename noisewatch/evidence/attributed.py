"""The vehicle that a record names, marked on the still; and the record's sentence about it. Pure.

It reads ``statements["attribution"]`` of the signed record, nothing else: what is drawn was signed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord

#: A box that lies further in time from the still than this is not drawn on it, in seconds.
REACH_S = 0.1

_COLOUR = (255, 200, 0)
_EDGE = (0, 0, 0)


def attribution_of(record: EventRecord) -> Mapping[str, Any]:
    """Return what the record says of the vehicle; empty where it says nothing."""
    said = record.statements.get("attribution")
    return said if isinstance(said, Mapping) else {}


def still_at_s(record: EventRecord) -> float:
    """Return the time of the clip whose picture the report shows: the loudest moment.

    Where the named vehicle has no box near it, because something hid it or it had not come into view
    yet, it is the time of its nearest box.
    """
    loudest_s = record.event.peak_s - record.clip.start_s
    said = attribution_of(record)
    boxes = said.get("boxes") or ()
    if not boxes or box_at(said, loudest_s) is not None:
        return loudest_s
    nearest_s = float(min(boxes, key=lambda box: abs(float(box[0]) - loudest_s))[0])
    # times of boxes are rounded to a millisecond
    return nearest_s + 0.001


def box_at(said: Mapping[str, Any], at_s: float) -> tuple[float, float, float, float] | None:
    """Return the vehicle's box at a time of the clip: left, top, width, height as shares; None: not in view.

    Examples
    --------
    >>> box_at({"boxes": [[5.96, 0.1, 0.4, 0.2, 0.1], [6.0, 0.2, 0.4, 0.2, 0.1]]}, 6.01)
    (0.2, 0.4, 0.2, 0.1)
    >>> box_at({"boxes": [[5.96, 0.1, 0.4, 0.2, 0.1]]}, 7.0) is None
    True
    """
    boxes = said.get("boxes") or ()
    best = min(boxes, key=lambda box: abs(float(box[0]) - at_s), default=None)
    if best is None or abs(float(best[0]) - at_s) > REACH_S:
        return None
    left, top, width, height = (float(value) for value in best[1:5])
    return left, top, width, height


def mark(still: NDArray[np.uint8], said: Mapping[str, Any], *, at_s: float) -> NDArray[np.uint8]:
    """Return a copy of the still with the vehicle's box and an arrow the way it drove.

    Parameters
    ----------
    still : ndarray, uint8, shape (height, width, 3)
        RGB; not changed.
    said : mapping
        ``statements["attribution"]``.
    at_s : float
        The still's time in the clip.
    """
    box = box_at(said, at_s)
    if box is None:
        return still
    image = Image.fromarray(still)
    pen = ImageDraw.Draw(image)
    wide, high = image.size
    left, top = box[0] * wide, box[1] * high
    right, bottom = left + box[2] * wide, top + box[3] * high
    line = max(2, wide // 320)
    corners = (max(0.0, left), max(0.0, top), min(wide - 1.0, right), min(high - 1.0, bottom))
    pen.rectangle(corners, outline=_EDGE, width=line + 2)
    pen.rectangle(corners, outline=_COLOUR, width=line)
    side = {"to the right": 1, "to the left": -1}.get(str(said.get("direction")), 0)
    if side:
        _arrow(pen, corners, side, line)
    return np.asarray(image, dtype=np.uint8)


def to_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as JPEG, at most 1280 wide; a still is to look at, the clip is the proof."""
    image = Image.fromarray(picture)
    image.thumbnail((1280, 1280))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()


def _arrow(
    pen: ImageDraw.ImageDraw, corners: tuple[float, float, float, float], side: int, line: int
) -> None:
    """Draw an arrow above the box, or inside it where there is no room above."""
    left, top, right, _ = corners
    head = 5.0 * line
    row = top - head if top > 2 * head else top + head
    middle, half = (left + right) / 2, max((right - left) / 3, 2 * head)
    start, tip = (middle - side * half, row), (middle + side * half, row)
    for colour, width in ((_EDGE, line + 2), (_COLOUR, line)):
        pen.line((start, tip), fill=colour, width=width)
    wings = [(tip[0] - side * head * math.cos(0.5), row + sign * head * math.sin(0.5)) for sign in (-1, 1)]
    pen.polygon([tip, *wings], fill=_COLOUR, outline=_EDGE)


def sentence(record: EventRecord, words: Words, *, is_marked: bool) -> str | None:
    """Return what the record says of the vehicle, in the reader's language; None where it says nothing.

    Parameters
    ----------
    record : EventRecord
        The signed record.
    words : Words
        The reader's language.
    is_marked : bool
        Whether the report shows a picture with the vehicle's box.
    """
    said = attribution_of(record)
    kind = str(said.get("kind", ""))
    count = int(said.get("n_vehicles", 0))
    percent = 100 * float(said.get("probability", 0.0))
    # nothing is certain: 99.7 % is not written as 100 %
    probability = "> 99" if percent > 99 else words.number(percent, 0)
    if kind == "one vehicle":
        way = words.named("direction", str(said.get("direction", "")).replace(" ", "_"))
        named = words("attribution_one", count=count, direction=way, probability=probability)
        return f"{named} {words('attribution_marked')}" if is_marked else named
    if kind == "ambiguous":
        return words("attribution_ambiguous", count=count)
    if kind == "none in view":
        return words("attribution_none", count=count)
    return None
