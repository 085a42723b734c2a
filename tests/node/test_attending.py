"""Beside a run: what is judged reaches journal, hook and view; what is asked of the run is asked once."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noisewatch.acoustics.calibration import calibration_state
from noisewatch.acoustics.sync import not_needed
from noisewatch.errors import InputOutputError, TryAgainError
from noisewatch.node.attending import Attendance
from noisewatch.node.config import NodeConfig
from noisewatch.node.health import Restart
from noisewatch.node.live import watch
from noisewatch.node.screen import meter, screen
from noisewatch.node.troubles import troubles_of

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


class StoppableRun:
    """As much of a runner as attendance asks for."""

    late_clips, waiting_clips = 0, 2
    pipeline = SimpleNamespace(newest_frame=None, newest_keyframe=None, lost_samples=480)

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


def made_box(folder: Path, *, key_days: int, hook: Path | None = None) -> Any:
    config = NodeConfig.model_validate({"alerts": {"hook": [str(hook)] if hook else []}})
    days = tuple(NOW.date() + timedelta(days=number) for number in range(key_days))
    return SimpleNamespace(
        config=config,
        identity=SimpleNamespace(folder=folder, day_keys=SimpleNamespace(is_trial=True, days=days)),
        calibration=SimpleNamespace(state=calibration_state([], now=NOW)),
        signatures=[SimpleNamespace(gate_db=80.0)],
        store=SimpleNamespace(list=tuple, folder=folder),
    )


def account_of(failure: InputOutputError | None) -> Any:
    failures = 0 if failure is None else 1
    return SimpleNamespace(
        standing=failure, last_failure=failure, failures=failures, refusals=0, last_refusal=""
    )


def attendance(box: Any) -> Attendance:
    told = {"picture": None, "sound": {"rate_hz": 48_000}, "clock": {"steps": 0, "last_step_s": 0.0}}
    chain: Any = SimpleNamespace(sync=not_needed(), told=lambda: told)
    return Attendance(
        box, chain, counts=lambda: {"events": 1, "sealed": 1}, has_camera=False, report=print, now=lambda: NOW
    )


def test_keys_that_run_out_reach_hook_journal_and_view(tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/alert\n")
    hook.chmod(0o700)
    attend = attendance(made_box(tmp_path, key_days=3, hook=hook))
    runner: Any = StoppableRun()
    with attend.beside(runner, account=account_of(None)):
        end = time.monotonic() + 20
        while not (tmp_path / "alert").exists():
            attend.beat()
            assert time.monotonic() < end
            time.sleep(0.05)
        shown = next(watch(tmp_path))
    alert = json.loads((tmp_path / "alert").read_text())
    assert alert["kind"] == "keys"
    assert "keys for 3 more days" in alert["sentence"]
    assert "alert" in [entry["kind"] for entry in attend.journal.entries()]
    assert (shown["queue"], shown["key_days"]) == (2, 3)
    assert "node" in screen(shown)
    assert runner.stops == 0


def test_a_restart_stops_the_run_once_and_says_so_with_the_exit_code_for_trying_again(tmp_path: Path) -> None:
    attend = attendance(made_box(tmp_path, key_days=30))
    runner: Any = StoppableRun()
    attend.beside(runner, account=account_of(None))
    attend._carry_out(Restart("no sound for 130 s"))
    assert runner.stops == 1
    assert isinstance(attend.wants_restart, TryAgainError)
    assert attend.wants_restart.exit_code == 75
    assert attend.journal.entries()[-1]["kind"] == "restart"


def test_what_could_not_be_stored_is_a_trouble_with_its_reason(tmp_path: Path) -> None:
    attend = attendance(made_box(tmp_path, key_days=30))
    runner: Any = StoppableRun()
    attend.beside(runner, account=account_of(InputOutputError("no space left")))
    attend.beat()
    attend._judge()
    assert attend._observer.last.store_failure == "no space left"


def test_the_view_shows_a_meter_with_the_gate_and_the_last_events() -> None:
    told = {
        "node": "genk-1",
        "site": "Stalenstraat",
        "state": "degraded",
        "reasons": ["keys for 3 more days"],
        "gate_db": 80.0,
        "level": {"laf_db": 71.3, "flags": ["wind"]},
        "sound": {"source": "microphone 'road'", "lost_samples": 0, "xruns": 0, "drift_ppm": 12.0},
        "clock": {"synchronised": True},
        "last_events": [
            {
                "id": "20260504-100203-0000abcd",
                "at": "2026-05-04T10:02:03Z",
                "signature": "exhaust",
                "behaviour": "revving",
                "lafmax_db": 91.2,
            }
        ],
    }
    page = screen(told)
    assert "works, but look at this" in page
    assert "71.3 dB" in page
    assert "10:02:03   91.2 dB  exhaust, revving" in page
    assert meter(None, gate_db=80.0, width=10).endswith("no level")


def test_days_of_keys_are_counted_from_today(tmp_path: Path) -> None:
    attend = attendance(made_box(tmp_path, key_days=5))
    runner: Any = StoppableRun()
    attend.beside(runner, account=account_of(None))
    assert attend._observer.facts().key_days == 5
    assert date(2026, 5, 8) in attend._box.identity.day_keys.days


def test_a_run_that_was_cut_off_is_told_by_the_next_one(tmp_path: Path) -> None:
    # what a run that was killed leaves: its last word, and no such process any more
    written_at = (NOW - timedelta(seconds=40)).isoformat().replace("+00:00", "Z")
    last_word = {"running": True, "pid": 2**22 + 1, "boot_id": "a", "monotonic_s": 1.0}
    (tmp_path / "status.json").write_text(json.dumps({**last_word, "written_at": written_at}))
    with attendance(made_box(tmp_path, key_days=30)) as attend:
        first = attend.journal.entries()[0]
    assert (first["kind"], first["clean"], first["lost_s"]) == ("start", False, 40.0)


def test_what_was_lost_stands_in_the_journal_when_the_run_ends_at_once(tmp_path: Path) -> None:
    attend = attendance(made_box(tmp_path, key_days=30))
    runner: Any = StoppableRun()
    with attend.beside(runner, account=account_of(InputOutputError("no space left on the disk"))):
        pass
    told = {entry["kind"]: entry for entry in attend.journal.entries()}
    assert list(told) == ["start", "lost", "disk", "end"]
    assert told["disk"]["what"] == "1 record could not be stored, the last: no space left on the disk"
    assert told["lost"]["samples"] == 480


def test_free_space_is_that_of_the_disk_that_holds_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = made_box(tmp_path, key_days=30)
    box.store.folder = tmp_path / "another-disk"
    free = {box.store.folder: 7_000_000, tmp_path: 10**12}
    monkeypatch.setattr(
        "noisewatch.node.observing.shutil.disk_usage", lambda folder: SimpleNamespace(free=free[folder])
    )
    attend = attendance(box)
    runner: Any = StoppableRun()
    attend.beside(runner, account=account_of(None))
    assert next(trouble.kind for trouble in troubles_of(attend._observer.facts())) == "disk"


def test_many_events_without_a_clip_are_a_trouble_for_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 10_000.0
    monkeypatch.setattr("noisewatch.node.observing.time", SimpleNamespace(monotonic=lambda: now_s))
    attend = attendance(made_box(tmp_path, key_days=30))
    account = account_of(None)
    runner: Any = StoppableRun()
    attend.beside(runner, account=account)
    for refused, kinds in ((4, []), (5, ["refusals"])):
        account.refusals, account.last_refusal = refused, "no picture, not evidence"
        assert [one.kind for one in troubles_of(attend._observer.facts())] == kinds
    (trouble,) = troubles_of(attend._observer.facts())
    assert trouble.sentence == "5 events in an hour got no clip: no picture, not evidence"
    now_s += 3601.0
    assert troubles_of(attend._observer.facts()) == ()
