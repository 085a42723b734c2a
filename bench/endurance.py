"""A week of street faster than life, with random faults: what is lost, what grows, what is told.

    .venv/bin/python bench/endurance.py --minutes 100 --pace 30 --progress figures.json
    .venv/bin/python bench/endurance.py --hours 6 --pace 40 --seed 2

The node is the real one, in a process of its own that is started again whenever it ends, as a service manager
does; it seals clips in its own children. Only time and hardware are faked (``endurance_child.py`` says which
clocks): microphone and camera play the sample street for ever at the pace asked for, or as fast as the
machine goes, and UTC runs with them, so that days end, keys change and clips expire. The signature's hours
are a dozen spans of two minutes, so that a dozen clips a day are sealed; all other events are recorded.

Faults, drawn by the seed: microphone (stall, gap, device lost), camera (away, frozen, covered), disk full,
clock set, broker away, kill -9. Each must stand in the journal before the next one comes.

What is looked at afterwards: every event that was told is in the store or was erased on time; what was told
as sealed has its media, and an officer opens one; the log verifies; memory and handles do not grow.
Ends in order on SIGTERM. ``--progress FILE`` gets the figures after every hour of street.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers"), str(ROOT / "bench")]

from endurance_faults import Faults  # noqa: E402
from endurance_look import Sample, look_at_store, slope_per_hour  # noqa: E402

from noisewatch.node import lean  # noqa: E402

#: Hours of street between two faults that end a run.
ENDINGS_H = (3.0, 7.0)
#: Memory may grow by so much an hour of street; judged where so many hours were covered.
GROWTH_LIMIT_MB, JUDGED_FROM_H = 0.5, 6.0
#: The first clip's hours begin so long after the start, in minutes of street.
FIRST_CLIP_MIN = 6


@dataclass
class Tally:
    """What one endurance run saw."""

    began_s: float
    began: datetime
    told: dict[str, bool] = field(default_factory=dict)
    late: int = 0
    media_lost: int = 0
    not_stored: int = 0
    starts: int = 0
    street_s: float = 0.0
    street_at_s: float = 0.0
    back_s: float = 0.0
    heard_s: float = 0.0
    heard_wall_s: float = 0.0
    has_run_spoken: bool = False
    first_word_s: float = 0.0
    segments: list[list[Sample]] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    rest: bytes = b""


def main() -> None:
    """Run, look, print; exit 1 where a promise was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=168.0, help="street hours")
    parser.add_argument("--minutes", type=float, help="wall minutes after which it ends all the same")
    parser.add_argument("--pace", type=float, default=30.0, help="times real time, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults-per-hour", type=float, default=1.0, help="per street hour")
    parser.add_argument(
        "--ends-every", type=float, nargs=2, default=ENDINGS_H, help="street hours between kills: least, most"
    )
    parser.add_argument("--clips-per-day", type=int, default=12, help="sealed per street day")
    parser.add_argument("--progress", type=Path, help="gets the figures after every street hour")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        found = endure(
            Path(name),
            hours=options.hours,
            minutes=options.minutes,
            pace=options.pace,
            seed=options.seed,
            per_hour=options.faults_per_hour,
            clips_per_day=options.clips_per_day,
            endings_h=tuple(options.ends_every),
            progress=options.progress,
        )
    if options.progress is not None:
        _write(options.progress, found)
    print(json.dumps(found, indent=2))
    sys.exit(0 if found["kept_promises"] else 1)


def endure(
    folder: Path,
    *,
    hours: float,
    pace: float,
    seed: int,
    per_hour: float,
    minutes: float | None = None,
    clips_per_day: int = 12,
    endings_h: tuple[float, float] = ENDINGS_H,
    progress: Path | None = None,
) -> dict[str, Any]:
    """Run a node for so many street hours and return what was found."""
    from broker import Broker
    from real_node import make_real_node

    config = make_real_node(folder)
    broker = Broker(folder / "broker").start()
    tally = Tally(began_s=time.monotonic(), began=datetime.now(UTC), street_at_s=time.monotonic())
    _configure(config, broker, clips_per_day=clips_per_day, began=tally.began)
    disk = _small_disk(folder, config.parent / "store")
    draw = random.Random(seed)  # noqa: S311 - faults, not secrets
    (folder / "orders").mkdir(exist_ok=True)
    faults = Faults(
        folder,
        node=config.parent,
        store=disk,
        broker=broker,
        draw=draw,
        pace=pace,
        per_hour=per_hour,
        endings_h=endings_h,
    )
    wall_end_s = float("inf") if minutes is None else tally.began_s + minutes * 60.0
    run = _Run(config, folder, tally=tally, faults=faults, pace=pace, progress=progress)
    try:
        run.go(until_h=hours, wall_end_s=wall_end_s)
    finally:
        run.close()
        broker.kill()
        found = _figures(tally, faults, pace=pace)
        officer = folder / "an-officer"
        looked = look_at_store(config.parent, folder / "custody", told=tally.told, officer=officer)
        subprocess.run(["umount", "-l", str(disk)], check=False)
    return found | looked | {"kept_promises": _is_kept(found, looked, faults)}


class _Run:
    """Keeps one child running, listens to it, weighs it and lets the faults strike."""

    def __init__(
        self, config: Path, folder: Path, *, tally: Tally, faults: Faults, pace: float, progress: Path | None
    ) -> None:
        self._config, self._folder = config, folder
        self._tally, self._faults, self._pace, self._progress = tally, faults, pace, progress
        self._is_stopping = False
        self._child = self._start()

    def go(self, *, until_h: float, wall_end_s: float) -> None:
        """Run until so much street was covered, a wall time, or SIGTERM; then end the child in order."""
        tally, weighed_s, written_h = self._tally, 0.0, 0
        before = signal.signal(signal.SIGTERM, self._stop)
        try:
            while not self._is_stopping:
                _listen(self._child, tally, seconds=0.2)
                now_s, street_h = time.monotonic(), tally.street_s / 3600.0
                if now_s - weighed_s >= 1.0:
                    weighed_s = now_s
                    _weigh(self._child, tally)
                if self._child.poll() is not None:
                    self._restart()
                left_s = min((until_h - street_h) * 3600.0 / self._pace, wall_end_s - now_s)
                if left_s <= 0:
                    break
                up_s = now_s - tally.first_word_s if tally.has_run_spoken else 0.0
                self._faults.tend(self._child, street_h=street_h, up_s=up_s, left_s=left_s)
                if int(street_h) > written_h:
                    written_h = int(street_h)
                    self._note_progress()
        finally:
            signal.signal(signal.SIGTERM, before)
        self._faults.give_up()
        self._end()

    def close(self) -> None:
        """Leave nothing behind."""
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def _end(self) -> None:
        """End the child as a service manager does; what waits is sealed first."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            _listen(self._child, self._tally, seconds=900.0, until_end=True)
            self._tally.exit_codes.append(self._child.wait(timeout=120))

    def _stop(self, *_: object) -> None:
        self._is_stopping = True

    def _note_progress(self) -> None:
        if self._progress is not None:
            _write(self._progress, _figures(self._tally, self._faults, pace=self._pace))

    def _restart(self) -> None:
        _listen(self._child, self._tally, seconds=1.0)
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._tally.rest = b""
        self._tally.exit_codes.append(int(self._child.returncode))
        self._child = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        tally = self._tally
        tally.starts += 1
        tally.segments.append([])
        tally.has_run_spoken = False
        # the street went on while nobody heard it
        tally.street_s += (time.monotonic() - tally.street_at_s) * self._pace
        tally.street_at_s = time.monotonic()
        for order in (self._folder / "orders").iterdir():
            order.unlink()
        asked = {
            "began": tally.began.isoformat(),
            "began_ns": round(tally.began_s * 1e9),
            "street_s": tally.street_s,
            "back_s": tally.back_s,
            "pace": self._pace,
        }
        program = str(ROOT / "bench" / "endurance_child.py")
        command = [sys.executable, program, str(self._config), str(self._folder / "orders")]
        # as the command does before NumPy comes; without it a second thread of OpenBLAS spins
        lean.one_thread()
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with (self._folder / "child.log").open("ab") as log:
            child = subprocess.Popen(
                [*command, json.dumps(asked)], stdout=subprocess.PIPE, stderr=log, bufsize=0, env=environment
            )
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        return child


def _configure(config: Path, broker: Any, *, clips_per_day: int, began: datetime) -> None:
    login = config.parent / "login"
    login.write_text("node-01:pw-node\n")
    login.chmod(0o600)
    signature = config.parent / "exhaust"
    shutil.copytree(ROOT / "signatures" / "exhaust", signature)
    keys = signature / "signature.toml"
    hours = json.dumps(_spans(clips_per_day, began))
    keys.write_text(keys.read_text().replace("\nhours = []", f"\nhours = {hours}", 1))
    text = config.read_text()
    for before, after in {
        'host = ""': 'host = "localhost"',
        "port = 8883": f"port = {broker.port}",
        'authority_file = ""': f'authority_file = "{broker.authority}"',
        'topic = "noisewatch"': 'topic = "noisewatch/node-01"',
        "# position_deg =": "position_deg = [50.9653, 5.5005]",
        "maximum_days = 30": "maximum_days = 1",
        'signatures = ["exhaust"]': f'signatures = ["{signature}"]',
        "cooldown_s = ": "cooldown_s = 100.0 # ",
        "flood_per_hour = ": "flood_per_hour = 100 # ",
    }.items():
        assert before in text, before
        text = text.replace(before, after, 1)
    first, _, rest = text.partition("[telemetry]")
    rest = rest.replace('credentials_file = ""', 'credentials_file = "login"', 1)
    config.write_text(f"{first}[telemetry]{rest}")


def _spans(count: int, began: datetime) -> list[str]:
    """Return spans of two minutes over the day, local time, the first one soon; none: one span far away."""
    first = began.astimezone(ZoneInfo("Europe/Brussels")) + timedelta(minutes=FIRST_CLIP_MIN)
    starts = [first + timedelta(minutes=1440.0 * number / count) for number in range(count)]
    starts = starts or [first + timedelta(hours=12)]
    return [f"{start:%H:%M}-{start + timedelta(minutes=2):%H:%M}" for start in starts]


def _small_disk(folder: Path, store: Path) -> Path:
    """Put the store on a disk of 256 MB, which can be filled without harm."""
    copy = folder / "store.before"
    subprocess.run(["cp", "-a", str(store), str(copy)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=700", "endurance", str(store)], check=True)
    subprocess.run(["cp", "-a", f"{copy}/.", str(store)], check=True)
    return store


def _listen(child: subprocess.Popen[bytes], tally: Tally, *, seconds: float, until_end: bool = False) -> None:
    """Take what the run tells for so long, or until it says no more."""
    assert child.stdout is not None
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        try:
            data = os.read(child.stdout.fileno(), 65_536)
        except BlockingIOError:
            time.sleep(0.02)
            continue
        if not data:
            return
        *lines, tally.rest = (tally.rest + data).split(b"\n")
        for line in lines:
            _take(json.loads(line), tally)
    assert not until_end, "the run did not end in time"


def _take(document: dict[str, Any], tally: Tally) -> None:
    """Note how far the street is, or an event; it is told when its record, or its sealed clip, is durable."""
    if document["event"] == "street":
        now_s = time.monotonic()
        # the first word of a run tells nothing of its pace
        if tally.has_run_spoken:
            tally.heard_s += document["street_s"] - tally.street_s
            tally.heard_wall_s += now_s - tally.street_at_s
        else:
            tally.first_word_s = now_s
        tally.has_run_spoken = True
        tally.street_s, tally.street_at_s, tally.back_s = document["street_s"], now_s, document["back_s"]
    elif document["event"] == "event":
        if "could not be stored" in document["why"]:
            tally.not_stored += 1
            return
        tally.told[document["id"]] = document["sealed"]
        tally.late += "too many clips wait" in document["why"]
        tally.media_lost += "media lost" in document["why"]


def _weigh(child: subprocess.Popen[bytes], tally: Tally) -> None:
    process = Path(f"/proc/{child.pid}")
    try:
        pages = int((process / "statm").read_text().split()[1])
        handles = len(list((process / "fd").iterdir()))
    except OSError:
        return
    tally.segments[-1].append((tally.street_s / 3600.0, pages * 4096 / 1e6, float(handles)))


def _figures(tally: Tally, faults: Faults, *, pace: float) -> dict[str, Any]:
    """Return what can be told at any time."""
    weighed = [sample for segment in tally.segments for sample in segment[len(segment) // 2 :]]
    slope_mb, slope_handles = (slope_per_hour(tally.segments, column) for column in (1, 2))
    return {
        "street_hours": round(tally.street_s / 3600.0, 2),
        "heard_hours": round(tally.heard_s / 3600.0, 2),
        "pace_asked": pace,
        "pace_reached": round(tally.heard_s / max(tally.heard_wall_s, 1e-9), 1),
        "wall_s": round(time.monotonic() - tally.began_s),
        "starts": tally.starts,
        "exit_codes": {str(code): tally.exit_codes.count(code) for code in sorted(set(tally.exit_codes))},
        "faults_found_of_drawn": faults.told(),
        "faults_cut_by_the_end": faults.cut,
        "faults_not_in_journal": faults.missing,
        "told": len(tally.told),
        "told_sealed": sum(tally.told.values()),
        "late_clips": tally.late,
        "media_lost": tally.media_lost,
        "could_not_be_stored": tally.not_stored,
        "resident_mb_median": round(_median([mb for _, mb, _ in weighed]), 1),
        "growth_mb_per_street_hour": None if slope_mb is None else round(slope_mb, 3),
        "handles_max": max((handles for _, _, handles in weighed), default=0.0),
        "handles_growth_per_street_hour": None if slope_handles is None else round(slope_handles, 3),
        "runs": [
            [round(x, 1) for x in (run[0][0], run[-1][0], run[len(run) // 2][1], run[-1][1])]
            for run in tally.segments
            if run
        ],
    }


def _is_kept(found: dict[str, Any], looked: dict[str, Any], faults: Faults) -> bool:
    growth_mb = found["growth_mb_per_street_hour"] or 0.0
    is_flat = found["street_hours"] < JUDGED_FROM_H or growth_mb < GROWTH_LIMIT_MB
    is_whole = not looked["acknowledged_and_lost"] and not looked["sealed_without_media"]
    return is_whole and looked["log_valid"] and not looked["erased_late"] and not faults.missing and is_flat


def _write(path: Path, found: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(found, indent=2) + "\n")
    temporary.replace(path)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


if __name__ == "__main__":
    main()
