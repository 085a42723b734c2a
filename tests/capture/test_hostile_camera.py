"""A camera that lies about time, changes its size, floods or never ends: bounded, and survived."""

from __future__ import annotations

import itertools
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pytest
from hostile_camera import AccessUnit, HostileCamera, encoded, repeated

from noisewatch.capture.clapping import decoded
from noisewatch.capture.clock import OffsetEstimator
from noisewatch.capture.livecamera import LiveVideo
from noisewatch.capture.picture import pictures, plan_pictures
from noisewatch.capture.ring import VideoRing
from noisewatch.records import VideoPacket

#: Times of arrival are judged: a busy neighbour would spoil them.
pytestmark = pytest.mark.serial


def take(stream: Callable[[], Iterable[AccessUnit]], count: int) -> list[VideoPacket]:
    """The first packets of a hostile camera."""
    with HostileCamera(stream) as camera:
        source = LiveVideo(camera.url, read_timeout_s=2.0)
        packets = list(itertools.islice(source.packets(), count))
        source.close()
    return packets


def leaping() -> Iterator[AccessUnit]:
    """Time stamps that leap by hours, half of them back."""
    leaps = itertools.cycle([0, 7_000_000, 90_000 * 3_600, -90_000 * 5_000, 1, -3])
    at = 0
    for (nals, _), leap in zip(repeated(encoded()), leaps, strict=False):
        at += 3_600 + leap
        yield nals, at


def backwards() -> Iterator[AccessUnit]:
    for number, (nals, _) in enumerate(repeated(encoded())):
        yield nals, 2**31 - number * 3_600


def standing_still() -> Iterator[AccessUnit]:
    """No frame rate at all: every picture has the same time."""
    for nals, _ in repeated(encoded()):
        yield nals, 90_000


@pytest.mark.parametrize("stream", [leaping, backwards, standing_still])
def test_whatever_time_a_camera_claims_its_pictures_stay_near_their_arrival(
    stream: Callable[[], Iterator[AccessUnit]],
) -> None:
    packets = take(stream, 150)
    assert len(packets) == 150
    estimator = OffsetEstimator(window=250, quantile=0.1)
    ring = VideoRing(seconds=60, max_bytes=1_000_000)
    for packet in packets:
        arrived_s = packet.monotonic_ns / 1e9
        street_s = estimator.map(packet.stream_s, arrived_s)
        assert abs(street_s - arrived_s) <= 1.0 + 1e-9
        ring.push(street_s, packet)
    assert ring.size_bytes <= 1_000_000
    start_s = packets[0].monotonic_ns / 1e9
    read = ring.read(start_s - 2.0, start_s + 8.0)
    plan = plan_pictures(read.packets, start_s=start_s, end_s=start_s + 1.0)
    shown = list(pictures(read.packets, plan=plan, start_s=start_s, mask=None))
    offsets = [picture.offset_s for picture in shown]
    assert offsets == sorted(offsets)


def test_pictures_that_are_sent_out_of_order_are_shown_in_order() -> None:
    packets = take(lambda: repeated(encoded(b_frames=2)), 100)
    # such a stream's decoding order is not its order of presentation
    assert any(a.pts > b.pts for a, b in itertools.pairwise(packets))
    timed = [(packet.stream_s, packet) for packet in packets]
    start_s = min(time_s for time_s, _ in timed)
    plan = plan_pictures(timed, start_s=start_s, end_s=start_s + 2.0)
    shown = [p.offset_s for p in pictures(timed, plan=plan, start_s=start_s, mask=None)]
    assert shown == pytest.approx([n / 25 for n in range(len(shown))], abs=1e-3)
    assert len(shown) >= 45


def test_pictures_of_another_size_are_left_out_and_the_stream_goes_on() -> None:
    small, large = encoded(), encoded(width=320, height=240)

    def changing() -> Iterator[AccessUnit]:
        for turn in itertools.count():
            for nals, stamp in small if turn % 2 == 0 else large:
                yield nals, turn * 180_000 + stamp

    packets = take(changing, 130)
    sizes = {(frame.width, frame.height) for _, frame in decoded(packets)}
    assert sizes == {(128, 96), (320, 240)}
    timed = [(packet.stream_s, packet) for packet in packets]
    start_s = timed[0][0]
    plan = plan_pictures(timed, start_s=start_s, end_s=start_s + 5.0)
    shown = list(pictures(timed, plan=plan, start_s=start_s, mask=None))
    assert len({(p.frame.width, p.frame.height) for p in shown}) == 1


def endless_headers() -> Iterator[AccessUnit]:
    """Parameter sets for ever, and never a picture."""
    nals, _ = encoded(frames=1)[0]
    headers = [nal for nal in nals if nal[0] & 0x1F in (7, 8)]
    assert len(headers) == 2
    for number in itertools.count():
        yield headers * 20, number * 3_600


def endless_picture() -> Iterator[AccessUnit]:
    """One picture that never ends, at some megabytes a second, after an honest second."""
    yield from encoded(frames=25)
    nals, _ = encoded(frames=1)[0]
    picture = next(nal for nal in nals if nal[0] & 0x1F == 5)
    while True:
        yield [picture[:1] + b"\x55" * 40_000], 25 * 3_600


@pytest.mark.parametrize("stream", [endless_headers, endless_picture])
def test_a_flood_without_end_is_bounded_in_memory_and_ends_when_it_is_told_to(
    stream: Callable[[], Iterator[AccessUnit]],
) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with HostileCamera(stream) as camera:
        source = LiveVideo(camera.url, read_timeout_s=1.0)
        seen: list[int] = []
        reader = threading.Thread(target=lambda: seen.extend(len(p.data) for p in source.packets()))
        reader.start()
        time.sleep(4.0)
        source.close()
        reader.join(timeout=20)
        assert not reader.is_alive()
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    print(f"{stream.__name__}: {grown_mib:.0f} MiB more, {len(seen)} packets, {source.stats()}")
    assert grown_mib < 300
    assert all(size <= 16 * 1024 * 1024 for size in seen)
