"""A real sound server and a real camera server on this machine, started and stopped by the tests.

Where a part is missing the tests are left out with one line; with CI=true they fail instead.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RIGS = Path(__file__).resolve().parent / "rigs"
SYSTEM_PYTHON = "/usr/bin/python3"
GSTREAMER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def require(*, present: bool, what: str, packages: str) -> None:
    """Fail in CI where a part is missing, else leave the test out and say what is missing."""
    if present:
        return
    line = f"{what} is missing: apt-get install {packages}"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(line)
    pytest.skip(line)


def wait_for(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait until something is so; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {seconds} s")
        time.sleep(0.02)


class SoundServer:
    """A private PulseAudio daemon whose monitor is the microphone `road`."""

    def __init__(self, folder: Path, *, channels: int) -> None:
        self.folder = folder
        self.channels = channels
        self.environment: dict[str, str] = {}
        self.pid = 0

    def start(self) -> None:
        command = [str(RIGS / "start_pulse.sh"), str(self.channels), str(self.folder)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        words = shlex.split(answer.stdout)
        self.environment = dict(word.split("=", 1) for word in words if "=" in word)
        self.pid = int(self.environment["NW_PULSE_PID"])

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.pid = 0

    def signal(self, number: signal.Signals) -> None:
        if self.pid:
            os.kill(self.pid, number)

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Play a file into the microphone, in ALSA's channel order, buffered against a busy CPU."""
        maps = {1: "mono", 2: "front-left,front-right", 4: "front-left,front-right,rear-left,rear-right"}
        command = ["paplay", "--latency-msec=1000", "--no-remix", f"--channel-map={maps[self.channels]}"]
        return subprocess.Popen([*command, str(path)], env=os.environ | self.environment)


@pytest.fixture
def sound_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], SoundServer]]:
    """Start sound servers; the process sees the last one as its only source of sound."""
    tools = all(shutil.which(tool) for tool in ("pulseaudio", "paplay", "pactl"))
    packages = "pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins"
    require(present=tools, what="PulseAudio", packages=packages)
    plugins = any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    require(present=plugins, what="ALSA's plugin for PulseAudio", packages=packages)
    servers: list[SoundServer] = []

    def start(channels: int) -> SoundServer:
        # short, because a socket's path holds about a hundred characters
        server = SoundServer(Path(tempfile.mkdtemp(prefix="nw-")), channels=channels)
        server.start()
        servers.append(server)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        return server

    yield start
    for server in servers:
        server.signal(signal.SIGCONT)
        server.signal(signal.SIGTERM)
        shutil.rmtree(server.folder, ignore_errors=True)


class CameraServer:
    """An RTSP camera whose frames carry their capture time."""

    def __init__(self, folder: Path, *, options: tuple[str, ...]) -> None:
        self.folder = folder
        self.options = options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        rig = [SYSTEM_PYTHON, str(RIGS / "rtsp_server.py"), "--port", str(self.port)]
        log = (self.folder / "camera.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*rig, "--ready-file", str(ready), *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(ready.is_file)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)


@pytest.fixture
def camera_server(tmp_path: Path) -> Iterator[Callable[..., CameraServer]]:
    """Start camera servers."""
    is_there = Path(SYSTEM_PYTHON).exists()
    if is_there:
        check = subprocess.run([SYSTEM_PYTHON, "-c", GSTREAMER], capture_output=True, check=False)
        is_there = check.returncode == 0
    packages = (
        "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-{plugins-base,plugins-ugly,plugins-bad,rtsp}"
    )
    require(present=is_there, what="GStreamer's RTSP server", packages=packages)
    servers: list[CameraServer] = []

    def start(*options: str) -> CameraServer:
        server = CameraServer(tmp_path, options=options)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.signal(signal.SIGCONT)
        server.kill()


@pytest.fixture
def wait() -> Callable[..., None]:
    """Wait for a condition."""
    return wait_for


@pytest.fixture
def require_part() -> Callable[..., None]:
    """Leave a test out, or fail in CI, where a part is missing."""
    return require
