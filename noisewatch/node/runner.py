"""Pumps sound and picture through the pipeline, at the pace of life or as fast as it goes.

The main thread runs the pipeline; a live source reads on a thread of its own, and what touches the disk
happens on others (``latework``), so that no slow disk or encoder ever delays the microphone. Files need no
thread for the picture: it is read just ahead of the sound, and a file gives the same events at any pace.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from noisewatch.capture.camera import VideoSource
from noisewatch.capture.clock import StreetClock
from noisewatch.capture.microphone import AudioSource
from noisewatch.errors import NoisewatchError
from noisewatch.node.latework import LateWork, Step
from noisewatch.node.pipeline import Pipeline, ReadyClip
from noisewatch.records import AudioBlock, VideoPacket

#: How far the picture of a file is read ahead of its sound, in seconds.
PICTURE_LEAD_S = 2.0
#: Packets and blocks that may wait between a live source and the pipeline.
LIVE_QUEUE = 4096
#: How often housekeeping (retention) is called while a stream goes on, in seconds.
HOUSEKEEPING_S = 3600.0
#: How long the pipeline waits for the next live block before it looks around.
PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Effects:
    """What the runner asks the outside to do.

    ``seal`` takes a clip that is ready, records it at once and returns the step that comes next; ``refuse``
    takes one for which there was no room (without its sound and picture), ``housekeep`` runs at least hourly.
    These run on threads of their own. ``report`` gets a line for people. ``beat`` is called after each
    block that was processed, ``ending`` when the stream is over and the last clips are about to be sealed;
    both must be quick.
    """

    seal: Callable[[ReadyClip], Step | None]
    refuse: Callable[[ReadyClip, str], None]
    housekeep: Callable[[], None]
    report: Callable[[str], None]
    beat: Callable[[], None] = lambda: None
    ending: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run went; ``error`` is what ended the stream early, if anything did.

    ``late_clips`` had no room and left a record only, ``late_records`` not even that; ``most_held`` clips
    were in memory at once.
    """

    duration_s: float
    lost_samples: int
    speed_x: float
    error: NoisewatchError | None
    late_clips: int = 0
    late_records: int = 0
    most_held: int = 0


class Runner:
    """Runs one pipeline over one pair of sources until they end or :meth:`stop` is called.

    Parameters
    ----------
    pipeline : Pipeline
        Where sound and picture go.
    audio : AudioSource
        The sound.
    video : VideoSource or None
        The picture.
    effects : Effects
        What happens outside.
    at_real_pace : bool
        Whether files are played at the pace of life.
    picture_offset_s : float
        Measured audio-video offset of a live chain.
    late : LateWork, optional
        Where work goes that may be late; closed at the end of the run.
    clock : StreetClock, optional
        Places pictures on the street; by default one that knows `picture_offset_s` only.
    look : callable
        Called at every block; must be quick.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        audio: AudioSource,
        video: VideoSource | None,
        effects: Effects,
        at_real_pace: bool,
        picture_offset_s: float = 0.0,
        late: LateWork | None = None,
        clock: StreetClock | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._pipeline = pipeline
        self._audio = audio
        self._video = video
        self._effects = effects
        self._at_real_pace = at_real_pace
        self._is_live = audio.is_live or (video is not None and video.is_live)
        self._look = look
        self._clock = clock or StreetClock(
            rate_hz=audio.rate_hz,
            is_live=video is not None and video.is_live,
            picture_offset_s=picture_offset_s,
        )
        self._picture_error: NoisewatchError | None = None
        self._stopping = threading.Event()
        self._late = late or LateWork()
        self._late_clips = 0
        self._housekeeping_due = time.monotonic() + HOUSEKEEPING_S

    @property
    def pipeline(self) -> Pipeline:
        """What the sources go through."""
        return self._pipeline

    @property
    def late_clips(self) -> int:
        """Clips for which there was no room so far."""
        return self._late_clips

    @property
    def waiting_clips(self) -> int:
        """Clips that are held until they are sealed."""
        return self._late.held

    def stop(self) -> None:
        """End soon and cleanly: what was recorded is sealed, what did not match is gone."""
        self._stopping.set()

    def run(self) -> RunSummary:
        """Run to the end of the sources; return how it went.

        An error of a source ends the stream, not the work: what had been recorded by then is sealed first.
        """
        started = time.monotonic()
        error: NoisewatchError | None = None
        try:
            if self._is_live:
                self._run_live()
            else:
                self._run_files()
        except NoisewatchError as problem:
            error = problem
        self._effects.ending()
        for clip in self._pipeline.finish():
            self._put(clip, wait=True)
        self._late.close()
        duration_s = self._pipeline.end_sample / self._audio.rate_hz
        elapsed_s = max(time.monotonic() - started, 1e-9)
        return RunSummary(
            duration_s=duration_s,
            lost_samples=self._pipeline.lost_samples,
            speed_x=duration_s / elapsed_s,
            error=error or self._picture_error,
            late_clips=self._late_clips,
            late_records=self._late.dropped,
            most_held=self._late.most_held,
        )

    def _put(self, clip: ReadyClip, *, wait: bool) -> None:
        """Queue a clip; where there is no room only its record, without sound and picture."""
        if self._late.put(lambda: self._effects.seal(clip), wait=wait):
            return
        self._late_clips += 1
        bare = clip.without_media()
        self._late.put_small(lambda: self._effects.refuse(bare, "too many clips wait for sealing"))

    def _run_files(self) -> None:
        started = time.monotonic()
        picture = self._picture_of_file()
        try:
            for block in self._audio.blocks():
                end_s = block.end_sample / block.rate_hz
                if self._at_real_pace:
                    self._stopping.wait(max(0.0, started + end_s - time.monotonic()))
                if self._stopping.is_set():
                    break
                picture(end_s + PICTURE_LEAD_S)
                self._take_block(block)
        finally:
            self._close_sources()

    def _picture_of_file(self) -> Callable[[float], None]:
        """Return a function that feeds the pipeline all packets up to a second of the street."""
        if self._video is None:
            return lambda _: None
        packets: Iterator[VideoPacket] = self._video.packets()
        held: list[VideoPacket] = []

        def feed(until_s: float) -> None:
            try:
                for packet in itertools.chain(held[:], packets):
                    held.clear()
                    street_s = packet.monotonic_ns / 1e9
                    if street_s > until_s:
                        held.append(packet)
                        return
                    self._pipeline.push_video(street_s, packet)
            except NoisewatchError as error:
                # a picture that breaks off ends the picture, not the sound
                self._picture_error = error
                self._effects.report(f"the picture ended: {error.line()}")
            self._pipeline.end_video()

        return feed

    def _run_live(self) -> None:
        inbox: queue.Queue[AudioBlock | VideoPacket | NoisewatchError | None] = queue.Queue(LIVE_QUEUE)
        threads = [self._reader(self._audio.blocks, inbox, is_sound=True)]
        if self._video is not None:
            threads.append(self._reader(self._video.packets, inbox, is_sound=False))
        try:
            while not self._stopping.is_set():
                try:
                    item = inbox.get(timeout=PATIENCE_S)
                except queue.Empty:
                    self._look_after()
                    continue
                if item is None:
                    break
                if isinstance(item, NoisewatchError):
                    raise item
                if isinstance(item, AudioBlock):
                    self._take_block(item)
                else:
                    self._take_packet(item)
        finally:
            self._stopping.set()
            self._close_sources()
            for thread in threads:
                thread.join(timeout=10.0)

    def _reader(
        self,
        read: Callable[[], Iterator[AudioBlock]] | Callable[[], Iterator[VideoPacket]],
        inbox: queue.Queue[AudioBlock | VideoPacket | NoisewatchError | None],
        *,
        is_sound: bool,
    ) -> threading.Thread:
        def work() -> None:
            last: NoisewatchError | None = None
            started = time.monotonic()
            try:
                for item in read():
                    if self._stopping.is_set():
                        return
                    self._wait_for_its_time(item, started)
                    self._offer(inbox, item)
            except NoisewatchError as error:
                last = error
            if is_sound:
                self._offer(inbox, last)
            elif last is not None:
                self._effects.report(f"the picture ended: {last.line()}")

        thread = threading.Thread(target=work, name="sound" if is_sound else "picture", daemon=True)
        thread.start()
        return thread

    def _wait_for_its_time(self, item: AudioBlock | VideoPacket, started: float) -> None:
        """Let a file that runs beside a live source come at the pace of life."""
        source = self._audio if isinstance(item, AudioBlock) else self._video
        if source is not None and not source.is_live:
            self._stopping.wait(max(0.0, started + item.monotonic_ns / 1e9 - time.monotonic()))

    def _offer(
        self,
        inbox: queue.Queue[AudioBlock | VideoPacket | NoisewatchError | None],
        item: AudioBlock | VideoPacket | NoisewatchError | None,
    ) -> None:
        while not self._stopping.is_set():
            try:
                inbox.put(item, timeout=PATIENCE_S)
            except queue.Full:
                continue
            return

    def _take_block(self, block: AudioBlock) -> None:
        # a file that is played beside a live camera arrives when it is played
        played_ns = None if self._audio.is_live else time.monotonic_ns()
        self._clock.observe(block, arrived_ns=played_ns)
        self._pipeline.push_audio(block)
        for clip in self._pipeline.ready():
            self._put(clip, wait=not self._is_live)
        self._look_after()
        self._effects.beat()

    def _take_packet(self, packet: VideoPacket) -> None:
        street_s = self._clock.street_s(packet)
        if street_s is not None:
            self._pipeline.push_video(street_s, packet)

    def _look_after(self) -> None:
        self._look()
        if time.monotonic() >= self._housekeeping_due:
            self._housekeeping_due = time.monotonic() + HOUSEKEEPING_S
            self._late.put_small(self._effects.housekeep)

    def _close_sources(self) -> None:
        self._audio.close()
        if self._video is not None:
            self._video.close()
