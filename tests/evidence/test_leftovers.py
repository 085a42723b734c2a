"""What a killed export left in the clear goes with the next one; what is at work, or not ours, stays."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from noisewatch.evidence import custody, keyring, leftovers, people


def left_folder(out: Path, name: str) -> Path:
    folder = out / f".noisewatch-{name}.abcd.tmp"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "clip.mp4").write_bytes(b"in the clear")
    return folder


def test_a_folder_that_a_killed_export_left_is_removed(tmp_path: Path) -> None:
    folder = left_folder(tmp_path, "ev-1")
    assert leftovers.remove(tmp_path) == (folder.name,)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_an_export_is_filling_stays(tmp_path: Path) -> None:
    folder = left_folder(tmp_path, "ev-1")
    lock = leftovers.hold(folder)
    assert leftovers.remove(tmp_path) == ()
    assert (folder / "data" / "clip.mp4").is_file()
    with pytest.raises(BlockingIOError):
        leftovers.hold(folder)
    os.close(lock)
    assert leftovers.remove(tmp_path) == (folder.name,)


def test_a_file_is_removed_only_when_it_is_old(tmp_path: Path) -> None:
    young, old = (tmp_path / f".noisewatch-{name}.zip.age.0a1b.tmp" for name in ("young", "old"))
    for path in (young, old):
        path.write_bytes(b"sealed")
    os.utime(old, (1.0, 1.0))
    assert leftovers.remove(tmp_path) == (old.name,)
    assert young.is_file()


def test_packages_other_hidden_names_and_links_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "clip.mp4").write_bytes(b"x")
    (tmp_path / ".noisewatch-link.tmp").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "noisewatch-ev-1").mkdir()
    (tmp_path / ".cache.tmp").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert leftovers.remove(tmp_path) == ()
    assert sorted(tmp_path.rglob("*")) == before


def test_what_another_user_left_stays(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away; CI runs as root")
    folder = left_folder(tmp_path, "ev-1")
    os.chown(folder, 65534, 65534)
    assert leftovers.remove(tmp_path) == ()
    assert folder.is_dir()


def left_copy(path: Path) -> Path:
    """What a write of a file leaves that is killed before its rename."""
    copy = path.with_name(f".{path.name}.0a1b2c3d.tmp")
    copy.write_bytes(path.read_bytes())
    return copy


@pytest.fixture(scope="module")
def desk_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk") / "custody"
    custody.init(folder, trial=True, days=3)
    return folder


@pytest.fixture
def desk(desk_original: Path, tmp_path: Path) -> custody.Custody:
    """A trial custody."""
    return custody.open_custody(Path(shutil.copytree(desk_original, tmp_path / "custody")))


def test_a_days_end_takes_the_copy_of_its_keys_that_a_killed_write_left(desk: custody.Custody) -> None:
    first, *others = keyring.days(desk.keyring)
    left = left_copy(keyring.path_of(desk.keyring, first))
    kept = left_copy(keyring.path_of(desk.keyring, others[0]))
    custody.expire(desk, also=[first])
    assert not left.exists()
    assert kept.exists(), "a write of another day may be at work"


def test_who_leaves_can_open_no_copy_that_a_killed_write_left(desk: custody.Custody) -> None:
    day = keyring.days(desk.keyring)[0]
    left = left_copy(keyring.path_of(desk.keyring, day))
    staff = [people.read(path) for path in desk.people.iterdir()]
    colleague = replace(next(one for one in staff if one.role == "officer"), name="colleague")
    keyring.drop(desk.keyring, "officer", role="officer", people=[*staff, colleague], renew_from=day)
    assert not left.exists()


def test_the_daily_round_removes_what_killed_writes_left_in_custody(desk: custody.Custody) -> None:
    old, young = left_copy(desk.log_path), left_copy(desk.trust / "ca.pem")
    os.utime(old, (1.0, 1.0))
    custody.expire(desk)
    assert (old.exists(), young.exists()) == (False, True)
