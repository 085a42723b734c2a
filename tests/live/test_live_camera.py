"""A real RTSP camera on loopback: killed, stalled, slow to start, behind a login."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from noisewatch.capture.camera import open_video
from noisewatch.capture.clip import clip_window, snap_to_frame
from noisewatch.capture.clock import OffsetEstimator
from noisewatch.capture.livecamera import LiveVideo
from noisewatch.capture.picture import pictures, plan_pictures
from noisewatch.capture.ring import VideoRing
from noisewatch.errors import InputOutputError
from noisewatch.node.login import read_login
from noisewatch.records import VideoPacket

pytestmark = pytest.mark.live


class Watcher:
    """Reads a camera in a thread until it is stopped."""

    def __init__(self, url: str, **options: Any) -> None:
        source = open_video(url, read_timeout_s=1.0, **options)
        assert isinstance(source, LiveVideo)
        self.source = source
        self.packets: list[VideoPacket] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for packet in self.source.packets():
            self.packets.append(packet)

    def stop(self) -> None:
        self.source.close()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()


def test_packets_arrive_from_a_keyframe_on_with_their_times(
    camera_server: Callable[..., Any], wait: Callable[..., None]
) -> None:
    watcher = Watcher(camera_server("--gop", "25").url)
    wait(lambda: len(watcher.packets) >= 100)
    watcher.stop()
    packets = watcher.packets
    assert packets[0].is_keyframe
    assert packets[0].format.codec == "h264"
    assert (packets[0].format.width, packets[0].format.height) == (1280, 720)
    steps = [b.stream_s - a.stream_s for a, b in itertools.pairwise(packets)]
    assert sorted(steps)[len(steps) // 2] == pytest.approx(0.04, abs=0.005)
    estimator = OffsetEstimator()
    placed = [estimator.map(p.stream_s, p.monotonic_ns / 1e9) for p in packets]
    assert placed == sorted(placed)
    assert estimator.outliers == 0
    assert watcher.source.stats().connections == 1


@pytest.mark.parametrize(("codec", "name"), [("h265", "hevc"), ("mjpeg", "mjpeg")])
def test_other_codecs_of_cameras_are_decoded(
    camera_server: Callable[..., Any], wait: Callable[..., None], codec: str, name: str
) -> None:
    watcher = Watcher(camera_server("--gop", "25", "--size", "640x360", "--codec", codec).url)
    wait(lambda: len(watcher.packets) >= 40)
    watcher.stop()
    timed = [(packet.monotonic_ns / 1e9, packet) for packet in watcher.packets[:40]]
    start_s = timed[0][0]
    plan = plan_pictures(timed, start_s=start_s, end_s=start_s + 1.0)
    shown = list(pictures(timed, plan=plan, start_s=start_s, mask=None))
    assert timed[0][1].format.codec == name
    assert len(shown) >= 20
    assert {(p.frame.width, p.frame.height) for p in shown} == {(640, 360)}


def test_a_camera_that_dies_comes_back_with_a_keyframe_and_a_named_hole(
    camera_server: Callable[..., Any], wait: Callable[..., None]
) -> None:
    server = camera_server("--gop", "25")
    watcher = Watcher(server.url)
    wait(lambda: len(watcher.packets) >= 60)
    server.kill()
    time.sleep(1.5)
    held = len(watcher.packets)
    server.start()
    wait(lambda: len(watcher.packets) >= held + 60, seconds=40)
    watcher.stop()
    assert watcher.packets[held].is_keyframe
    estimator = OffsetEstimator()
    ring = VideoRing(seconds=60, max_bytes=10**8)
    for packet in watcher.packets:
        ring.push(estimator.map(packet.stream_s, packet.monotonic_ns / 1e9), packet)
    assert estimator.resets == 1
    died_s = watcher.packets[held - 1].monotonic_ns / 1e9
    back_s = watcher.packets[held].monotonic_ns / 1e9
    holes = ring.read(died_s - 1.0, back_s + 1.0).missing
    assert sum(end - start for start, end in holes) == pytest.approx(back_s - died_s, abs=0.3)
    stats = watcher.source.stats()
    assert stats.connections == 2
    assert stats.failures >= 1


def test_a_camera_that_stalls_is_noticed_and_opened_again(
    camera_server: Callable[..., Any], wait: Callable[..., None]
) -> None:
    server = camera_server("--gop", "25")
    watcher = Watcher(server.url)
    wait(lambda: len(watcher.packets) >= 30)
    server.signal(signal.SIGSTOP)
    wait(lambda: not watcher.source.stats().is_connected, seconds=30)
    held = len(watcher.packets)
    server.signal(signal.SIGCONT)
    wait(lambda: len(watcher.packets) >= held + 30, seconds=40)
    watcher.stop()
    assert watcher.source.stats().connections >= 2


def test_a_camera_that_starts_late_is_waited_for(
    camera_server: Callable[..., Any], wait: Callable[..., None]
) -> None:
    server = camera_server()
    server.kill()
    watcher = Watcher(server.url)
    wait(lambda: watcher.source.stats().failures >= 2)
    assert watcher.source.stats().last_error == "Connection refused"
    server.start()
    wait(lambda: len(watcher.packets) >= 10, seconds=40)
    watcher.stop()


def test_a_login_is_read_from_a_file_and_never_told(
    camera_server: Callable[..., Any], wait: Callable[..., None], tmp_path: Path
) -> None:
    server = camera_server("--user", "cam", "--password", "hunter2")
    file = tmp_path / "login"
    file.write_text("cam:hunter2\n")
    file.chmod(0o600)
    watcher = Watcher(server.url, login=read_login(file))
    wait(lambda: len(watcher.packets) >= 10)
    watcher.stop()
    told = f"{watcher.source.stats()} {watcher.source!r} {watcher.source.description}"
    assert "hunter2" not in told
    wrong = LiveVideo(server.url.replace("rtsp://", "rtsp://cam:wrongpass@"))
    with pytest.raises(InputOutputError, match=r"(?i)unauthorized") as caught:
        wrong.probe()
    assert "wrongpass" not in repr(caught.value) + str(caught.value.__context__)


def test_av_itself_would_have_told_the_password() -> None:
    """Why nothing of PyAV's own messages is passed on: this is what they hold."""
    with pytest.raises(av.FFmpegError, match="hunter2"):
        av.open("rtsp://cam:hunter2@127.0.0.1:1/cam")


def test_a_clip_is_cut_from_a_live_camera(
    camera_server: Callable[..., Any], wait: Callable[..., None]
) -> None:
    import numpy as np

    from noisewatch.capture.media import make_clip

    watcher = Watcher(camera_server("--gop", "25", "--size", "640x360").url)
    wait(lambda: len(watcher.packets) >= 320, seconds=60)
    watcher.stop()
    estimator = OffsetEstimator()
    ring = VideoRing(seconds=60, max_bytes=10**8)
    zero_s = watcher.packets[0].monotonic_ns / 1e9
    for packet in watcher.packets:
        ring.push(estimator.map(packet.stream_s, packet.monotonic_ns / 1e9) - zero_s, packet)
    window = clip_window(peak_sample=7 * 48_000, rate_hz=48_000)
    window = snap_to_frame(window, frame_times_s=ring.read(0.7, 1.3).frame_times_s)
    held = ring.read(window.start_s, window.end_sample / 48_000)
    silence = np.zeros((1, 480_000), np.float32)
    clip = make_clip(window=window, samples=silence, audio_rate_hz=48_000, packets=held.packets)
    about = clip.description_original
    assert about["frames"] in (249, 250, 251)
    assert about["missing_frames"] <= 2
    assert about["samples"] == 480_000
