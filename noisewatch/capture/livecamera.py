"""A live camera: RTSP over TCP, V4L2, or FFmpeg's test sources on the path of V4L2.

The caller's thread reads; there is no thread here. A camera that dies ends its stream without an exception,
one that stalls would block for ever, and every exception of PyAV carries the whole URL with its password: all
three are handled here, and nothing that leaves this module holds a credential. Packets carry their arrival
on the monotonic clock; what a hostile stream claims of its own time is bounded by `clock.OffsetEstimator`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from noisewatch.capture.clock import CameraClock
from noisewatch.capture.packet import camera_clock_ns, format_of, to_packet
from noisewatch.capture.soundtrack import plain
from noisewatch.errors import (
    InputError,
    InputOutputError,
    MissingInputError,
    UsageError,
)
from noisewatch.records import VideoFormat, VideoPacket

if TYPE_CHECKING:
    import av

BACK_OFF_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
OPEN_TIMEOUT_S = 5.0
#: A packet beyond this is no picture of a roadside camera.
MAXIMUM_PACKET_BYTES = 16 * 1024 * 1024
#: A stream that steps by more than this from packet to packet is counted as jumping.
JUMP_S = 10.0
RAW_CODECS = ("rawvideo", "wrapped_avframe")
_RTSP_OPTIONS = {"rtsp_transport": "tcp", "fflags": "nobuffer", "analyzeduration": "500000"}
_V4L2_CHOICES: tuple[dict[str, str], ...] = ({"input_format": "h264"}, {"input_format": "mjpeg"}, {})


@dataclass(frozen=True, slots=True)
class CameraStats:
    """What happened on a live camera so far. `last_error` is in plain words and holds no credential.

    `clocked` packets told when they were captured by the camera's own clock, `disbelieved` ones told what
    cannot be.
    """

    packets: int
    connections: int
    failures: int
    jumps: int
    skipped: int
    is_connected: bool
    last_error: str | None
    clocked: int = 0
    disbelieved: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """User and password; the password is never shown."""

    user: str
    password: str = field(repr=False)


class LiveVideo:
    """A live camera that is opened again whenever it goes away.

    Parameters
    ----------
    spec : str
        ``rtsp://…``, ``/dev/videoN`` or ``lavfi:GRAPH``.
    login : Login, optional
        User and password of an RTSP camera.
    read_timeout_s : float
        Silence after which the camera is opened again. FFmpeg takes up to twice as long to notice.

    Raises
    ------
    MissingInputError
        When a ``/dev/video`` device is not there.
    UsageError
        When a source that takes no login is given one.
    """

    is_live = True

    def __init__(self, spec: str, *, login: Login | None = None, read_timeout_s: float = 2.0) -> None:
        self.description = describe(spec)
        self.read_timeout_s = read_timeout_s
        self._spec = spec if login is None else with_login(spec, login)
        self._format: VideoFormat | None = None
        self._closing = threading.Event()
        self._packets = self._connections = self._failures = self._jumps = self._skipped = 0
        self._is_connected = False
        self._last_error: str | None = None
        self._camera_clock = CameraClock()
        self._clocked = 0
        if spec.startswith("/dev/") and not Path(spec).exists():
            raise MissingInputError("there is no such camera", where=spec)

    @property
    def format(self) -> VideoFormat | None:
        """Format of the present connection, or of the last one."""
        return self._format

    def probe(self) -> VideoFormat:
        """Connect once, say what the camera sends, and hang up.

        Raises
        ------
        InputOutputError
            When it cannot be reached or sends no picture; names the reason, never the credentials.
        """
        container = self._connect()
        if container is None or self._format is None:
            raise InputOutputError(f"cannot be reached: {self._last_error}", where=self.description)
        container.close()
        self._is_connected = False
        return self._format

    def packets(self) -> Iterator[VideoPacket]:
        """Yield packets from a keyframe on, until `close`; reconnects with growing pauses."""
        attempt = 0
        while not self._closing.is_set():
            container = self._connect()
            if container is not None:
                before = self._packets
                try:
                    yield from self._read(container)
                finally:
                    self._is_connected = False
                    container.close()
                if self._packets > before:
                    attempt = 0
            self._closing.wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])
            attempt += 1

    def close(self) -> None:
        """End `packets`, which notices within twice the read timeout at the latest."""
        self._closing.set()

    def stats(self) -> CameraStats:
        """Return what happened so far."""
        return CameraStats(
            packets=self._packets,
            connections=self._connections,
            failures=self._failures,
            jumps=self._jumps,
            skipped=self._skipped,
            is_connected=self._is_connected,
            last_error=self._last_error,
            clocked=self._clocked,
            disbelieved=self._camera_clock.disbelieved,
        )

    def _connect(self) -> av.container.InputContainer | None:
        """Open the camera, or note in plain words why that failed."""
        for where, input_format, options in self._ways():
            container = self._try_open(where, input_format, options)
            if container is None:
                continue
            if not container.streams.video:
                container.close()
                self._note_failure("sends no picture")
                continue
            try:
                self._format = format_of(container.streams.video[0], where=self.description)
            except InputError as error:
                container.close()
                self._note_failure(error.what)
                continue
            self._connections += 1
            self._is_connected = True
            return container
        return None

    def _try_open(
        self, where: str, input_format: str | None, options: dict[str, str]
    ) -> av.container.InputContainer | None:
        import av

        try:
            return av.open(
                where, format=input_format, options=options, timeout=(OPEN_TIMEOUT_S, self.read_timeout_s)
            )
        except av.FFmpegError as error:
            self._note_failure(plain(error))
        return None

    def _note_failure(self, reason: str) -> None:
        self._failures += 1
        self._last_error = reason

    def _ways(self) -> list[tuple[str, str | None, dict[str, str]]]:
        """Return what to open, as which format, with which options; in order of preference."""
        if self._spec.startswith("lavfi:"):
            return [(self._spec.removeprefix("lavfi:"), "lavfi", {})]
        if self._spec.startswith("/dev/"):
            return [(self._spec, "v4l2", dict(choice)) for choice in _V4L2_CHOICES]
        return [(self._spec, None, dict(_RTSP_OPTIONS))]

    def _read(self, container: av.container.InputContainer) -> Iterator[VideoPacket]:
        """Yield one connection's packets; ends when the camera does."""
        import av

        stream = container.streams.video[0]
        raw = _RawEncoder(stream) if stream.codec_context.name in RAW_CODECS else None
        has_keyframe = False
        last_pts: int | None = None
        demuxed = container.demux(stream)
        while not self._closing.is_set():
            try:
                packet = next(demuxed)
                arrived_ns = time.monotonic_ns()
                ready = [packet] if raw is None else raw.encode(packet)
            except StopIteration:
                self._note_failure("the stream ended")
                return
            except av.FFmpegError as error:
                self._note_failure(plain(error))
                return
            if packet.size == 0 and packet.dts is None:
                self._note_failure("the camera hung up")
                return
            video_format = self._format if raw is None else raw.format
            for item in ready:
                has_keyframe = has_keyframe or item.is_keyframe
                if not self._is_usable(item, has_keyframe=has_keyframe) or video_format is None:
                    self._skipped += 1
                    continue
                record = to_packet(
                    item,
                    video_format,
                    monotonic_ns=arrived_ns,
                    captured_ns=self._captured_ns(item, arrived_ns),
                )
                self._count_jump(record, last_pts)
                last_pts = record.pts
                self._packets += 1
                yield record

    def _captured_ns(self, packet: av.Packet[Any], arrived_ns: int) -> int | None:
        """Return when the camera says the picture was taken, on the monotonic clock; None without a word."""
        camera_utc_ns = camera_clock_ns(packet)
        if camera_utc_ns is None:
            return None
        utc_ahead_ns = time.time_ns() - time.monotonic_ns()
        captured_ns = self._camera_clock.captured_ns(
            camera_utc_ns, arrived_ns=arrived_ns, utc_ahead_ns=utc_ahead_ns
        )
        self._clocked += captured_ns is not None
        return captured_ns

    @staticmethod
    def _is_usable(packet: av.Packet[Any], *, has_keyframe: bool) -> bool:
        return has_keyframe and packet.pts is not None and 0 < packet.size <= MAXIMUM_PACKET_BYTES

    def _count_jump(self, packet: VideoPacket, last_pts: int | None) -> None:
        tick_s = packet.format.time_base_num / packet.format.time_base_den
        if last_pts is not None and abs(packet.pts - last_pts) * tick_s > JUMP_S:
            self._jumps += 1


class _RawEncoder:
    """Encodes what a camera sends raw, so that a ring holds it: a second of 720p is 35 MB otherwise."""

    def __init__(self, stream: av.VideoStream) -> None:
        import av

        rate = stream.average_rate or Fraction(25)
        codec = stream.codec_context
        encoder = av.CodecContext.create("libx264", "w")
        if not isinstance(encoder, av.VideoCodecContext):
            raise TypeError("libx264 is no codec of pictures")
        encoder.width, encoder.height = codec.width - codec.width % 2, codec.height - codec.height % 2
        encoder.pix_fmt = "yuv420p"
        encoder.time_base = stream.time_base or Fraction(1, 90_000)
        encoder.framerate = rate
        encoder.gop_size = max(1, round(rate))
        encoder.max_b_frames = 0
        encoder.thread_count = 1
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
        self._encoder = encoder
        self.format = VideoFormat(
            codec="h264",
            extradata=b"",
            width=encoder.width,
            height=encoder.height,
            time_base_num=encoder.time_base.numerator,
            time_base_den=encoder.time_base.denominator,
        )

    def encode(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        """Return the encoded packets of one raw one."""
        if packet.size == 0:
            return []
        encoded: list[av.Packet[Any]] = []
        for frame in packet.decode():
            fresh = frame.reformat(width=self.format.width, height=self.format.height, format="yuv420p")
            fresh.pts, fresh.time_base = packet.pts, self._encoder.time_base
            encoded += self._encoder.encode(fresh)
        return encoded


def describe(spec: str) -> str:
    """Return a camera's name without credentials: no user, no password, no query, no telling path.

    Examples
    --------
    >>> describe("rtsp://admin:secret@10.0.0.5:554/stream1?token=abc")
    'camera 10.0.0.5:554/stream1'
    >>> describe("rtsp://10.0.0.5/user=admin_password=secret")
    'camera 10.0.0.5'
    >>> describe("/dev/video0")
    'camera /dev/video0'
    """
    if "://" not in spec or spec.startswith("lavfi:"):
        return f"camera {spec}"
    parts = urlsplit(spec)
    host = parts.netloc.rpartition("@")[2]
    is_telling = any(mark in parts.path for mark in "=:@&;%")
    return f"camera {host}{'' if is_telling else parts.path}"


def with_login(spec: str, login: Login) -> str:
    """Return the URL of a camera with a login in it; never to be shown.

    Raises
    ------
    UsageError
        When the source is no RTSP camera.

    Examples
    --------
    >>> with_login("rtsp://192.0.2.1/1", Login("admin", "p@ss"))
    'rtsp://admin:p%40ss@192.0.2.1/1'
    """
    if not spec.startswith(("rtsp://", "rtsps://")):
        raise UsageError("only an rtsp:// camera takes credentials")
    parts = urlsplit(spec)
    host = parts.netloc.rpartition("@")[2]
    place = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}@{host}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
