"""Outside the carriageway nothing reaches an encoder: streets that differ only there give the same bytes."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from noisewatch.capture.clip import clip_window
from noisewatch.capture.media import Material, make_original, make_viewing
from noisewatch.node.treatment import mask_of
from noisewatch.privacy.bystanders import CoverPlanner
from noisewatch.privacy.mask import inside
from noisewatch.records import ClipWindow, VideoFormat, VideoPacket

Image = NDArray[np.uint8]
WIDTH, HEIGHT, FRAMES, RATE_HZ = 160, 96, 20, 48_000
#: Slanted sides, so that the edge cuts through pixels, colour cells and macroblocks.
POLYGON = ((0.13, 0.41), (0.88, 0.29), (0.97, 0.93), (0.05, 0.81))


def street(outside_seed: int) -> list[Image]:
    """I420 pictures: the same inside the polygon, another moving pattern outside of it."""
    luma = inside(POLYGON, width=WIDTH, height=HEIGHT)
    # a colour cell belongs to the outside as soon as one of its four pixels does
    chroma = luma.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).all(axis=(1, 3))
    keep = np.concatenate([luma.reshape(-1), chroma.reshape(-1), chroma.reshape(-1)])
    within, without = np.random.default_rng(5), np.random.default_rng(outside_seed)
    pictures = []
    for _ in range(FRAMES):
        inner = within.integers(16, 236, keep.size, dtype=np.uint8)
        outer = without.integers(16, 236, keep.size, dtype=np.uint8)
        pictures.append(np.where(keep, inner, outer).reshape(HEIGHT * 3 // 2, WIDTH))
    return pictures


def packets(pictures: list[Image]) -> list[tuple[float, VideoPacket]]:
    """Encoded without loss, so that the stream itself mixes nothing."""
    codec = av.CodecContext.create("ffv1", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 25), Fraction(25)
    found: list[tuple[float, VideoPacket]] = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        for packet in codec.encode(frame):
            form = VideoFormat("ffv1", bytes(codec.extradata or b""), WIDTH, HEIGHT, 1, 25)
            at_ns = round(len(found) * 0.04 * 1e9)
            found.append((at_ns / 1e9, VideoPacket(bytes(packet), number, number, 1, at_ns, True, form)))
    return found


def copies(seed: int, *, is_masked: bool) -> tuple[bytes, bytes]:
    """Original and viewing copy of a street, without attribution (most of it stays clear)."""
    length = round(FRAMES * 0.04 * RATE_HZ)
    window: ClipWindow = clip_window(peak_sample=length // 2, rate_hz=RATE_HZ, end_of_stream=length)
    samples = np.zeros((1, window.end_sample - window.start_sample), np.float32)
    mask = mask_of(POLYGON) if is_masked else None
    material = Material(window, samples, packets(street(seed)), mask, 0)
    planner = CoverPlanner(vehicle=[], faces=lambda picture: [])
    for at_s, picture in material.seen():
        planner.push(at_s, picture)
    plan = planner.finish()

    def cover(at_s: float, picture: Image) -> Image:
        covered = plan.apply(at_s, picture)
        return covered if mask is None else mask(covered)

    return make_original(material).data, make_viewing(material, cover=cover).data


def decoded(data: bytes) -> list[Image]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_what_lies_outside_changes_no_byte_of_either_copy() -> None:
    one, other = copies(1, is_masked=True), copies(2, is_masked=True)
    assert one[0] == other[0], "the original holds something from outside the polygon"
    assert one[1] == other[1], "the viewing copy holds something from outside the polygon"
    assert len(decoded(one[0])) > FRAMES // 2, "there are pictures to look at"


def test_without_the_mask_the_bytes_differ() -> None:
    """Negative control: the comparison sees what a missing mask would leak."""
    one, other = copies(1, is_masked=False), copies(2, is_masked=False)
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_a_mask_that_ignores_colour_cells_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: cut at the pixel, colour from outside comes in at the edge."""
    monkeypatch.setattr("noisewatch.node.treatment.encodable", inside)
    assert copies(1, is_masked=True)[0] != copies(2, is_masked=True)[0]


def test_outside_is_black_and_inside_is_there() -> None:
    area = inside(POLYGON, width=WIDTH, height=HEIGHT)
    far = ~inside(
        [(x + 0.12 * (1 if x > 0.5 else -1), y + 0.2 * (1 if y > 0.5 else -1)) for x, y in POLYGON],
        width=WIDTH,
        height=HEIGHT,
    )
    for data in copies(3, is_masked=True):
        picture = decoded(data)[5]
        assert picture[far].max() <= 24, "black, but for the noise of the encoder"
        assert picture[area].std() > 10
