"""The whole node on one microphone and one 1080p25 RTSP camera: what it costs, how soon it has sealed.

    .venv/bin/python bench/node.py [--minutes 10] [--events 3] [--size WxH] [--motion] [--alone] [--json]

First nothing happens for --minutes: CPU seconds over wall seconds, resident memory, threads. Then the sample
street with its one event is played once a minute: seconds from the clip's last second to the durable record,
the sealed original, the sealed viewing copy. CPU is what the kernel counted for the process and its children,
so that a busy machine changes it little. --motion lets Debian's `motion` watch the same stream beside.

--alone (as root) lets rigs, then node, then children go before everything else on this machine, so
that the times of a busy machine are those of a quiet one.

Needs the rigs of tests/live (PulseAudio, GStreamer's RTSP server), all on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyrage
import soundfile

from noisewatch.evidence.custody import open_custody
from noisewatch.evidence.told import documents

ROOT = Path(__file__).resolve().parents[1]
RIGS = ROOT / "tests" / "live" / "rigs"
STREET = ROOT / "data" / "samples" / "street.flac"
TICK = os.sysconf("SC_CLK_TCK")
#: With --alone: real-time priorities of what plays the street, of the node, of the children that seal.
RIG_PRIORITY, NODE_PRIORITY, CHILD_PRIORITY = 14, 12, 2
#: node.toml's default: an event ends when nothing of it was heard for so long.
MERGE_GAP_S = 3.0
TARGETS = {"cpu_share": 0.15, "rss_mib": 300, "pending_s": 2.0, "original_s": 15.0, "viewing_s": 60.0}
LANE = "carriageway = [[0.0, 0.25], [1.0, 0.25], [1.0, 1.0], [0.0, 1.0]]"


def make_node(folder: Path) -> Path:
    """Make a node that is no trial: uncalibrated, the lower three quarters of the picture are its road."""
    secret = folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text("a long enough passphrase")
    custody = folder / "custody"
    call("custody", "init", custody, "--passphrase-file", secret)
    for name, role in (("an-officer", "officer"), ("a-supervisor", "supervisor")):
        key = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        recipient = str(pyrage.x25519.Identity.generate().to_public())
        people = ("--role", role, "--ssh-public", f"{key}.pub", "--age-recipient", recipient)
        call("custody", "add", name, *people, "--appointed-by", "the council", "--custody", custody)
    call("init", folder / "node", "--custody", custody, "--passphrase-file", secret)
    config = folder / "node" / "node.toml"
    text = config.read_text().replace("# gate_db =", "gate_db = 54.0", 1)
    text = text.replace("carriageway = []", LANE)
    config.write_text(text.replace("allow_uncalibrated = false", "allow_uncalibrated = true"))
    return config


def call(*arguments: object) -> None:
    """Run one command of noisewatch."""
    command = [sys.executable, "-m", "noisewatch.cli.main", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def start_sound(folder: Path) -> dict[str, str]:
    """Start a private sound server; return its environment."""
    done = subprocess.run(
        [str(RIGS / "start_pulse.sh"), "1", str(folder)], capture_output=True, text=True, check=True
    )
    return dict(word.split("=", 1) for word in shlex.split(done.stdout) if "=" in word)


def start_camera(folder: Path, size: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a camera; return its process and address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    ready = folder / "ready"
    options = ["--port", str(port), "--size", size, "--fps", "25", "--gop", "50", "--kbps", "4000"]
    rig = ["/usr/bin/python3", str(RIGS / "rtsp_server.py"), *options, "--ready-file", str(ready)]
    process = subprocess.Popen(rig, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not ready.is_file():
        time.sleep(0.05)
    return process, f"rtsp://127.0.0.1:{port}/cam"


def used(pid: int) -> dict[str, float]:
    """Return what the kernel counts of a process: CPU of its own and of ended children, memory, threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own, ended = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return {
        "own_s": own / TICK,
        "children_s": ended / TICK,
        "rss_mib": int(status["VmRSS"].split()[0]) / 1024,
        "peak_mib": int(status["VmHWM"].split()[0]) / 1024,
        "pss_mib": pss_mib(pid),
        "threads": int(status["Threads"]),
    }


def prefer(pid: int, priority: int) -> None:
    """Let all threads of a process run before ordinary ones; a higher number runs first."""
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(priority))
    except (FileNotFoundError, ProcessLookupError):
        return  # it has just ended


def pss_mib(pid: int) -> float:
    """Return the proportional set size: what is shared counts in shares. NaN where that is not allowed."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError:  # the node leaves no core: only root may look into its memory
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def highest_of_children(pid: int, known: dict[int, dict[str, Any]]) -> None:
    """Note the most memory that each child of a process has held so far."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
        for child in children:
            try:
                used_now = used(child)
            except (OSError, KeyError, StopIteration):
                continue  # it has just ended
            row = known.setdefault(child, {"peak_mib": 0.0, "pss_mib": 0.0})
            row["peak_mib"] = max(row["peak_mib"], round(used_now["peak_mib"], 1))
            row["pss_mib"] = max(row["pss_mib"], round(used_now["pss_mib"], 1))
            row["cpu_s"] = round(used_now["own_s"], 2)


def watch_quiet(pid: int, minutes: float) -> dict[str, Any]:
    """Let nothing happen, and say what it cost."""
    time.sleep(10.0)  # the start is no part of it
    before, started = used(pid), time.monotonic()
    memory = []
    while time.monotonic() - started < minutes * 60:
        time.sleep(min(10.0, minutes * 6))
        memory.append(used(pid)["rss_mib"])
    after, wall_s = used(pid), time.monotonic() - started
    return {
        "minutes": round(wall_s / 60, 2),
        "cpu_share": round((after["own_s"] - before["own_s"]) / wall_s, 4),
        "rss_mib": round(after["rss_mib"], 1),
        "rss_first_mib": round(memory[0], 1),
        "rss_highest_mib": round(max(memory), 1),
        "peak_mib": round(after["peak_mib"], 1),
        "pss_mib": round(after["pss_mib"], 1),
        "threads": int(after["threads"]),
    }


class Witness:
    """Notes when the files of an event appear in the store."""

    NAMES = ("event.age", "original.age", "viewing.age")

    def __init__(self, clips: Path, *, pid: int, is_alone: bool) -> None:
        self._is_alone = is_alone
        self.seen: dict[str, dict[str, float]] = {}
        self.children: dict[int, dict[str, Any]] = {}
        self.memory: list[float] = []
        self._clips, self._pid = clips, pid
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.wait(0.1):
            highest_of_children(self._pid, self.children)
            if self._is_alone:
                for child in self.children:
                    prefer(child, CHILD_PRIORITY)
            self.memory.append(used(self._pid)["rss_mib"])
            for path in self._clips.glob("*/*/*"):
                if path.name in self.NAMES:
                    self.seen.setdefault(path.parent.name, {}).setdefault(path.name, time.time())

    def close(self) -> list[dict[str, Any]]:
        """End; return the seconds of each event after its clip's last second."""
        self._ending.set()
        self._thread.join()
        rows = []
        node = self._clips.parents[1]
        opened = documents(node, open_custody(node.parent / "custody"))
        records = {record["event"]["id"]: record for record in opened}
        for event_id, seen in sorted(self.seen.items()):
            record = records[event_id]
            clip = record["clip"]
            length_s = (clip["end_sample"] - clip["start_sample"]) / clip["rate_hz"]
            last_s = datetime.fromisoformat(record["captured_at"]).timestamp() + length_s
            times = {
                name: round(seen[file] - last_s, 2) if file in seen else None
                for name, file in zip(("pending_s", "original_s", "viewing_s"), self.NAMES, strict=True)
            }
            # an event is over when nothing came for the merge gap; its clip may end before or after
            event = record["event"]
            end_s = last_s + (event["end_sample"] - clip["end_sample"]) / clip["rate_hz"]
            first = seen.get(self.NAMES[0])
            after_end_s = None if first is None else round(first - end_s - MERGE_GAP_S, 2)
            about = {
                "id": event_id,
                "state": record["media_state"],
                "event_to_clip_end_s": round(last_s - end_s, 2),
            }
            rows.append({**about, **times, "pending_after_end_and_gap_s": after_end_s})
        return rows


def play_events(
    pid: int, folder: Path, environment: dict[str, str], count: int, *, is_alone: bool
) -> dict[str, Any]:
    """Play the sample street once a minute, and say how soon its event was sealed."""
    sound, rate_hz = soundfile.read(str(STREET), dtype="float32")
    soundfile.write(str(folder / "mono.wav"), np.ascontiguousarray(sound[:, 0]), rate_hz, subtype="FLOAT")
    witness, before, started = (
        Witness(folder / "node" / "store" / "clips", pid=pid, is_alone=is_alone),
        used(pid),
        time.monotonic(),
    )
    player = ["paplay", "--latency-msec=1000", "--no-remix", "--channel-map=mono", str(folder / "mono.wav")]
    for number in range(count):
        subprocess.run(player, env=os.environ | environment, check=True)
        time.sleep(max(0.0, (number + 1) * 60 - (time.monotonic() - started)))
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and (
        len(witness.seen) < count or not all("viewing.age" in seen for seen in witness.seen.values())
    ):
        time.sleep(0.5)
    after, wall_s = used(pid), time.monotonic() - started
    time.sleep(5.0)  # the last record is written after its viewing copy
    events = witness.close()
    return {
        "events": events,
        "cpu_share": round((after["own_s"] - before["own_s"]) / wall_s, 4),
        "children_cpu_s_per_event": round(
            (after["children_s"] - before["children_s"]) / max(1, len(events)), 2
        ),
        "rss_mib": round(after["rss_mib"], 1),
        "rss_highest_mib": round(max(witness.memory), 1),
        "peak_mib": round(after["peak_mib"], 1),
        "pss_mib": round(after["pss_mib"], 1),
        "children": list(witness.children.values()),
    }


def watch_motion(folder: Path, url: str, minutes: float) -> dict[str, Any] | str:
    """Let Debian's motion watch the same stream with its own defaults, storing nothing."""
    if shutil.which("motion") is None:
        return "motion is not installed (apt-get install motion)"
    config = folder / "motion.conf"
    width_height = "width 1920\nheight 1080\nframerate 25\n"
    config.write_text(
        f"daemon off\nnetcam_url {url}\n{width_height}movie_output off\npicture_output off\n"
        f"target_dir {folder}\nwebcontrol_port 0\nstream_port 0\nlog_level 3\n"
    )
    process = subprocess.Popen(
        ["motion", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return watch_quiet(process.pid, minutes)
    finally:
        process.terminate()
        process.wait()


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the rigs and the node; return the figures."""
    config = make_node(folder)
    environment = start_sound(folder / "p")
    camera, url = start_camera(folder, args.size)
    command = [sys.executable, "-m", "noisewatch.cli.main", "run", "--config", str(config), "--json"]
    node = subprocess.Popen(
        [*command, "--audio", "device:road", "--video", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    if args.alone:
        for pid in (os.getpid(), camera.pid, int(environment["NW_PULSE_PID"])):
            prefer(pid, RIG_PRIORITY)
        prefer(node.pid, NODE_PRIORITY)
    try:
        assert node.stderr is not None
        while "listening" not in node.stderr.readline():
            if node.poll() is not None:
                raise SystemExit(node.stderr.read())
        threading.Thread(target=node.stderr.read, daemon=True).start()
        figures: dict[str, Any] = {"size": args.size, "quiet": watch_quiet(node.pid, args.minutes)}
        if args.motion:
            figures["motion"] = watch_motion(folder, url, min(args.minutes, 3.0))
        if args.events:
            figures["busy"] = play_events(node.pid, folder, environment, args.events, is_alone=args.alone)
        node.send_signal(signal.SIGTERM)
        assert node.stdout is not None
        figures["summary"] = json.loads(node.stdout.read().splitlines()[-1])
        node.wait(timeout=300)
        return figures | {"targets": TARGETS}
    finally:
        for process in (node, camera):
            if process.poll() is None:
                process.kill()
        os.kill(int(environment["NW_PULSE_PID"]), signal.SIGTERM)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=3)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--motion", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    # ended from outside, it still ends what it started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # short, because a socket's path holds about a hundred characters
    with tempfile.TemporaryDirectory(prefix="nw-") as name:
        figures = measure(args, Path(name))
    print(json.dumps(figures) if args.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
