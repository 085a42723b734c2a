"""Live cameras: the V4L2 path by FFmpeg's own test sources, and nothing that leaks a password."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
import time
from pathlib import Path

import pytest

from noisewatch.capture.camera import open_video
from noisewatch.capture.livecamera import LiveVideo, Login, describe, with_login
from noisewatch.capture.picture import pictures, plan_pictures
from noisewatch.errors import (
    InputOutputError,
    MissingInputError,
    UsageError,
)

SOURCE = "lavfi:testsrc2=s=320x240:r=25"


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_raw_pictures_are_encoded_on_arrival_and_can_be_decoded() -> None:
    camera = open_video(SOURCE)
    assert camera.is_live
    assert camera.format is None
    packets = list(itertools.islice(camera.packets(), 60))
    camera.close()
    assert packets[0].is_keyframe
    assert packets[0].format.codec == "h264"
    assert [round(p.stream_s * 25) for p in packets] == list(range(60))
    assert all(a.monotonic_ns <= b.monotonic_ns for a, b in itertools.pairwise(packets))
    assert sum(len(p.data) for p in packets) < 60 * 320 * 240
    timed = [(p.stream_s, p) for p in packets]
    plan = plan_pictures(timed, start_s=0.0, end_s=2.4)
    shown = list(pictures(timed, plan=plan, start_s=0.0, mask=None))
    assert len(shown) == plan.promised_frames == 60


def test_a_camera_that_ends_is_opened_again() -> None:
    camera = LiveVideo("lavfi:testsrc2=s=64x64:r=25:d=0.2")
    packets = list(itertools.islice(camera.packets(), 12))
    camera.close()
    assert [round(p.stream_s * 25) for p in packets] == [0, 1, 2, 3, 4] * 2 + [0, 1]
    stats = camera.stats()
    assert stats.connections == 3
    assert stats.last_error is not None
    assert not stats.is_connected or stats.packets == 12


def test_close_ends_the_stream_from_another_thread_and_leaks_nothing() -> None:
    files = len(list(Path("/proc/self/fd").iterdir()))
    threads = threading.active_count()
    for _ in range(3):
        camera = open_video(f"{SOURCE},realtime")
        seen = []
        reader = threading.Thread(target=lambda source=camera, into=seen: into.extend(source.packets()))
        reader.start()
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:
            time.sleep(0.01)
        camera.close()
        reader.join(timeout=20)
        assert not reader.is_alive()
        assert seen
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    assert threading.active_count() == threads


def test_a_camera_that_nobody_serves_is_named_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    camera = LiveVideo(f"rtsp://admin:hunter2@127.0.0.1:{closed_port()}/cam?token=hunter2")
    with pytest.raises(InputOutputError, match="cannot be reached: Connection refused") as caught:
        camera.probe()
    told = [str(caught.value), repr(camera), camera.description, str(camera.stats()), caplog.text]
    error: BaseException | None = caught.value
    while error is not None:
        told.append(repr(error))
        error = error.__context__
    assert not any("hunter2" in text for text in told)
    assert caught.value.exit_code == 74


def test_a_server_that_speaks_no_rtsp_is_survived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(b"X-Endless: 1\r\n" * 10_000)

        talker = threading.Thread(target=answer)
        talker.start()
        camera = LiveVideo(f"rtsp://127.0.0.1:{port}/cam", read_timeout_s=1.0)
        with pytest.raises(InputOutputError, match="cannot be reached"):
            camera.probe()
        talker.join(timeout=20)
        assert not talker.is_alive()


def test_a_camera_that_is_not_plugged_in_is_missing() -> None:
    with pytest.raises(MissingInputError, match="/dev/video99: there is no such camera"):
        open_video("/dev/video99")


def test_a_login_goes_into_the_address_and_is_never_shown() -> None:
    login = Login("admin", "p@ss/w:rd")
    url = with_login("rtsp://10.0.0.5:554/stream1?x=1", login)
    assert url == "rtsp://admin:p%40ss%2Fw%3Ard@10.0.0.5:554/stream1?x=1"
    camera = LiveVideo("rtsp://10.0.0.5:554/stream1", login=login)
    assert camera.description == "camera 10.0.0.5:554/stream1"
    assert "p@ss" not in f"{login!r} {camera!r} {camera.stats()}"


def test_only_a_camera_on_the_network_takes_a_login() -> None:
    with pytest.raises(UsageError, match="only an rtsp") as caught:
        LiveVideo("/dev/video0", login=Login("admin", "p@ss"))
    assert "p@ss" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        "rtsp://u:hunter2@h/x",
        "rtsp://h/user=u_password=hunter2",
        "rtsp://h/x?password=hunter2",
        "rtsp://u:hunter2@[::1]:554/x#hunter2",
        "rtsps://u:hunt@hunter2@h/x",
    ],
)
def test_no_description_holds_a_password(spec: str) -> None:
    assert "hunter2" not in describe(spec)
