"""What a run says of itself, and that a bad store loses the clip but not the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from noisewatch.errors import ConfigurationError, InputOutputError, NoisewatchError
from noisewatch.node.account import Account, spoken
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.runner import RunSummary
from noisewatch.node.sealing import Begun, HalfSealed, Outcome
from noisewatch.records import ClipWindow, Event

EVENT = Event(
    id="20261122-120000-abcd",
    onset_sample=48_000,
    peak_sample=96_000,
    end_sample=144_000,
    rate_hz=48_000,
    lafmax_db=91.234,
    laeq_db=85.0,
    lcpeak_db=104.0,
    signature="exhaust",
    version="1",
    signature_sha256="0" * 64,
    probability=0.91234,
    windows=(),
    why="loud and like an exhaust",
)


class Failing:
    def __init__(self, error: NoisewatchError) -> None:
        self.error = error

    def begin(self, ready: ReadyClip) -> Begun | Outcome:
        raise self.error

    def original(self, begun: Begun) -> HalfSealed | Outcome:
        raise self.error

    def viewing(self, half: HalfSealed) -> Outcome:
        raise self.error

    def refuse(self, ready: ReadyClip, why: str) -> Outcome:
        raise self.error


def clip() -> ReadyClip:
    window = ClipWindow(0, 480_000, 480_000, 48_000, True, "")
    return ReadyClip(EVENT, window, None, (), (), 0, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [InputOutputError("no space left on the disk"), ConfigurationError("there is no day key for today")],
)
def test_a_clip_that_cannot_be_stored_is_told_and_remembered(error: NoisewatchError) -> None:
    told: list[Mapping[str, Any]] = []
    reports: list[str] = []
    account = Account(Failing(error), emit=lambda document, _: told.append(document), report=reports.append)
    account.seal(clip())
    account.refuse(clip(), "no room")
    account.close(RunSummary(duration_s=10.0, lost_samples=3, speed_x=2.0, error=None))
    assert account.failure is error
    assert [document["sealed"] for document in told[:2]] == [False, False]
    assert error.what in told[0]["why"]
    assert told[0]["lafmax_db"] == 91.23
    assert told[0]["onset_s"] == 1.0
    assert told[2] == {
        "event": "summary",
        "duration_s": 10.0,
        "events": 2,
        "sealed": 0,
        "viewing_copies": 0,
        "late_clips": 0,
        "lost_samples": 3,
        "missing_frames": 0,
        "speed_x": 2.0,
    }
    assert len(reports) == 2


def test_a_disk_that_takes_writes_again_ends_the_trouble_but_not_the_exit_code() -> None:
    reports: list[str] = []
    full = InputOutputError("no space left on the disk")

    def fail() -> None:
        raise full

    account = Account(Failing(full), emit=lambda *_: None, report=reports.append)
    account.carry_out(lambda: None)
    assert (account.standing, account.failure) == (None, None)
    for _ in range(2):
        account.carry_out(fail)
        account.seal(clip())
        assert account.standing is full
        account.carry_out(lambda: None)
        assert account.standing is None
    assert account.failure is full
    # each time that it fails again it is told again, not at every write
    assert sum(line.startswith("could not be stored") for line in reports) == 2


def test_a_quiet_run_says_nothing_of_an_event_but_what_could_not_be_stored() -> None:
    told: dict[bool, list[str]] = {}
    reports: list[str] = []
    for is_quiet in (False, True):
        lines = told.setdefault(is_quiet, [])
        emit = spoken(lambda _, line, lines=lines: lines.append(line), is_quiet=is_quiet)
        failing = Failing(InputOutputError("no space left on the disk"))
        account = Account(failing, emit=emit, report=reports.append, is_quiet=is_quiet)
        account.seal(clip())
        account.close(RunSummary(duration_s=10.0, lost_samples=3, speed_x=2.0, error=None))
    assert len(told[False]) == 2
    assert "91.2 dB" in told[False][0]
    assert told[True] == told[False][1:]
    assert "1 events" in told[True][0]
    assert "dB" not in told[True][0]
    assert len(reports) == 2


class Refusing(Failing):
    """Records every event, without a clip."""

    def __init__(self, *flags: str) -> None:
        super().__init__(InputOutputError("never met"))
        self.flags = flags

    def begin(self, ready: ReadyClip) -> Outcome:
        record: Any = SimpleNamespace(
            event=replace(ready.event, flags=self.flags), not_evidence_because=("no picture, not evidence",)
        )
        return Outcome(record, False, 0, ("no picture, not evidence",))


@pytest.mark.parametrize(
    ("flags", "refusals"), [((), 1), (("wind",), 1), (("outside-hours",), 0), (("over-budget", "wind"), 0)]
)
def test_only_events_that_were_wanted_count_as_refused(flags: tuple[str, ...], refusals: int) -> None:
    account = Account(Refusing(*flags), emit=lambda *_: None, report=print)
    account.seal(clip())
    assert account.refusals == refusals
    assert account.last_refusal == ("no picture, not evidence" if refusals else "")
    assert account.failures == 0
