"""A week of street at a hundred times its pace, with random faults: what is lost, what grows, what is told.

    .venv/bin/python bench/endurance.py                       # seven days, about 100 minutes
    .venv/bin/python bench/endurance.py --hours 6 --pace 40 --seed 2

The node is the real one, in a process of its own that is started again whenever it ends, as a service manager
does. Only time and hardware are faked: the microphone plays the sample street for ever at the pace asked for,
and UTC runs at the same pace, so that days end, keys change and clips expire. Faults, drawn by the seed:
microphone (stall, gap, device lost), disk full, clock set back, broker away, and kill -9.

There is no camera, so events are recorded, signed and sealed without clips (`bench/node.py` seals clips).

What is looked at afterwards: every event that was told is in the store or was erased on time; the log
verifies; memory and file handles do not grow from one day to the next; every fault that a run can see is in
the journal. A pace beyond what the machine keeps up with hides a stall behind blocks that still wait.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers"), str(ROOT / "bench")]

FAULTS = ("stall", "gap", "device", "disk", "clock", "broker", "kill")
#: So long after a fault nothing else is done, so that the run can see it; and so long before the end.
SEEN_S, QUIET_END_S = {"stall": 14.0, "disk": 8.0, "kill": 6.0, "device": 6.0}, 14.0
#: What a fault must leave in the journal of a run that saw it: any of these kinds.
LEAVES = {"stall": {"deaf"}, "kill": {"start"}, "disk": {"degraded", "alert"}}


@dataclass
class Tally:
    """What one endurance run saw."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    resident_mb: list[float] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    rest: bytes = b""


def main() -> None:
    """Run, look, print; exit 1 where a promise was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=168.0, help="street hours")
    parser.add_argument("--pace", type=float, default=100.0, help="times real time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults-per-hour", type=float, default=1.0, help="per street hour")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        found = endure(
            Path(name),
            hours=options.hours,
            pace=options.pace,
            seed=options.seed,
            per_hour=options.faults_per_hour,
        )
    print(json.dumps(found, indent=2))
    sys.exit(0 if found["kept_promises"] else 1)


def endure(folder: Path, *, hours: float, pace: float, seed: int, per_hour: float) -> dict[str, Any]:
    """Run a node for so many street hours and return what was found."""
    from broker import Broker
    from real_node import make_real_node

    draw, tally = random.Random(seed), Tally()  # noqa: S311 - faults, not secrets
    config = make_real_node(folder)
    broker = Broker(folder / "broker").start()
    _configure(config, broker)
    disk = _small_disk(folder, config.parent / "store")
    began_s, end_s = time.monotonic(), time.monotonic() + hours * 3600.0 / pace
    started = datetime.now(UTC)
    due_s = _next(draw, per_hour, pace)
    child = _start(config, folder, pace=pace, started=started, began_s=began_s, tally=tally)
    try:
        while time.monotonic() < end_s:
            _listen(child, tally, seconds=0.2)
            _weigh(child, tally)
            if child.poll() is not None:
                _close(child)
                tally.rest = b""
                tally.exit_codes.append(int(child.returncode))
                child = _start(config, folder, pace=pace, started=started, began_s=began_s, tally=tally)
            if due_s <= time.monotonic() < end_s - QUIET_END_S:
                fault = draw.choice(FAULTS)
                tally.faults[fault] = tally.faults.get(fault, 0) + 1
                _strike(fault, child, folder=folder, store=disk, broker=broker, draw=draw)
                due_s = max(_next(draw, per_hour, pace), time.monotonic() + SEEN_S.get(fault, 0.0))
        child.send_signal(signal.SIGTERM)
        _listen(child, tally, seconds=120.0, until_end=True)
        child.wait(timeout=120)
    finally:
        child.kill()
        child.wait()
        _close(child)
        broker.kill()
        found = _look(folder, config.parent, tally, hours=hours, pace=pace, began_s=began_s)
        subprocess.run(["umount", "-l", str(disk)], check=False)
    return found


def _configure(config: Path, broker: Any) -> None:
    login = config.parent / "login"
    login.write_text("node-01:pw-node\n")
    login.chmod(0o600)
    text = config.read_text()
    for before, after in {
        'host = ""': 'host = "localhost"',
        "port = 8883": f"port = {broker.port}",
        'authority_file = ""': f'authority_file = "{broker.authority}"',
        'topic = "noisewatch"': 'topic = "noisewatch/node-01"',
        "# position_deg =": "position_deg = [50.9653, 5.5005]",
        "maximum_days = 30": "maximum_days = 2",
    }.items():
        text = text.replace(before, after, 1)
    first, _, rest = text.partition("[telemetry]")
    rest = rest.replace('credentials_file = ""', 'credentials_file = "login"', 1)
    config.write_text(f"{first}[telemetry]{rest}")


def _small_disk(folder: Path, store: Path) -> Path:
    """Put the store on a disk of 64 MB, which can be filled without harm."""
    copy = folder / "store.before"
    subprocess.run(["cp", "-a", str(store), str(copy)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "endurance", str(store)], check=True)
    subprocess.run(["cp", "-a", f"{copy}/.", str(store)], check=True)
    return store


def _next(draw: random.Random, per_hour: float, pace: float) -> float:
    return time.monotonic() + max(3.0, draw.expovariate(per_hour * pace / 3600.0))


def _start(
    config: Path, folder: Path, *, pace: float, started: datetime, began_s: float, tally: Tally
) -> subprocess.Popen[bytes]:
    tally.starts += 1
    street_s = (time.monotonic() - began_s) * pace
    now = started + timedelta(seconds=street_s)
    command = [
        sys.executable,
        str(ROOT / "bench" / "endurance_child.py"),
        str(config),
        str(folder / "orders"),
    ]
    (folder / "orders").mkdir(exist_ok=True)
    for order in (folder / "orders").iterdir():
        order.unlink()
    with (folder / "child.log").open("ab") as log:
        child = subprocess.Popen(
            [*command, str(pace), now.isoformat()], stdout=subprocess.PIPE, stderr=log, bufsize=0
        )
    assert child.stdout is not None
    os.set_blocking(child.stdout.fileno(), False)
    return child


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
            document = json.loads(line)
            # an event is told when its record is durable; without a camera no clip is sealed
            if document.get("event") == "event" and "could not be stored" not in document["why"]:
                tally.acknowledged[document["id"]] = document["why"]
    assert not until_end, "the run did not end in time"


def _close(child: subprocess.Popen[bytes]) -> None:
    if child.stdout is not None:
        child.stdout.close()


def _weigh(child: subprocess.Popen[bytes], tally: Tally) -> None:
    process = Path(f"/proc/{child.pid}")
    try:
        pages = int((process / "statm").read_text().split()[1])
        handles = len(list((process / "fd").iterdir()))
    except OSError:
        return
    tally.resident_mb.append(pages * 4096 / 1e6)
    tally.handles.append(handles)


def _strike(
    fault: str, child: subprocess.Popen[bytes], *, folder: Path, store: Path, broker: Any, draw: random.Random
) -> None:
    if fault == "kill":
        child.kill()
        child.wait()
    elif fault == "broker":
        broker.kill()
        time.sleep(draw.uniform(0.5, 4.0))
        broker.start()
    elif fault == "disk":
        ballast = store / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(b"\0" * 1_000_000)
            except OSError:
                pass
        time.sleep(draw.uniform(1.0, 4.0))
        ballast.unlink()
    else:
        # the child looks into this folder at every block
        (folder / "orders" / fault).touch()


def _look(
    folder: Path, node: Path, tally: Tally, *, hours: float, pace: float, began_s: float
) -> dict[str, Any]:
    """Compare what was acknowledged with what is there, and what grew."""
    from noisewatch.evidence.log import verify
    from noisewatch.evidence.store import Store
    from noisewatch.node.journal import Journal

    # the store is opened for writing once, as the next start would: what a kill left is set right
    log_path = node / "log" / "node.jsonl"
    with Store.open(node / "store", writable=False) as store:
        stored = {event.id for event in store.list()}
    erased = {
        row["target"]
        for row in (json.loads(line) for line in log_path.read_text().splitlines() if line.strip())
        if row.get("action") == "erasure"
    }
    lost = sorted(set(tally.acknowledged) - stored - erased)
    verdict = verify(log_path, authority_pem=(node / "keys" / "ca.pem").read_bytes())
    kinds = [entry["kind"] for entry in Journal(node).entries()]
    half = len(tally.resident_mb) // 2
    growth_mb = _median(tally.resident_mb[half:]) - _median(tally.resident_mb[half // 2 : half])
    missing = [
        fault
        for fault, leaves in LEAVES.items()
        if tally.faults.get(fault) and not leaves.intersection(kinds)
    ]
    return {
        "street_hours": hours,
        "pace": pace,
        "wall_s": round(time.monotonic() - began_s),
        "starts": tally.starts,
        "exit_codes": sorted(set(tally.exit_codes)),
        "faults": tally.faults,
        "acknowledged": len(tally.acknowledged),
        "stored_now": len(stored),
        "erased_in_log": len(erased & set(tally.acknowledged)),
        "acknowledged_and_lost": lost,
        "log_valid": verdict.valid,
        "log_problems": list(verdict.problems),
        "resident_mb_median": round(_median(tally.resident_mb[half:]), 1),
        "growth_mb": round(growth_mb, 1),
        "handles_max": max(tally.handles, default=0),
        "journal": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "faults_not_in_journal": missing,
        "kept_promises": not lost and verdict.valid and not missing,
    }


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


if __name__ == "__main__":
    main()
