"""Export from a real store and custody: logged first, whole or not at all, the same data every time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_up
import pytest
import sealed

from noisewatch.errors import (
    InputError,
    MissingInputError,
    NoisewatchError,
    PermissionRefusedError,
    UsageError,
)
from noisewatch.evidence import bagit, consult, custody, export, jsonform, log, package, verify


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    """A place that no test may change."""
    return sealed.make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made: sealed.Place, tmp_path: Path) -> sealed.Place:
    """A copy to work with."""
    shutil.copytree(made.node, tmp_path / "node")
    shutil.copytree(made.custody, tmp_path / "custody")
    return replace(made, node=tmp_path / "node", custody=tmp_path / "custody")


def order(place: sealed.Place, **changes: object) -> export.Order:
    plain = export.Order(place.event_id, "officer", sealed.REASON, sealed.CASE)
    return replace(plain, **changes)


def make(place: sealed.Place, out: Path, **changes: object) -> export.Exported:
    return export.export(order(place, **changes), node=place.node, custody=place.custody, out=out)


def custody_entries(place: sealed.Place) -> list[dict[str, object]]:
    lines = (place.custody / "log" / "custody.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def accesses(place: sealed.Place) -> list[dict[str, object]]:
    """What was done; what was refused stands in the log too."""
    return [entry for entry in custody_entries(place) if entry["action"] != "refusal"]


def approve(place: sealed.Place, as_: str = "supervisor") -> Path:
    return consult.approve(
        place.event_id,
        as_=as_,
        reason=sealed.REASON,
        case=sealed.CASE,
        node=place.node,
        custody=place.custody,
    )


def test_an_export_verifies_and_holds_the_clip_that_was_sealed(place: sealed.Place, tmp_path: Path) -> None:
    made = make(place, tmp_path / "out")
    verdict = verify.verify(made.package, trust=place.custody)
    assert (verdict.valid, verdict.origin, verdict.officer) == (True, "verified", "officer")
    assert verdict.is_trial
    assert (made.package / "data" / "clip.mp4").read_bytes() == place.clips["viewing"]
    assert (made.package / "data" / "levels.csv").read_bytes() == made_up.make_levels()


def test_files_are_for_their_owner_alone(place: sealed.Place, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        made = make(place, tmp_path / "out")
    finally:
        os.umask(previous)
    modes = {path: path.stat().st_mode & 0o777 for path in [made.package, *made.package.rglob("*")]}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())


def test_two_exports_have_the_same_data_and_two_entries(place: sealed.Place, tmp_path: Path) -> None:
    first, second = (
        make(place, tmp_path / "out"),
        make(place, tmp_path / "out", case="PV 2", reason="appeal of May"),
    )
    assert first.package != second.package
    assert first.data_sha256 == second.data_sha256
    files_1, files_2 = (bagit.read_bag(made.package)[0] for made in (first, second))
    names = {name for name in files_1 if name.startswith("data/")}
    assert {name: files_1[name] for name in names} == {
        name: data for name, data in files_2.items() if name.startswith("data/")
    }
    disclosed = [entry for entry in custody_entries(place) if entry["action"] == "disclosure"]
    assert [entry["why"] for entry in disclosed] == [sealed.REASON, "appeal of May"]
    assert [entry["details"]["case"] for entry in disclosed] == [sealed.CASE, "PV 2"]


def test_who_why_and_when_stand_outside_data_only(place: sealed.Place, tmp_path: Path) -> None:
    made = make(place, tmp_path / "out")
    request = json.loads((made.package / "custody" / "request.json").read_text())
    assert (request["who"], request["why"], request["case"]) == ("officer", sealed.REASON, sealed.CASE)
    for path in (made.package / "data").rglob("*"):
        if path.is_file():
            assert sealed.CASE.encode() not in path.read_bytes()


def test_only_the_events_own_log_entries_are_taken_along(place: sealed.Place, tmp_path: Path) -> None:
    opened = custody.open_custody(place.custody)
    for number in range(3):
        clip = made_up.make_clip(seconds=0.2, seed=number)
        sealed.seal_event(place.node, opened, event_id=f"ev-other-{number}", viewing=clip, original=clip)
    made = make(place, tmp_path / "out")
    for name in ("node.jsonl", "custody.jsonl"):
        text = (made.package / "custody" / name).read_text()
        assert place.event_id in text
        assert "ev-other" not in text


@pytest.mark.parametrize("language", ["nl", "fr", "en"])
def test_a_report_in_each_language_verifies(language: str, place: sealed.Place, tmp_path: Path) -> None:
    made = make(place, tmp_path / "out", language=language)
    assert verify.verify(made.package, trust=place.trust).origin == "verified"


@pytest.mark.parametrize(
    "reason",
    [
        *(None, "", "   ", "..........", "short", "test test", "test test test", "a" * 20, "x" * 501),
        *("because because because", "reason\x1b[31mred text", "=cmd|' /C calc'!A0"),
    ],
)
def test_a_reason_that_says_nothing_is_refused_before_anything_is_logged(
    reason: str | None, place: sealed.Place, tmp_path: Path
) -> None:
    before = accesses(place)
    with pytest.raises(UsageError):
        make(place, tmp_path / "out", reason=reason)
    assert accesses(place) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", [None, "", "  ", "---", "x" * 101, "PV\n2"])
def test_a_missing_case_is_refused(case: str | None, place: sealed.Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--case"):
        make(place, tmp_path / "out", case=case)


@pytest.mark.parametrize("who", ["nobody", "supervisor", "/etc/hostname", "../people/officer"])
def test_somebody_else_than_an_officer_is_refused(who: str, place: sealed.Place, tmp_path: Path) -> None:
    before = accesses(place)
    with pytest.raises((PermissionRefusedError, NoisewatchError)) as caught:
        make(place, tmp_path / "out", as_=who)
    assert caught.value.exit_code in (77, 78)
    assert accesses(place) == before


def test_an_officer_may_sign_by_key_file(place: sealed.Place, tmp_path: Path) -> None:
    person = place.custody / "people" / "officer"
    for name, target in (("ssh", "id"), ("ssh.pub", "id.pub"), ("age.txt", "id.age")):
        shutil.copy(person / name, tmp_path / target)
    made = make(place, tmp_path / "out", as_=str(tmp_path / "id"))
    assert verify.verify(made.package, trust=place.trust).officer == "officer"


def test_a_revoked_officer_is_refused(place: sealed.Place, tmp_path: Path) -> None:
    public = (place.custody / "people" / "officer" / "ssh.pub").read_bytes()
    (place.trust / "revoked").write_bytes(public)
    with pytest.raises(PermissionRefusedError, match="revoked"):
        make(place, tmp_path / "out")


def test_a_clip_that_has_ended_is_refused(place: sealed.Place, tmp_path: Path) -> None:
    late = datetime.now(UTC) + timedelta(days=2)
    with pytest.raises(MissingInputError, match="ended on"):
        export.export(order(place), node=place.node, custody=place.custody, out=tmp_path / "out", now=late)


@pytest.mark.parametrize(
    "event_id", ["ev-missing", "../../etc/passwd", "ev\0x", "e" * 4000, "\u202eev-1", "ev;rm"]
)
def test_an_event_that_is_not_there_or_a_name_that_leads_out_is_refused(
    event_id: str, place: sealed.Place, tmp_path: Path
) -> None:
    with pytest.raises((MissingInputError, InputError)):
        make(place, tmp_path / "out", event_id=event_id)
    assert list((tmp_path / "out").glob("*")) == []


def test_an_original_needs_a_supervisors_approval(place: sealed.Place, tmp_path: Path) -> None:
    with pytest.raises(PermissionRefusedError, match="no supervisor approved"):
        make(place, tmp_path / "out", original=True)
    with pytest.raises(PermissionRefusedError, match="needs the role supervisor"):
        approve(place, as_="officer")
    approve(place)
    made = make(place, tmp_path / "out", original=True)
    assert (made.package / "data" / "original.mp4").read_bytes() == place.clips["original"]
    assert not (made.package / "data" / "clip.mp4").exists()
    assert verify.verify(made.package, trust=place.trust).origin == "verified"
    acts = [entry["action"] for entry in custody_entries(place) if entry["target"] == place.event_id]
    assert acts == ["approval", "disclosure"]


@pytest.mark.parametrize("part", ["viewing.age", "levels.age", "event.age"])
def test_a_part_that_was_altered_in_the_store_is_refused_and_nothing_is_left(
    part: str, place: sealed.Place, tmp_path: Path
) -> None:
    path = next(place.node.rglob(part))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises((InputError, MissingInputError)):
        make(place, tmp_path / "out")
    assert list((tmp_path / "out").glob("*")) == []


def test_the_entry_is_in_the_log_before_a_key_is_unwrapped(
    place: sealed.Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    real = custody.keyring.open_wrap

    def watch(*arguments: object, **options: object) -> bytes:
        seen.append(custody_entries(place)[-1]["action"])
        return real(*arguments, **options)

    monkeypatch.setattr(custody.keyring, "open_wrap", watch)
    make(place, tmp_path / "out")
    assert seen == ["disclosure"]
    assert log.verify(place.custody / "log" / "custody.jsonl").valid


def test_without_a_log_nothing_is_opened(place: sealed.Place, tmp_path: Path) -> None:
    path = place.custody / "log" / "custody.jsonl"
    path.unlink()
    path.mkdir()
    with pytest.raises(NoisewatchError):
        make(place, tmp_path / "out")
    assert list((tmp_path / "out").glob("*")) == []


def test_the_export_process_never_opens_the_boxs_private_key(place: sealed.Place, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = [sys.executable, "-m", "noisewatch.cli.main", "clips", "export", place.event_id]
    command += ["--node", str(place.node), "--custody", str(place.custody), "--as", "officer"]
    command += ["--reason", sealed.REASON, "--case", sealed.CASE, "--out", str(tmp_path / "out")]
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", str(trace), *command],
        check=True,
        capture_output=True,
    )
    text = trace.read_text(errors="replace")
    assert "viewing.age" in text
    assert "node.key" not in text
    created = [line.split('"')[1] for line in text.splitlines() if "O_CREAT" in line and "= -1" not in line]
    ours = [name for name in created if str(tmp_path) in name]
    allowed = (
        *(
            str(tmp_path / "out"),
            str(place.custody / "log"),
            str(place.custody / "witness"),
            str(place.custody / "requests"),
        ),
        str(place.node / "store" / "events.db-"),
    )
    assert [name for name in ours if not name.startswith(allowed)] == []
    # nothing in the clear is laid down anywhere else on the way
    assert [name for name in created if name.endswith((".mp4", ".csv", ".age")) and name not in ours] == []


def test_a_full_disk_leaves_no_package(place: sealed.Place, full_disk: Path) -> None:
    with pytest.raises(NoisewatchError) as caught:
        make(place, full_disk)
    assert caught.value.exit_code == 74
    assert list(full_disk.iterdir()) == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB, for which a package is too big."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root only; CI runs as root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_package_never_replaces_what_stands_there(place: sealed.Place, tmp_path: Path) -> None:
    files = {"bagit.txt": bagit.BAGIT_TXT}
    package.write_package(files, out=tmp_path, name="p")
    with pytest.raises(UsageError, match="stands there already"):
        package.write_package(files, out=tmp_path, name="p")
    (tmp_path / "q").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="stands there already"):
        package.write_package(files, out=tmp_path, name="q")


@pytest.mark.parametrize("name", ["../p", "/p", "p/q", ".p", "p\0", ""])
def test_a_packages_name_cannot_lead_elsewhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        package.write_package({"bagit.txt": b""}, out=tmp_path / "out", name=name)
    with pytest.raises(UsageError):
        package.write_package({f"../{name}": b""}, out=tmp_path / "out", name="p")


def test_the_same_package_gives_the_same_zip(place: sealed.Place, tmp_path: Path) -> None:
    made = make(place, tmp_path / "out")
    one, two = (package.write_zip(made.package, tmp_path / f"{n}.zip").read_bytes() for n in "ab")
    assert one == two
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert verify.verify(tmp_path / "a.zip", trust=place.trust).origin == "verified"


def test_a_consultation_is_logged_and_leaves_no_file(place: sealed.Place, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    seen = consult.consult(
        place.event_id,
        as_="officer",
        reason=sealed.REASON,
        case=sealed.CASE,
        node=place.node,
        custody=place.custody,
    )
    assert seen.viewing == place.clips["viewing"]
    assert custody_entries(place)[-1]["action"] == "consultation"
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    # custody remembers the request's nonce by an empty file
    nonces = {path for path in after - before if path.parent == place.custody / "requests"}
    assert [path.stat().st_size for path in nonces] == [0]
    assert {path.name for path in after - before - nonces} <= {"lock", "events.db-shm", "events.db-wal"}


def test_the_list_says_what_was_viewed_and_exported(place: sealed.Place, tmp_path: Path) -> None:
    first = next(consult.list_clips(place.node, place.custody))
    assert (first["viewed"], first["exported"]) == (False, False)
    make(place, tmp_path / "out")
    second = next(consult.list_clips(place.node, place.custody))
    assert (second["viewed"], second["exported"], second["exports"]) == (False, True, 1)
    unknown = next(consult.list_clips(place.node, None))
    assert (unknown["viewed"], unknown["exported"]) == (None, None)


def test_a_record_survives_the_way_to_json_and_back() -> None:
    record = made_up.make_record(b"clip", b"levels")
    document = jsonform.bytes_to_document(jsonform.document_to_bytes(jsonform.record_to_document(record)))
    assert jsonform.document_to_record(document) == record
