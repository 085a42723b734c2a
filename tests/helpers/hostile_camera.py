"""An RTSP camera of a few lines that sends what no honest camera sends: RTP over TCP, H.264, on loopback."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from types import TracebackType

import av
import numpy as np

#: NAL units of one access unit, and its RTP time stamp.
AccessUnit = tuple[list[bytes], int]
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=hostile\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "c=IN IP4 127.0.0.1\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n"
)
LARGEST = 1_400


def encoded(*, width: int = 128, height: int = 96, frames: int = 50, b_frames: int = 0) -> list[AccessUnit]:
    """Real H.264 of noise, 25 frames a second, one group of pictures."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"preset": "ultrafast", "bf": str(b_frames), "g": str(frames), "crf": "35"}
    rng = np.random.default_rng(1)
    packets = []
    for number in range(frames):
        picture = av.VideoFrame.from_ndarray(
            rng.integers(0, 255, (height, width, 3), np.uint8), format="rgb24"
        )
        picture.pts = number
        packets += encoder.encode(picture.reformat(format="yuv420p"))
    packets += encoder.encode(None)
    return [(nal_units(bytes(packet)), int(packet.pts or 0) * 3_600) for packet in packets]


def nal_units(data: bytes) -> list[bytes]:
    """Split Annex B into NAL units."""
    return [part.rstrip(b"\0") for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]


def repeated(units: list[AccessUnit]) -> Iterator[AccessUnit]:
    """The same pictures over and over, as an honest camera would time them."""
    length = max(stamp for _, stamp in units) + 3_600
    for turn in itertools.count():
        for nals, stamp in units:
            yield nals, turn * length + stamp


class HostileCamera:
    """Serves one stream to whoever connects; a context manager."""

    def __init__(self, stream: Callable[[], Iterable[AccessUnit]], *, step_s: float = 0.01) -> None:
        self._stream = stream
        self._step_s = step_s
        self._ending = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.2)
        self.connections = 0
        self.url = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/cam"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> HostileCamera:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._server.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            self.connections += 1
            worker = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            worker.start()
            self._threads.append(worker)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5.0)
        with connection:
            try:
                while self._answer(connection) != "PLAY":
                    pass
                self._play(connection)
            except OSError:
                return  # the client has had enough

    def _answer(self, connection: socket.socket) -> str:
        request = b""
        while b"\r\n\r\n" not in request:
            more = connection.recv(4_096)
            if not more:
                raise ConnectionError("hung up")
            request += more
        lines = request.decode("latin-1").split("\r\n")
        method = lines[0].split(" ")[0]
        number = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq"))
        answer = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n"
        if method == "DESCRIBE":
            answer += f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
        elif method == "SETUP":
            answer += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        else:
            answer += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"
        connection.sendall(answer.encode())
        return method

    def _play(self, connection: socket.socket) -> None:
        numbers = itertools.count()
        for nals, stamp in self._stream():
            if self._ending.is_set():
                return
            for index, nal in enumerate(nals):
                for payload, is_last in fragments(nal):
                    marker = 0x80 if is_last and index == len(nals) - 1 else 0
                    head = struct.pack(">BBHII", 0x80, 96 | marker, next(numbers) % 65_536, stamp % 2**32, 7)
                    rtp = head + payload
                    connection.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
            time.sleep(self._step_s)


def fragments(nal: bytes) -> Iterator[tuple[bytes, bool]]:
    """RTP payloads of one NAL unit (RFC 6184): whole, or FU-A."""
    if len(nal) <= LARGEST:
        yield nal, True
        return
    indicator, kind = (nal[0] & 0x60) | 28, nal[0] & 0x1F
    for start in range(1, len(nal), LARGEST):
        part = nal[start : start + LARGEST]
        is_last = start + LARGEST >= len(nal)
        flags = (0x80 if start == 1 else 0) | (0x40 if is_last else 0)
        yield bytes([indicator, flags | kind]) + part, is_last
