"""Disks that go away, fill up or turn read-only under a running store, and folders that somebody prepared."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import crash
import crashscenes
import powercut
import pytest
from crashscenes import NEW, OLD, Ground
from evidence_parts import Bench, make_record

from noisewatch.errors import InputError, MissingInputError, NoisewatchError
from noisewatch.evidence import bagit, package, retention
from noisewatch.evidence.store import Store

NOBODY = 65534
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can mount or change user; CI runs as root"
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return crashscenes.make_ground(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def bench(ground: Ground, tmp_path: Path) -> Bench:
    """A node that holds one sealed event already."""
    return ground.copy(tmp_path / "bench")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small disk with the options that are asked for."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},mode=0700", "tmpfs", str(disk)], check=True)
        return disk

    yield mount
    subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True)


def begin_is_refused(bench: Bench, store: Store) -> NoisewatchError:
    with pytest.raises(NoisewatchError) as caught:
        bench.begin(store, make_record(NEW))
    assert caught.value.exit_code in (66, 74)
    assert "\n" not in caught.value.line()
    return caught.value


@needs_root
def test_a_disk_that_turns_read_only_under_a_running_store_is_said_and_read_on(
    ground: Ground, tmp_path: Path
) -> None:
    image = tmp_path / "disk"
    powercut.make_disk(image, ground.folder)
    with powercut.mounted(image, "loop,errors=remount-ro") as disk:
        bench = crashscenes.opened(disk / "place")
        with bench.store() as store:
            powercut.break_down(disk)
            assert "read-only" in begin_is_refused(bench, store).line()
            assert store.read(OLD, "viewing") == ground.ciphertext["viewing"]
    with powercut.again(image) as disk:
        bench = crashscenes.opened(disk / "place")
        assert crashscenes.check_sealing(ground, bench, acknowledged=0) == "absent"


@needs_root
def test_a_disk_without_free_inodes_is_as_a_full_one(
    ground: Ground, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("size=4m,nr_inodes=200")
    bench = ground.copy(disk)
    with bench.store() as store:
        fill = disk / "fill"
        fill.mkdir()
        while os.statvfs(disk).f_ffree:
            (fill / str(os.statvfs(disk).f_ffree)).touch()
        assert "no space left" in begin_is_refused(bench, store).line()
        shutil.rmtree(fill)
        bench.seal_event(store, NEW)
    assert crashscenes.check_sealing(ground, bench, acknowledged=3) == "sealed"


@needs_root
def test_a_disk_that_is_gone_is_said_at_once_and_nothing_is_written_where_it_was(
    ground: Ground, small_disk: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = small_disk("size=4m")
    bench = ground.copy(disk)
    monkeypatch.setattr(Bench, "signer", bench.signer)
    with bench.store() as store:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        begin_is_refused(bench, store)
    assert list(disk.iterdir()) == []


@needs_root
def test_a_store_of_another_user_is_refused_and_its_path_named(bench: Bench) -> None:
    """What chmod 000 or a foreign owner means: this process is not root then."""
    place = bench.node.parent
    place.parent.chmod(0o755)
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)

    def as_nobody(board: crash.Board) -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        Store.open(bench.node / "store", writable=False).close()

    ended = crash.run(as_nobody)
    assert ended.exit_code in (74, 77, 78)
    assert str(bench.node / "store") in ended.refusal


def test_an_event_folder_that_is_a_link_is_never_followed_by_an_erasure(bench: Bench, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with bench.store() as store:
        event = store.get(OLD)
        shutil.move(event.folder, elsewhere)
        event.folder.symlink_to(elsewhere)
        before = sorted(path.name for path in elsewhere.iterdir())
        done = retention.enforce(store, bench.log(), datetime.now(UTC) + timedelta(days=2), synchronised=True)
        assert (done.erased, done.unproven) == ((), (OLD,)), "what is not ours to remove is no proof"
    assert sorted(path.name for path in elsewhere.iterdir()) == before


def test_ciphertext_that_is_a_link_to_other_bytes_is_not_served(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"age-encryption.org/v1 other")
    with bench.store() as store:
        path = store.get(OLD).path("viewing")
        path.unlink()
        path.symlink_to(tmp_path / "other")
        with pytest.raises((InputError, MissingInputError)):
            store.read(OLD, "viewing")


def test_a_package_in_a_folder_that_everybody_may_write_to_is_for_its_owner_alone(tmp_path: Path) -> None:
    out = tmp_path / "open"
    out.mkdir()
    out.chmod(0o777)
    before = os.umask(0)
    try:
        made = package.write_package({"bagit.txt": bagit.BAGIT_TXT, "data/a": b"x"}, out=out, name="p")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (made, *made.rglob("*"))}
    assert modes == {0o600, 0o700}


def test_a_box_that_was_off_for_31_days_erases_all_that_has_ended_at_once(bench: Bench) -> None:
    now = datetime.now(UTC)
    with bench.store() as store:
        assert (
            retention.enforce(store, bench.log(), now, synchronised=True, boottime_s=900_000.0).erased == ()
        )
        later = now + timedelta(days=31)
        done = retention.enforce(store, bench.log(), later, synchronised=True, boottime_s=5.0)
        assert (done.erased, done.unproven, done.now) == ((OLD,), (), later)
        assert store.list() == ()
        assert store.traces_of(OLD) == ()
