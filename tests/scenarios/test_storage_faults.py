"""What can happen to a disk, a lock or a key, one test each; nothing half-written stays.

Kills and failing calls at every write stand in ``test_crashes.py``, power cuts in ``test_power_cuts.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import evidence_parts
import pytest
from evidence_parts import CLEAR, Bench, make_record

from noisewatch.errors import AnswerIsNo, InputOutputError
from noisewatch.evidence import checkpoint, cms, custody, durable, log, seal
from noisewatch.evidence.store import Store

OLD, NEW = "20261122-110000-old0", "20261122-120000-new0"


@pytest.fixture(scope="module")
def bench_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    bench = evidence_parts.make_bench(folder)
    (bench.node / "node.toml").write_text("")
    with bench.store() as store:
        bench.seal_event(store, OLD)
    return folder


@pytest.fixture
def bench(bench_original: Path, tmp_path: Path) -> Bench:
    """A node that holds one sealed event already."""
    return copy_bench(bench_original, tmp_path / "bench")


def copy_bench(original: Path, folder: Path) -> Bench:
    shutil.copytree(original, folder, dirs_exist_ok=True)
    bench = Bench(custody.open_custody(folder / "custody"), folder / "node")
    assert bench.keys.is_trial, "loaded here, so that no fault hits openssl instead of the store"
    return bench


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root only; CI runs as root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def noisewatch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noisewatch.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_one_line(done: subprocess.CompletedProcess[str], *, exit_code: int, text: str) -> None:
    assert done.returncode == exit_code, done
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def assert_whole(bench: Bench, *, acknowledged: bool | None = None) -> str | None:
    """After a start the old event is untouched, the new one sealed, lost or not there; return its state."""
    with bench.store() as store:
        assert store.read(OLD, "viewing"), "old evidence was touched"
        events = {event.id: event for event in store.list()}
        folders = set((bench.node / "store" / "clips").glob("*/*"))
        assert folders == {event.folder for event in events.values()}, "an orphan or a missing folder"
        assert not [path for path in bench.node.rglob("*") if durable.is_temporary(path)]
        new = events.get(NEW)
        if new is not None:
            assert new.state in ("sealed", "lost", "none"), new.state
            names = {path.name for path in new.folder.iterdir()}
            media = {f"{name}.age" for name in CLEAR} if new.state == "sealed" else set()
            assert names == {"event.age"} | media
            signed, signature = bench.opened(store, NEW)
            assert verifies(bench, signed, signature), "the record and its signature do not belong together"
            assert f'"media_state":"{"sealed" if media else "pending"}"'.encode() in signed
            for name in CLEAR if media else ():
                store.read(NEW, name)
        if acknowledged:
            assert new is not None, "an acknowledged event is gone"
            assert new.state == "sealed", "an acknowledged event is gone"
    pem = bench.custody.authority_pem()
    verdict = log.verify(bench.log_path, authority_pem=pem, role=seal.ROLE_NODE)
    assert verdict.valid, verdict.problems
    return None if new is None else new.state


def verifies(bench: Bench, signed: bytes, signature: bytes) -> bool:

    try:
        cms.verify_detached(
            signed, signature, authority_pem=bench.custody.authority_pem(), at=datetime.now(UTC)
        )
    except AnswerIsNo:
        return False
    return True


def test_a_full_disk_loses_the_new_clip_by_name_and_keeps_the_old_one(
    bench_original: Path, small_disk: Path
) -> None:
    bench = copy_bench(bench_original, small_disk)
    with bench.store() as store:
        bench.begin(store, make_record(NEW))
        (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 200_000))
        sealed_record = bench.sealed(make_record(NEW, state="sealed"))
        sealed = {"viewing": b"age-encryption.org/v1" + os.urandom(400_000)}
        with pytest.raises(
            InputOutputError, match=r"viewing\.age: no space left on the disk; free space there"
        ):
            store.finish(make_record(NEW, state="sealed"), sealed_record, sealed)
        assert store.get(NEW).state == "lost"
        assert sorted(path.name for path in store.get(NEW).folder.iterdir()) == ["event.age"]
    assert "no space left" in [row.entry.why for row in bench.log().entries()][-1]
    (small_disk / "filler").unlink()
    assert assert_whole(bench) == "lost"


def test_a_disk_without_a_free_byte_begins_no_event_and_the_node_goes_on_later(
    bench_original: Path, small_disk: Path
) -> None:
    bench = copy_bench(bench_original, small_disk)
    store = bench.store()
    fill(small_disk)
    with pytest.raises(InputOutputError, match="no space left on the disk"):
        bench.begin(store, make_record(NEW))
    (small_disk / "filler").unlink()
    bench.seal_event(store, "20261122-130000-next")
    store.close()
    assert assert_whole(bench) is None


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return


def test_a_full_disk_stops_the_command_with_74_and_one_line(bench_original: Path, small_disk: Path) -> None:
    bench = copy_bench(bench_original, small_disk)
    fill(small_disk)
    done = noisewatch("retention", "enforce", "--node", bench.node)
    assert_one_line(done, exit_code=74, text="no space left on the disk")


def test_a_read_only_store_is_refused_for_writing_and_still_read(
    bench_original: Path, small_disk: Path
) -> None:
    bench = copy_bench(bench_original, small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = noisewatch("retention", "enforce", "--node", bench.node)
    assert_one_line(done, exit_code=74, text="the file system is read-only; mount it for writing")
    plan = noisewatch("retention", "plan", "--node", bench.node, "--json")
    assert plan.returncode == 0, plan.stderr
    assert [event["id"] for event in json.loads(plan.stdout)["events"]] == [OLD]


def test_a_store_that_another_process_holds_is_refused_with_75(bench: Bench) -> None:
    with bench.store():
        done = noisewatch("retention", "enforce", "--node", bench.node)
    assert_one_line(done, exit_code=75, text="another process holds it; stop that one, or try again later")
    assert noisewatch("retention", "enforce", "--node", bench.node).returncode == 0


def test_a_signing_key_that_others_can_read_is_refused_with_77(bench: Bench) -> None:
    (bench.node / "keys" / "node.key").chmod(0o640)
    done = noisewatch("retention", "enforce", "--node", bench.node)
    assert_one_line(
        done, exit_code=77, text="node.key: this secret can be used by others (mode 0640); run: chmod 600"
    )


def test_a_signing_key_of_another_user_is_refused_with_77(bench: Bench) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away; CI runs as root")
    os.chown(bench.node / "keys" / "node.key", 65534, 65534)
    done = noisewatch("retention", "enforce", "--node", bench.node)
    assert_one_line(done, exit_code=77, text="this secret belongs to another user")


def test_a_torn_last_log_line_is_named_then_repaired_and_noted(bench: Bench) -> None:
    with bench.log_path.open("ab") as stream:
        stream.write(b'{"action":"collection","at":"2026-')
    done = noisewatch("audit", "verify", "--node", bench.node, "--custody", bench.custody.folder, "--json")
    assert done.returncode == 1
    verdict = json.loads(done.stdout)
    assert not verdict["valid"]
    assert verdict["problems"][0]["what"] == "is not an entry (torn or edited)"
    with bench.store():
        pass
    done = noisewatch("audit", "verify", "--node", bench.node, "--custody", bench.custody.folder, "--json")
    assert done.returncode == 0, done.stdout
    assert [row.entry.why for row in bench.log().entries()][-1] == log.TAIL_REPAIRED


def test_a_log_and_checkpoint_removed_together_leave_a_log_that_knows_less_than_the_store(
    bench: Bench,
) -> None:
    # what the log alone cannot show; only a checkpoint that was carried away can (step 6)
    bench.log_path.unlink()
    checkpoint.path_of(bench.log_path).unlink()
    with bench.store() as store:
        assert store.get(OLD).state == "sealed"
    assert not any(row.entry.target == OLD for row in bench.log().entries())


def child(work: Callable[[], None]) -> int:
    """Run work in a forked process that may die at any point; return how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_between_pending_and_sealed_the_next_start_says_media_lost(bench: Bench) -> None:
    def begin_and_die() -> None:
        store = bench.store()
        bench.begin(store, make_record(NEW))
        die()

    assert child(begin_and_die) == -signal.SIGKILL
    with Store.open(bench.node / "store", writable=False) as reader:
        assert reader.get(NEW).state == "pending"
    assert assert_whole(bench) == "lost"
    last = list(bench.log().entries())[-1].entry
    assert (last.action, last.target) == ("alteration", NEW)
    assert last.why == "media lost: the box stopped before the clip was sealed"
