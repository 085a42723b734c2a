"""Where pictures come in: files, a camera on the network, a camera on a cable.

Packets stay encoded; nothing is decoded while nothing happens. For files a packet's `monotonic_ns` is its
presentation time on the street, whose zero is the first sample of the sound in the same file. For live
sources it is the time of arrival, and `clock.StreetClock` brings it to the street.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from noisewatch.capture.packet import format_of, to_packet
from noisewatch.capture.soundtrack import (
    check_file,
    open_container,
    plain,
    sound_length_samples,
    sound_start_s,
)
from noisewatch.errors import InputError, UsageError
from noisewatch.records import VideoFormat, VideoPacket

if TYPE_CHECKING:
    import av

    from noisewatch.capture.livecamera import Login

#: A file may announce a little more than it shows without having been cut off.
ANNOUNCED_SLACK_S = 1.0


class VideoSource(Protocol):
    """A stream of encoded pictures.

    `format` is None until a live source has been reached, and may change when it comes back; every packet
    carries its own. `description` never holds credentials.
    """

    description: str
    is_live: bool

    @property
    def format(self) -> VideoFormat | None:
        """What the last packets were, or will be."""

    def packets(self) -> Iterator[VideoPacket]:
        """Yield packets in decoding order, until the stream ends or is closed."""

    def close(self) -> None:
        """Stop. May be called from another thread, and twice."""


def open_video(spec: str, *, login: Login | None = None, read_timeout_s: float = 2.0) -> VideoSource:
    """Open a source of pictures.

    Parameters
    ----------
    spec : str
        A path, ``rtsp://…`` (over TCP), ``/dev/videoN`` (V4L2), or ``lavfi:GRAPH``, FFmpeg's test sources
        on the code path of V4L2.
    login : Login, optional
        User and password of an RTSP camera.
    read_timeout_s : float
        A live stream that is silent for longer is opened again.

    Raises
    ------
    MissingInputError
        When there is no such file or device.
    InputError
        When a file holds no picture.
    """
    if is_live_spec(spec):
        from noisewatch.capture.livecamera import LiveVideo

        return LiveVideo(spec, login=login, read_timeout_s=read_timeout_s)
    return FileVideo([Path(spec)])


def open_video_files(specs: Sequence[str], *, starts_s: Sequence[float] | None = None) -> VideoSource:
    """Open several files as one continuous picture.

    Parameters
    ----------
    specs : sequence of str
        Paths, in order.
    starts_s : sequence of float, optional
        When each file begins on the street. By default a file begins where the sound in the files before it
        ends, counted in samples; a file without sound lasts as long as its picture.
    """
    if not specs:
        raise UsageError("no video file was named")
    if len(specs) == 1 and starts_s is None:
        return open_video(specs[0])
    for spec in specs:
        if is_live_spec(spec):
            raise UsageError("a live camera cannot stand in a row of files")
    return FileVideo([Path(spec) for spec in specs], starts_s=starts_s)


def is_live_spec(spec: str) -> bool:
    """Return whether a spec names something live.

    Examples
    --------
    >>> [is_live_spec(spec) for spec in ("rtsp://cam/1", "/dev/video0", "lavfi:testsrc2", "/dev/shm/a.mp4")]
    [True, True, True, False]
    """
    return spec.startswith(("rtsp://", "rtsps://", "lavfi:", "/dev/video"))


class FileVideo:
    """Video files in a row, demuxed only."""

    is_live = False

    def __init__(self, paths: Sequence[Path], *, starts_s: Sequence[float] | None = None) -> None:
        if starts_s is not None and len(starts_s) != len(paths):
            raise UsageError(f"{len(paths)} video files but {len(starts_s)} starts")
        self.paths = tuple(paths)
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        self.description = f"{self.paths[0].name}{more}"
        self._starts_s = None if starts_s is None else tuple(starts_s)
        self._is_closed = False
        formats = []
        for path in self.paths:
            with _open_pictures(path) as container:
                formats.append(format_of(container.streams.video[0], where=path))
        self._format = formats[0]

    @property
    def format(self) -> VideoFormat | None:
        """Format of the file that is being read."""
        return self._format

    def packets(self) -> Iterator[VideoPacket]:
        """Yield all packets with their presentation time on the street in `monotonic_ns`."""
        start_s = 0.0
        for index, path in enumerate(self.paths):
            if self._is_closed:
                return
            if self._starts_s is not None:
                start_s = self._starts_s[index]
            yield from self._packets_of(path, start_s)
            if self._starts_s is None and index + 1 < len(self.paths):
                start_s += _length_s(path)

    def _packets_of(self, path: Path, start_s: float) -> Iterator[VideoPacket]:
        import av

        sound_zero_s = sound_start_s(path)
        with _open_pictures(path) as container:
            stream = container.streams.video[0]
            self._format = format_of(stream, where=path)
            tick_s = self._format.time_base_num / self._format.time_base_den
            zero_s = sound_zero_s
            shown_s = 0.0
            packets = container.demux(stream)
            while not self._is_closed:
                try:
                    packet = next(packets)
                except StopIteration:
                    break
                except av.FFmpegError as error:
                    raise InputError(f"is damaged at {shown_s:.3f} s: {plain(error)}", where=path) from None
                if packet.size == 0 or packet.pts is None:
                    continue
                if zero_s is None:
                    first = stream.start_time if stream.start_time is not None else packet.pts
                    zero_s = first * tick_s
                street_s = start_s + packet.pts * tick_s - zero_s
                shown_s = max(shown_s, packet.pts * tick_s)
                yield to_packet(packet, self._format, monotonic_ns=round(street_s * 1e9))
            if not self._is_closed and stream.duration is not None:
                _check_length(path, shown_s=shown_s, announced_s=stream.duration * tick_s)

    def close(self) -> None:
        """End the stream after the present packet."""
        self._is_closed = True


def _open_pictures(path: Path) -> av.container.InputContainer:
    import av

    check_file(path)
    try:
        container = open_container(path)
    except av.FFmpegError as error:
        raise InputError(f"is no video that can be read: {plain(error)}", where=path) from None
    if not container.streams.video:
        container.close()
        raise InputError("has no picture", where=path, remedy="name a video with --video, or leave it out")
    return container


def _length_s(path: Path) -> float:
    """Return how long a file lasts on the street: its sound, else its picture."""
    if sound_start_s(path) is not None:
        samples, rate_hz = sound_length_samples(path)
        return samples / rate_hz
    with _open_pictures(path) as container:
        stream = container.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return (container.duration or 0) / 1e6


def _check_length(path: Path, *, shown_s: float, announced_s: float) -> None:
    if shown_s < announced_s - ANNOUNCED_SLACK_S:
        raise InputError(
            f"is cut off at {shown_s:.3f} s of the {announced_s:.3f} s that it announces", where=path
        )
