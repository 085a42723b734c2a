"""What a sealing child does with a clip: look, destroy voices, mask, encode, seal. In memory only.

The order is the promise: a copy is encoded from treated sound and masked pictures or not at all, and it
leaves as ciphertext. The one thing in the clear that goes back is the sound without voices, from which the
viewing copy is made later.
"""

from __future__ import annotations

import hashlib
import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.media import Copy, Cover, Material, make_original, make_viewing
from noisewatch.capture.picture import Mask
from noisewatch.errors import NoisewatchError, UnavailableError
from noisewatch.evidence.seal import seal_original, seal_viewing
from noisewatch.node.job import Job, JobRefusedError, Made, Spent
from noisewatch.privacy.bystanders import METHOD as COVER_METHOD
from noisewatch.privacy.bystanders import CoverPlan, CoverPlanner
from noisewatch.privacy.faces import load_face_finder
from noisewatch.privacy.looks import two_looks
from noisewatch.privacy.mask import WHOLE_PICTURE, Carriageway, apply, encodable
from noisewatch.records import Media

if TYPE_CHECKING:
    from noisewatch.privacy.speech import TreatedSound

#: Drawn from the system for one clip, used once, kept nowhere.
ENTROPY_BYTES = 64
UNKNOWN = "unknown"
_NOTHING_SPENT = Spent(0.0, 0.0, 0.0)


class _Box(NamedTuple):
    """Where the vehicle is at one moment, as shares of the picture."""

    time_s: float
    x: float
    y: float
    width: float
    height: float


def carry_out(job: Job) -> Made:
    """Make and seal one copy.

    Raises
    ------
    JobRefusedError
        A step could not be done; nothing of the clip leaves.
    """
    started = time.monotonic()
    made = _original(job) if job.kind == "original" else _viewing(job)
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = Spent(
        cpu_s=round(used.ru_utime + used.ru_stime, 3),
        wall_s=round(time.monotonic() - started, 3),
        peak_mib=round(used.ru_maxrss / 1024, 1),
    )
    return replace(made, spent=spent)


def _original(job: Job) -> Made:
    # these take SciPy along, 80 MB that a viewing copy has no use for
    from noisewatch.capture.attribution import Attribution, attribute
    from noisewatch.capture.hearing import hear

    found: list[Attribution] = []

    def watch(pictures: Iterator[tuple[float, NDArray[np.uint8]]]) -> None:
        try:
            with _step("attribution"):
                # the untouched sound; pictures and sound count from the window's start
                heard = hear(job.samples, rate_hz=job.window.rate_hz, start_s=0.0, **job.heard)
                found.append(attribute(pictures, heard=heard))
        except JobRefusedError as refusal:
            # nobody is named then; that is no reason to lose the clip, nor to show more of anybody
            found.append(
                Attribution(UNKNOWN, 0, 0.0, (), f"The question could not be answered: {refusal.why}")
            )

    with _step("voices"):
        sound = treat(job.samples, rate_hz=job.window.rate_hz, recognised=job.recognised)
    with _step("original"):
        copy = make_original(_material(job, sound.samples), watch=watch)
    with _step("seal"):
        sealed = seal_original(copy.data, job.key)
    said = {
        "voices": sound.method,
        "voices_details": dict(sound.details),
        "attributed": found[0].short,
        "attribution": found[0].document(),
    }
    treated = np.ascontiguousarray(sound.samples, dtype="<f4").tobytes()
    return Made(_media("original", copy), sealed, "", said, treated, _NOTHING_SPENT)


def _viewing(job: Job) -> Made:
    try:
        finder = load_face_finder(Path(job.face_model) if job.face_model else None)
    except UnavailableError as error:
        return Made(None, b"", error.what, {}, b"", _NOTHING_SPENT)
    material = _material(job, job.samples)
    with _step("bystanders"):
        planner = CoverPlanner(vehicle=[_Box(*values) for values in job.vehicle], faces=two_looks(finder))
        for offset_s, picture in material.seen():
            planner.push(offset_s, picture)
        plan = planner.finish()
    with _step("viewing"):
        # whole blocks are painted, so the mask comes once more behind the cover
        copy = make_viewing(material, cover=_cover(plan, material.mask))
    with _step("seal"):
        sealed = seal_viewing(copy.data, job.key)
    return Made(_media("viewing", copy), sealed, "", {"bystanders": COVER_METHOD}, b"", _NOTHING_SPENT)


def _cover(plan: CoverPlan, mask: Mask | None) -> Cover:
    def cover(offset_s: float, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        covered = plan.apply(offset_s, picture)
        return covered if mask is None else mask(covered)

    return cover


def treat(
    samples: NDArray[np.float32], *, rate_hz: int, recognised: Sequence[tuple[float, float]] = ()
) -> TreatedSound:
    """Destroy the voices in a clip's sound with entropy that nobody keeps.

    ``recognised`` are the seconds, after the first sample, in which the event's signature matched.

    Raises
    ------
    ValueError
        The sound cannot be treated, or what came back is not the sound's shape or is the sound itself.
    """
    from noisewatch.privacy.speech import METHOD, destroy_voices

    entropy = os.urandom(ENTROPY_BYTES)
    treated = destroy_voices(samples, rate_hz=rate_hz, entropy=entropy, recognised=recognised)
    if treated.method != METHOD or treated.samples.shape != samples.shape:
        raise ValueError("the treatment returned another sound than it was given")
    if np.any(samples) and np.array_equal(treated.samples, samples):
        raise ValueError("the treatment left the sound as it was")
    return treated


def _material(job: Job, samples: NDArray[np.float32]) -> Material:
    return Material(job.window, samples, job.packets, mask_of(job.carriageway), job.lost_samples)


def mask_of(points: tuple[tuple[float, float], ...]) -> Mask | None:
    """Return what blackens everything outside the carriageway; None where it is the whole picture."""
    if Carriageway(points) == WHOLE_PICTURE:
        return None
    areas: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def mask(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = picture.shape[:2]
        if (width, height) not in areas:
            areas[width, height] = encodable(points, width=width, height=height)
        return apply(picture, areas[width, height])

    return mask


def _media(name: str, copy: Copy) -> Media:
    return Media(name, hashlib.sha256(copy.data).hexdigest(), len(copy.data), copy.description)


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Name the step that a failure happened in; its message never holds sound or picture."""
    try:
        yield
    except (
        NoisewatchError, av.FFmpegError, ArithmeticError, LookupError, MemoryError, OSError,
        RuntimeError, TypeError, ValueError,
    ) as error:  # fmt: skip
        raise JobRefusedError(name, f"{type(error).__name__}: {error}") from error
