"""The runner's threads: nothing is lost while sealing stands still, and an end is always clean."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from noisewatch.errors import InputError
from noisewatch.node import runner
from noisewatch.node.latework import ROOM
from noisewatch.node.runner import Effects, Runner
from noisewatch.records import AudioBlock, VideoPacket

RATE_HZ = 8000
BLOCK = 800


class Sound:
    """A source of sound that lives, or a file; hardware that cannot fail otherwise on this machine."""

    rate_hz = RATE_HZ
    channels = 1
    description = "made up"

    def __init__(
        self, blocks: int, *, is_live: bool, breaks_off: bool = False, endless: bool = False
    ) -> None:
        self.is_live = is_live
        self.count = blocks
        self.breaks_off = breaks_off
        self.endless = endless
        self.closed = threading.Event()

    def blocks(self) -> Iterator[AudioBlock]:
        for index in range(self.count):
            samples = np.zeros((1, BLOCK), dtype=np.float32)
            yield AudioBlock(index * BLOCK, samples, RATE_HZ, time.monotonic_ns())
        if self.breaks_off:
            raise InputError("breaks off", where="made up")
        while self.endless and not self.closed.wait(0.01):
            pass

    def close(self) -> None:
        self.closed.set()


class Clip(int):
    """A clip's number."""

    def without_media(self) -> Clip:
        return self


class Street:
    """Counts what arrives; every block makes one clip."""

    def __init__(self, *, at_the_end: int = 0) -> None:
        self.end_sample = 0
        self.lost_samples = 0
        self.arrived = 0
        self.at_the_end = at_the_end
        self._ready: list[Clip] = []

    def push_audio(self, block: AudioBlock) -> None:
        self.arrived += 1
        self.end_sample = block.end_sample
        self._ready.append(Clip(self.arrived))

    def push_video(self, street_s: float, packet: VideoPacket) -> None:
        raise AssertionError("there is no picture here")

    def end_video(self) -> None:
        raise AssertionError("there is no picture here")

    def ready(self) -> list[Clip]:
        clips, self._ready = self._ready, []
        return clips

    def finish(self) -> list[Clip]:
        return [Clip(1000 + n) for n in range(self.at_the_end)]


class Outside:
    """What the runner asked of the outside."""

    def __init__(self, *, gate: threading.Event | None = None) -> None:
        self.sealed: list[Any] = []
        self.refused: list[Any] = []
        self.kept_house = 0
        self.gate = gate

    def seal(self, clip: Any) -> None:
        if self.gate is not None:
            assert self.gate.wait(30)
        self.sealed.append(clip)

    def refuse(self, clip: Any, why: str) -> None:
        self.refused.append((clip, why))

    def housekeep(self) -> None:
        self.kept_house += 1

    @property
    def effects(self) -> Effects:
        return Effects(seal=self.seal, refuse=self.refuse, housekeep=self.housekeep, report=lambda _: None)


def make(street: Street, sound: Sound, outside: Outside) -> Runner:
    return Runner(street, audio=sound, video=None, effects=outside.effects, at_real_pace=False)  # type: ignore[arg-type]


def test_a_file_waits_for_sealing_and_every_clip_is_sealed_in_order() -> None:
    street, outside = Street(at_the_end=2), Outside()
    summary = make(street, Sound(40, is_live=False), outside).run()
    assert outside.sealed == [*range(1, 41), 1000, 1001]
    assert outside.refused == []
    assert summary.duration_s == 40 * BLOCK / RATE_HZ


def test_while_sealing_stands_still_no_sound_is_lost_and_late_clips_are_refused_and_counted() -> None:
    gate = threading.Event()
    street, outside = Street(), Outside(gate=gate)
    running = make(street, Sound(60, is_live=True), outside)
    thread = threading.Thread(target=running.run)
    thread.start()
    deadline = time.monotonic() + 20
    while street.arrived < 60 and time.monotonic() < deadline:
        time.sleep(0.01)
    gate.set()
    thread.join(30)
    assert street.arrived == 60
    assert len(outside.sealed) == ROOM
    assert len(outside.refused) == 60 - ROOM
    assert {why for _, why in outside.refused} == {"too many clips wait for sealing"}


def test_stopping_ends_a_live_run_and_seals_what_was_recorded() -> None:
    street, outside = Street(at_the_end=1), Outside()
    sound = Sound(5, is_live=True, endless=True)
    running = make(street, sound, outside)
    summaries = []
    thread = threading.Thread(target=lambda: summaries.append(running.run()))
    thread.start()
    deadline = time.monotonic() + 20
    while street.arrived < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.stop()
    thread.join(30)
    assert outside.sealed[-1] == 1000
    assert sound.closed.is_set()
    assert summaries[0].error is None


@pytest.mark.parametrize("is_live", [False, True])
def test_a_source_that_breaks_off_ends_the_stream_not_the_work(is_live: bool) -> None:
    street, outside = Street(at_the_end=1), Outside()
    summary = make(street, Sound(3, is_live=is_live, breaks_off=True), outside).run()
    assert isinstance(summary.error, InputError)
    assert 1000 in outside.sealed


def test_an_error_of_sealing_is_raised_when_the_rest_is_done() -> None:
    class Broken(Outside):
        def seal(self, clip: Any) -> None:
            super().seal(clip)
            if clip == 2:
                raise RuntimeError("unexpected")

    outside = Broken()
    with pytest.raises(RuntimeError, match="unexpected"):
        make(Street(), Sound(4, is_live=False), outside).run()
    assert outside.sealed == [1, 2, 3, 4]


def test_house_is_kept_while_the_stream_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "HOUSEKEEPING_S", 0.0)
    outside = Outside()
    make(Street(), Sound(3, is_live=False), outside).run()
    assert outside.kept_house == 3


def test_a_run_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    make(Street(), Sound(10, is_live=True), Outside()).run()
    assert threading.active_count() <= before
