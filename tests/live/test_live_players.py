"""Both copies play in Chromium and in VLC's library, to the end and without a complaint.

Slow, as both players are large: apt-get install chromium libvlc5 vlc-plugin-base, then
`.venv/bin/pytest -m slow tests/live/test_live_players.py`. ffprobe's opinion is asked in tests/capture.
"""

from __future__ import annotations

import ctypes.util
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noisewatch.capture.camera import open_video
from noisewatch.capture.clip import clip_window
from noisewatch.capture.media import Material, make_original, make_viewing

pytestmark = [pytest.mark.live, pytest.mark.slow]

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
RATE_HZ = 48_000

PAGE = """<!doctype html><video id=v muted autoplay src="/clip.mp4"></video><script>
const v = document.getElementById("v");
const tell = what => fetch("/told?" + encodeURIComponent(JSON.stringify(what)));
v.playbackRate = 4;
v.onerror = () => tell({error: v.error.code + " " + v.error.message});
v.onended = async () => {
  const data = await (await fetch("/clip.mp4")).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(data);
  tell({duration: v.duration, width: v.videoWidth, at: v.currentTime, sound: sound.duration,
        frames: v.getVideoPlaybackQuality().totalVideoFrames});
};
</script>"""

VLC = """
import ctypes, ctypes.util, sys, time
vlc, libc = ctypes.CDLL(ctypes.util.find_library("vlc")), ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
for name in ("new", "media_new_path", "media_player_new_from_media"):
    getattr(vlc, "libvlc_" + name).restype = ctypes.c_void_p
options = [b"--vout=dummy", b"--aout=dummy", b"--no-lua", b"--rate=4"]
instance = vlc.libvlc_new(len(options), (ctypes.c_char_p * len(options))(*options))
vlc.libvlc_log_set_file(ctypes.c_void_p(instance), ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w")))
media = vlc.libvlc_media_new_path(ctypes.c_void_p(instance), sys.argv[1].encode())
player = vlc.libvlc_media_player_new_from_media(ctypes.c_void_p(media))
vlc.libvlc_media_player_play(ctypes.c_void_p(player))
deadline, state = time.monotonic() + 60, 0
while state not in (6, 7) and time.monotonic() < deadline:
    time.sleep(0.05)
    state = vlc.libvlc_media_player_get_state(ctypes.c_void_p(player))
vlc.libvlc_media_player_release(ctypes.c_void_p(player))
vlc.libvlc_release(ctypes.c_void_p(instance))
libc.fflush(None)
print("ended" if state == 6 else f"state {state}")
"""


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both copies of one clip of the sample street."""
    folder = tmp_path_factory.mktemp("copies")
    window = clip_window(peak_sample=10 * RATE_HZ, rate_hz=RATE_HZ)
    packets = tuple((p.monotonic_ns / 1e9, p) for p in open_video(str(SAMPLES / "street.mp4")).packets())
    held = tuple(row for row in packets if row[0] < 14.0)
    samples = np.random.default_rng(1).normal(0, 0.1, (1, 480_000)).astype(np.float32)
    made = {"original": make_original, "viewing": make_viewing}
    paths = {name: folder / f"{name}.mp4" for name in made}
    for name, make in made.items():
        paths[name].write_bytes(make(Material(window, samples, held)).data)
    return paths


class Player(http.server.BaseHTTPRequestHandler):
    """Serves the page and the clip, and takes what the page tells."""

    clip: bytes
    told: list[dict[str, Any]]
    done: threading.Event

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/told":
            self.told.append(json.loads(urllib.parse.unquote(query)))
            self.done.set()
        body = {"/": PAGE.encode(), "/clip.mp4": self.clip}.get(path, b"")
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4" if path == "/clip.mp4" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def play_in_chromium(path: Path, profile: Path) -> tuple[dict[str, Any], str]:
    handler = type("Handler", (Player,), {"clip": path.read_bytes(), "told": [], "done": threading.Event()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    flags += ["--autoplay-policy=no-user-gesture-required", f"--user-data-dir={profile}"]
    browser = subprocess.Popen(
        ["chromium", *flags, f"http://127.0.0.1:{server.server_port}/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert handler.done.wait(120), "the browser told nothing"
    finally:
        browser.terminate()
        complaints = browser.communicate(timeout=30)[1]
        server.shutdown()
        server.server_close()
    return handler.told[0], complaints


@pytest.mark.parametrize("copy", ["original", "viewing"])
def test_chromium_plays_a_copy_to_its_end(
    copies: dict[str, Path], copy: str, tmp_path: Path, require_part: Callable[..., None]
) -> None:
    require_part(present=shutil.which("chromium") is not None, what="Chromium", packages="chromium")
    told, complaints = play_in_chromium(copies[copy], tmp_path)
    assert "error" not in told, told
    assert told["duration"] == pytest.approx(10.0, abs=0.001)
    assert told["at"] == pytest.approx(10.0, abs=0.05)
    assert told["sound"] == pytest.approx(10.0, abs=0.05)
    assert told["width"] == 640
    assert told["frames"] > 100
    assert not [
        line for line in complaints.splitlines() if "ffmpeg" in line.lower() or "demux" in line.lower()
    ]


@pytest.mark.parametrize("copy", ["original", "viewing"])
def test_vlcs_library_plays_a_copy_to_its_end(
    copies: dict[str, Path], copy: str, tmp_path: Path, require_part: Callable[..., None]
) -> None:
    present = ctypes.util.find_library("vlc") is not None
    require_part(present=present, what="libvlc", packages="libvlc5 vlc-plugin-base")
    log = tmp_path / "vlc.log"
    done = subprocess.run(
        [sys.executable, "-c", VLC, str(copies[copy]), str(log)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "ended", log.read_text()
    # dummy outputs may complain of themselves; what reads and decodes the file may not
    lines = log.read_text().splitlines()
    assert any("mp4" in line for line in lines), "VLC told nothing of the file"
    media = re.compile(r"(mp4|avcodec|flac|decoder|demux|packetizer)\b.* (error|warning): ")
    assert [line for line in lines if media.search(line)] == []
