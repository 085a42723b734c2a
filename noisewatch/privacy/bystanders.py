"""The viewing copy's cover: bystanders pixelated, in two passes over a clip. Pure, on arrays.

With an attributed vehicle, everything but that vehicle's track is pixelated, and faces on the track too.
Without one, every moving region that is no vehicle by size and speed is pixelated, and faces are sought on
all the rest. The first pass sees every picture once and keeps small things only; the plan it makes knows what
comes next, so a face that the finder misses for a moment stays covered.

Whole blocks are painted, so a cover may reach beyond the static mask: apply the mask once more afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noisewatch.privacy import mosaic
from noisewatch.privacy.faces import FaceBox
from noisewatch.privacy.following import Sighting, Track, follow, places
from noisewatch.privacy.movers import Movement, find_movement, scaled, shrink

Image = NDArray[np.uint8]

#: Name and version of the method, as records state it.
METHOD = "bystanders-mosaic-1"
#: Faces are sought this often.
FACE_STEP_S = 0.2
#: A face stays covered this long before its first and after its last sighting.
FACE_LEAD_S = 0.6
#: Margin around a face and around a moving region, shares of its width and height on every side.
FACE_MARGIN, MOVER_MARGIN = 0.35, 0.12
MOVER_LEAD_S = 0.3
#: A face that was never seen more surely than this, and once only, is taken for a mistake.
LONE_FACE_SCORE = 0.3
#: Margin around the attributed vehicle's box that stays clear, and the margin in which faces are sought.
VEHICLE_MARGIN, SEARCH_MARGIN = 0.04, 0.3
#: The vehicle's box is not bridged over a longer gap: then nothing stays clear.
VEHICLE_GAP_S = 0.5
#: Blocks of the pixelated street: as high as a twelfth of the picture.
_STREET_BLOCKS = 12


class BoxLike(Protocol):
    """A box at a time: top left corner and size as shares of the picture."""

    @property
    def time_s(self) -> float:
        """Time on the clip's clock."""

    @property
    def x(self) -> float:
        """Left edge."""

    @property
    def y(self) -> float:
        """Upper edge."""

    @property
    def width(self) -> float:
        """Share of the picture's width."""

    @property
    def height(self) -> float:
        """Share of the picture's height."""


FindFaces = Callable[[Image], list[FaceBox]]


@dataclass(frozen=True, slots=True)
class CoverPlan:
    """What is covered when; made by :class:`CoverPlanner`.

    `vehicle` is the attributed vehicle in pixels, or None; `faces` and `movers` are tracks in pixels;
    `everything_at_s` are times at which the camera itself moved; `mosaics` are in force from `mosaics_at_s`.
    """

    vehicle: Track | None
    faces: tuple[Track, ...]
    movers: tuple[Track, ...]
    everything_at_s: frozenset[float]
    mosaics_at_s: tuple[float, ...]
    mosaics: tuple[mosaic.Mosaic, ...]

    def apply(self, time_s: float, picture: Image) -> Image:
        """Return the picture with its bystanders pixelated; the input is left as it is.

        Parameters
        ----------
        time_s : float
            As it was pushed.
        picture : ndarray, uint8, shape (height, width, 3)
            Of the same size and order of colours as the planner saw.
        """
        if not self.mosaics:
            raise ValueError("the planner saw no picture")
        held = self.mosaics[mosaic.in_force(self.mosaics_at_s, time_s)]
        covered = picture.copy()
        if self.vehicle is not None or time_s in self.everything_at_s:
            self._street(covered, held)
            box = self.vehicle_at(time_s)
            if box is not None:
                grown = box.grown(VEHICLE_MARGIN)
                rows = slice(max(0, int(grown.y)), max(0, int(grown.y + grown.height) + 1))
                columns = slice(max(0, int(grown.x)), max(0, int(grown.x + grown.width) + 1))
                covered[rows, columns] = picture[rows, columns]
        else:
            for mover in self.movers:
                for place in places(mover, time_s, lead_s=MOVER_LEAD_S):
                    # a face is about a ninth of a person's height wide
                    level = mosaic.level_for_face(place.height / 6.0, held.base_px)
                    _paint(covered, held, place.grown(MOVER_MARGIN), level)
        for face in self.faces:
            for place in places(face, time_s, lead_s=FACE_LEAD_S):
                level = mosaic.level_for_face(place.width, held.base_px)
                _paint(covered, held, place.grown(FACE_MARGIN), level)
        return covered

    def vehicle_at(self, time_s: float) -> Sighting | None:
        """Return where the attributed vehicle is, in pixels; None where that is not known."""
        if self.vehicle is None:
            return None
        row = self.vehicle.sightings
        after = next((s for s in row if s.time_s >= time_s), None)
        before = next((s for s in reversed(row) if s.time_s <= time_s), None)
        if before is None or after is None or after.time_s - before.time_s > VEHICLE_GAP_S:
            return None
        return places(Track((before, after)), time_s, lead_s=0.0)[0]

    @staticmethod
    def _street(picture: Image, held: mosaic.Mosaic) -> None:
        height, width = picture.shape[:2]
        level = mosaic.level_for_face(mosaic.BLOCKS_PER_FACE * height / _STREET_BLOCKS, held.base_px)
        mosaic.paint(picture, held, level=level, left=0, top=0, right=width, bottom=height)


class CoverPlanner:
    """The first pass: sees every picture of a clip once, in order.

    Parameters
    ----------
    vehicle : sequence of BoxLike
        Where the attributed vehicle is; empty where no single vehicle is attributed.
    faces : callable or None
        Finds the faces of one BGR picture. Without it no viewing copy may be made: ValueError.
    """

    def __init__(self, *, vehicle: Sequence[BoxLike], faces: FindFaces | None) -> None:
        if faces is None:
            raise ValueError("no viewing copy may be made without a finder of faces")
        self._faces = faces
        self._boxes = sorted(vehicle, key=lambda box: box.time_s)
        self._vehicle: Track | None = None
        self._size: tuple[int, int] | None = None
        self._times_s: list[float] = []
        self._small: list[Image] = []
        self._seen: list[list[Sighting]] = []
        self._next_face_s = -np.inf
        self._mosaics: list[tuple[float, mosaic.Mosaic]] = []

    def push(self, time_s: float, picture: Image) -> None:
        """See one picture.

        Parameters
        ----------
        time_s : float
            Later than the one before.
        picture : ndarray, uint8, shape (height, width, 3)
            BGR, masked.

        Raises
        ------
        ValueError
            Of another size than the first, or not later than the one before.
        """
        height, width = picture.shape[:2]
        if self._size is None:
            self._size = (width, height)
            self._vehicle = _in_pixels(self._boxes, width, height)
        if self._size != (width, height) or (self._times_s and time_s <= self._times_s[-1]):
            raise ValueError("pictures of one clip have one size and go forward in time")
        self._times_s.append(time_s)
        if not self._mosaics or time_s >= self._mosaics[-1][0] + mosaic.HOLD_S:
            self._mosaics.append((time_s, mosaic.take(picture)))
        if self._vehicle is None:
            self._small.append(shrink(picture))
        if time_s >= self._next_face_s:
            self._next_face_s = time_s + FACE_STEP_S - 1e-6
            self._seen.append(self._search(time_s, picture))

    def finish(self) -> CoverPlan:
        """Return what is covered when, knowing the whole clip."""
        movement = find_movement(self._times_s[: len(self._small)], self._small)
        scale = 1.0 if not self._small or self._size is None else self._size[0] / self._small[0].shape[1]
        tracks = follow(self._seen)
        faces = [t for t in tracks if len(t.sightings) > 1 or t.score >= LONE_FACE_SCORE]
        return CoverPlan(
            vehicle=self._vehicle,
            faces=tuple(faces),
            movers=_movers(movement, scale),
            everything_at_s=frozenset(movement.everything_at_s),
            mosaics_at_s=tuple(at_s for at_s, _ in self._mosaics),
            mosaics=tuple(held for _, held in self._mosaics),
        )

    def _search(self, time_s: float, picture: Image) -> list[Sighting]:
        """Seek faces: on the vehicle where there is one, else everywhere."""
        height, width = picture.shape[:2]
        left, top, right, bottom = 0, 0, width, height
        if self._vehicle is not None:
            box = _nearest(self._vehicle, time_s)
            if box is None:
                return []
            grown = box.grown(SEARCH_MARGIN)
            left, top = max(0, int(grown.x)), max(0, int(grown.y))
            right, bottom = int(grown.x + grown.width) + 1, int(grown.y + grown.height) + 1
        found = self._faces(np.ascontiguousarray(picture[top:bottom, left:right]))
        return [Sighting(time_s, f.x + left, f.y + top, f.width, f.height, f.score) for f in found]


def _movers(movement: Movement, scale: float) -> tuple[Track, ...]:
    return tuple(scaled(track, scale) for track in movement.others)


def _nearest(vehicle: Track, time_s: float) -> Sighting | None:
    """Return the box where faces are sought: also shortly before and after the vehicle is known."""
    found = places(vehicle, time_s, lead_s=VEHICLE_GAP_S)
    return found[-1] if found else None


def _in_pixels(boxes: Sequence[BoxLike], width: int, height: int) -> Track | None:
    if not boxes:
        return None
    return Track(
        tuple(
            Sighting(b.time_s, b.x * width, b.y * height, b.width * width, b.height * height) for b in boxes
        )
    )


def _paint(picture: Image, held: mosaic.Mosaic, box: Sighting, level: int) -> None:
    mosaic.paint(
        picture,
        held,
        level=level,
        left=int(np.floor(box.x)),
        top=int(np.floor(box.y)),
        right=int(np.ceil(box.x + box.width)),
        bottom=int(np.ceil(box.y + box.height)),
    )
