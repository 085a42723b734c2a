"""No sound or picture that matched nothing reaches a disk, a log, a temporary file or a socket.

The real process runs over a street whose every sample and picture is a mark (``marks.py``). All that it hands
to the system is read by strace; and the disk it wrote to, an ext4 image of its own with deleted blocks and
journal, is searched byte by byte, also after kills. What is written outside an event is accounted for to the
last file, so that a spectrogram or an embedding, which no mark can describe, has no place to be. Each search
has a control: a build that leaks in that way, made here alone, is caught.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import marks
import numpy as np
import pytest
import traced
from command import noisewatch
from image import Disk

from noisewatch.evidence import filed, minutes
from noisewatch.evidence.custody import open_custody
from noisewatch.evidence.log import EventLog

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
SOUND, FILM = SAMPLES / "street.flac", SAMPLES / "street.mp4"
LENGTH_S = 24.0
#: At this scale the sample's exhaust is an event; at the other everything is 60 dB below and nothing matches.
LOUD, QUIET = 20.0, 0.02

WRITTEN_OUTSIDE_EVENTS = (
    *("log/node.jsonl", "log/.node.jsonl.checkpoint.", "store/events.db", "store/levels/"),
    # the public card and rules of each signature that listens, by its hash
    "signatures/",
)
#: SQLite's pages, a checkpoint an hour, a line a minute.
BYTES_A_RUN, BYTES_A_MINUTE = 120_000, 40_000
#: What is written of an event, under the temporary name of each file.
SEALED = r"store/clips/[\d-]+/[\w-]+/\.(event|original|viewing|levels)\.age\.[0-9a-f]+\.tmp"
LOG_KEYS = {"heard_us", "kept_us", "minutes", "forgotten_us"}


@pytest.fixture(scope="module")
def quiet_marks() -> marks.Marks:
    return marks.of_street(SOUND, FILM, pascal_per_unit=QUIET)


@pytest.fixture(scope="module")
def loud_marks() -> marks.Marks:
    return marks.of_street(SOUND, FILM, pascal_per_unit=LOUD)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.close()


def make_node(folder: Path) -> Path:
    assert noisewatch("custody", "init", folder / "custody", "--trial").code == 0
    assert noisewatch("init", folder / "node", "--custody", folder / "custody").code == 0
    (folder / "home").mkdir()
    return folder / "node"


def run_arguments(node: Path, *, scale: float, times: int) -> list[object]:
    sources = [argument for _ in range(times) for argument in ("--audio", SOUND, "--video", FILM)]
    options = ["--pace", "fast", "--pascal-per-unit", scale, "--json", "--start", "2026-03-01T12:00:30Z"]
    return ["run", "--config", node / "node.toml", *sources, *options]


def trace_run(tmp_path: Path, command: list[str]) -> traced.Trace:
    home = tmp_path / "home"
    return traced.traced(command, trace=tmp_path / "trace", env=traced.clean_environment(home), cwd=home)


def leaks(trace: traced.Trace, known: marks.Marks, node: Path, *, duration_s: float) -> set[str]:
    """Return everything that a run without a match may not have done."""
    data = trace.everything(but_pipes=False)
    found = {f"mark: {form}" for form in known.found_in(data)}
    found |= {f"media: {kind}" for kind in marks.media_in(data)}
    written = trace.files(node)
    found |= {f"file: {name}" for name in written if not name.startswith(WRITTEN_OUTSIDE_EVENTS)}
    found |= {f"elsewhere: {target.split(':[')[0]}" for target in trace.elsewhere(node)}
    found |= {f"call: {call.split()[1].split('(')[0]}" for call in trace.by_other_means}
    found |= {f"mapped: {path}" for path in trace.mapped if not path.endswith("/store/events.db-shm")}
    if sum(map(len, written.values())) > BYTES_A_RUN + BYTES_A_MINUTE * duration_s / 60:
        found.add("more bytes than minutes and counters need")
    return found | content_leaks(node, duration_s=duration_s)


def content_leaks(node: Path, *, duration_s: float) -> set[str]:
    """Read back what is there: entries of known form, whole minutes, no event, no table but those we know."""
    found = set()
    for row in EventLog(node / "log" / "node.jsonl", None).entries():
        if set(row.entry.details) != LOG_KEYS:
            found.add(f"log: {row.entry.target}")
    heard_s = minutes.heard_s(filed.read(open_custody(node.parent / "custody"), node))
    if abs(heard_s - duration_s) > 0.01:
        found.add(f"minutes: {heard_s} s")
    with sqlite3.connect(node / "store" / "events.db") as db:
        tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        if db.execute("select count(*) from events").fetchone()[0]:
            found.add("an event")
        keys = {key for (key,) in db.execute("select key from state")}
    db.close()
    known_tables = {"events", "media", "state", "_sqlite_migrations", "sqlite_sequence"}
    found |= {f"table: {name}" for name in tables - known_tables}
    return found | {f"state: {key}" for key in keys - {"clock floor", "heard and forgotten"}}


def check_quiet_street(tmp_path: Path, known: marks.Marks, *, times: int) -> None:
    node = make_node(tmp_path)
    command = traced.noisewatch_command(*run_arguments(node, scale=QUIET, times=times))
    trace = trace_run(tmp_path, command)
    assert trace.code == 0, trace.err
    (summary,) = [json.loads(line) for line in trace.out.splitlines()]
    assert (summary["events"], summary["duration_s"]) == (0, LENGTH_S * times)
    assert len(trace.written) > 5, "strace saw nothing"
    assert leaks(trace, known, node, duration_s=LENGTH_S * times) == set()
    last = list(EventLog(node / "log" / "node.jsonl", None).entries())[-1]
    assert last.entry.details["forgotten_us"] == round(LENGTH_S * times * 1e6)


def test_a_street_without_a_match_leaves_minutes_and_counters_and_nothing_else(
    tmp_path: Path, quiet_marks: marks.Marks
) -> None:
    check_quiet_street(tmp_path, quiet_marks, times=1)


@pytest.mark.slow
def test_ten_minutes_without_a_match_leave_minutes_and_counters_and_nothing_else(
    tmp_path: Path, quiet_marks: marks.Marks
) -> None:
    check_quiet_street(tmp_path, quiet_marks, times=25)


def test_of_a_match_only_ciphertext_and_signed_records_leave_memory(
    tmp_path: Path, loud_marks: marks.Marks
) -> None:
    """Between the node and its sealing child the clip goes through pipes; everything else is searched."""
    node = make_node(tmp_path)
    trace = trace_run(tmp_path, traced.noisewatch_command(*run_arguments(node, scale=LOUD, times=1)))
    assert trace.code == 0, trace.err
    assert json.loads(trace.out.splitlines()[-1])["sealed"] == 1
    outside_pipes = trace.everything(but_pipes=True)
    assert loud_marks.found_in(outside_pipes) == set()
    assert marks.media_in(outside_pipes) == set()
    assert trace.elsewhere(node) == {}
    assert trace.by_other_means == []
    names = {name for name in trace.files(node) if not name.startswith(WRITTEN_OUTSIDE_EVENTS)}
    assert names, "strace saw no clip"
    assert all(re.fullmatch(SEALED, name) for name in names), names
    # the control: the same search finds the sound where it must be, on its way to the child
    in_pipes = b"".join(data for target, data in trace.written.items() if target.startswith("pipe:"))
    assert "float32 pascal" in loud_marks.found_in(in_pipes)


#: A node that leaks, each time the tenth block comes, in every way that the test above claims to see.
LEAKY = """
import base64, mmap, os, socket, sys
from datetime import UTC, datetime
from pathlib import Path
import av, numpy as np
from noisewatch.cli.main import main
from noisewatch.evidence.log import EventLog
from noisewatch.node.pipeline import Pipeline
from noisewatch.records import LogEntry

node, home = Path(sys.argv[1]), Path(sys.argv[2])
push_audio, push_video = Pipeline.push_audio, Pipeline.push_video

def leak_sound(self, block):
    push_audio(self, block)
    if block.start_sample // block.samples.shape[1] != 10:
        return
    (home / "block.raw").write_bytes(block.samples.tobytes())
    sixteen = np.round(block.samples.T / PASCAL * 32768).astype("<i2")
    (node / "log" / "debug.pcm").write_bytes(sixteen.tobytes())
    text = base64.b64encode(block.samples[:, :400].tobytes()).decode()
    log = EventLog(node / "log" / "node.jsonl", None)
    log.append(LogEntry("noisewatch", "alteration", "debug", "a leak", datetime.now(UTC), {"sound": text}))
    np.save(home / "embedding.npy", np.abs(np.fft.rfft(block.samples[0]))[:64])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.sendto(block.samples.tobytes()[:1200], ("127.0.0.1", 9))
    with (home / "mapped").open("w+b") as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as view:
            view[:4] = b"leak"

def leak_picture(self, street_s, packet):
    push_video(self, street_s, packet)
    if packet.is_keyframe and street_s < 1:
        (home / "packet.h264").write_bytes(packet.data)
        decoder = av.CodecContext.create(packet.format.codec, "r")
        decoder.extradata = packet.format.extradata
        (picture, *_) = decoder.decode(av.Packet(packet.data)) + decoder.decode(None)
        (home / "picture.yuv").write_bytes(picture.to_ndarray(format="yuv420p").tobytes())
        picture.to_image().save(home / "picture.jpg")

Pipeline.push_audio, Pipeline.push_video = leak_sound, leak_picture
main(sys.argv[3:])
"""


def test_a_build_that_writes_one_block_or_one_picture_is_caught(
    tmp_path: Path, quiet_marks: marks.Marks
) -> None:
    node = make_node(tmp_path)
    code = LEAKY.replace("PASCAL", str(QUIET))
    arguments = [str(argument) for argument in run_arguments(node, scale=QUIET, times=1)]
    trace = trace_run(tmp_path, [sys.executable, "-c", code, str(node), str(tmp_path / "home"), *arguments])
    assert trace.code == 0, trace.err
    found = leaks(trace, quiet_marks, node, duration_s=LENGTH_S)
    home = tmp_path / "home"
    expected = {
        "mark: float32 pascal",
        "mark: int16",
        "mark: base64 of float32 pascal",
        "mark: packet of the camera",
        "mark: decoded picture",
        "media: JPEG",
        "media: NumPy",
        "file: log/debug.pcm",
        "elsewhere: socket",
        "log: debug",
        f"mapped: {home / 'mapped'}",
        *(
            f"elsewhere: {home / name}"
            for name in ("block.raw", "embedding.npy", "packet.h264", "picture.jpg")
        ),
    }
    assert expected - found == set(), found


def start(node: Path, disk: Disk, *, scale: float, times: int) -> subprocess.Popen[bytes]:
    home = disk.root / "home"
    command = traced.noisewatch_command(*run_arguments(node, scale=scale, times=times))
    with (home / "out").open("ab") as out, (home / "err").open("ab") as err:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            cwd=home,
            env=traced.clean_environment(home),
            start_new_session=True,
        )


def wait_until(path: Path, text: bytes) -> None:
    deadline = time.monotonic() + 120
    while text not in path.read_bytes():
        assert time.monotonic() < deadline, path.read_bytes()[-2000:]
        time.sleep(0.05)


def wait_for_children(group: int) -> None:
    """The sealing child ends by itself when the node is gone; a disk in use cannot be unmounted."""
    deadline = time.monotonic() + 60
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "a child outlived the node"
        time.sleep(0.1)


def check_killed(disk: Disk, known: marks.Marks, *, kills: int, times: int, and_whole: bool) -> None:
    node = make_node(disk.root)
    chance = random.Random(kills)  # noqa: S311 - when to kill is no secret
    for _ in range(kills):
        with start(node, disk, scale=LOUD, times=times) as process:
            wait_until(disk.root / "home" / "err", b"listening to")
            time.sleep(chance.uniform(0.1, 6.0))
            process.send_signal(signal.SIGKILL)
        wait_for_children(process.pid)
        (disk.root / "home" / "err").write_bytes(b"")
    if and_whole:
        with start(node, disk, scale=LOUD, times=1) as process:
            assert process.wait(timeout=400) == 0, (disk.root / "home" / "err").read_text()
        wait_for_children(process.pid)
        assert list((node / "store" / "clips").rglob("original.age")), "the street's event is sealed"
    # what a kill left is brought to an end by whoever opens the store next
    assert noisewatch("retention", "enforce", "--node", node).code == 0
    assert noisewatch("audit", "verify", "--node", node).code == 0
    left = {path.name for path in marks.files_below(disk.root / "home")}
    assert left <= {"out", "err"}
    content = disk.content()
    assert known.found_in(content) == set()
    assert marks.media_in(content) == set()


def test_killed_anywhere_the_disk_holds_no_mark(disk: Disk, loud_marks: marks.Marks) -> None:
    check_killed(disk, loud_marks, kills=1, times=1, and_whole=False)


@pytest.mark.slow
def test_killed_at_many_points_the_disk_holds_no_mark(disk: Disk, loud_marks: marks.Marks) -> None:
    check_killed(disk, loud_marks, kills=10, times=2, and_whole=True)


def test_one_block_that_was_written_and_deleted_again_is_found_on_the_disk(
    disk: Disk, loud_marks: marks.Marks
) -> None:
    """The control of the search over the disk: a temporary file of a tenth of a second."""
    block = np.frombuffer(_pascal(0.1), dtype=np.float32)
    path = disk.root / "temporary"
    with path.open("wb") as file:
        file.write(block.tobytes())
        os.fsync(file.fileno())
    if disk.is_mounted:
        path.unlink()
    assert "float32 pascal" in loud_marks.found_in(disk.content())


def _pascal(seconds: float) -> bytes:
    from noisewatch.capture.microphone import open_audio

    block = next(iter(open_audio(str(SOUND), pascal_per_unit=LOUD).blocks()))
    return block.samples[0, : round(seconds * block.rate_hz)].tobytes()
