"""A pull copies ciphertext and what was signed, from a folder or over ssh; it opens and trusts nothing."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_up
import pytest
import sealed
from command import noisewatch

from noisewatch.errors import ConfigurationError, InputError, NoisewatchError, TryAgainError, UsageError
from noisewatch.evidence import boxes, custody, pull, retention, store, verify
from noisewatch.evidence.boxes import FolderBox, SshBox, open_box
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.seal import NodeSigner

WHY = ("--as", "officer", "--reason", sealed.REASON, "--case", sealed.CASE)
SECOND = "ev-20260301-0002"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    return sealed.make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made: sealed.Place, tmp_path: Path) -> sealed.Place:
    shutil.copytree(made.node, tmp_path / "node")
    shutil.copytree(made.custody, tmp_path / "custody")
    return replace(made, node=tmp_path / "node", custody=tmp_path / "custody")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def run(place: sealed.Place, copy: Path, box: boxes.Box | None = None, **changes: datetime) -> pull.Pulled:
    opened = custody.open_custody(place.custody)
    now = changes.get("now") or datetime.now(UTC)
    return pull.pull(box or FolderBox(place.node), copy, opened, who="officer", now=now)


def seal_second(place: sealed.Place) -> None:
    clip = made_up.make_clip(seconds=0.2)
    opened = custody.open_custody(place.custody)
    sealed.seal_event(place.node, opened, event_id=SECOND, viewing=clip, original=clip)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def check_copy_works(place: sealed.Place, copy: Path, out: Path) -> None:
    """List, look, export and verify with nothing but the copy."""
    where = ("--node", copy, "--custody", place.custody)
    (listed,) = noisewatch("clips", "list", *where, "--json").documents
    assert listed["id"] == place.event_id
    assert noisewatch("clips", "show", place.event_id, *WHY, *where).code == 0
    made = noisewatch("clips", "export", place.event_id, *WHY, *where, "--out", out, "--json")
    assert made.code == 0, made.err
    package = Path(made.document["package"])
    assert verify.verify(package, trust=place.trust).origin == "verified"
    assert (package / "data" / "clip.mp4").read_bytes() == place.clips["viewing"]


def test_a_copy_serves_the_officer_and_holds_no_key(place: sealed.Place, copy: Path, tmp_path: Path) -> None:
    command = ("clips", "pull", "--from", place.node, "--to", copy, "--custody", place.custody, "--json")
    done = noisewatch(*command)
    assert done.code == 0, done.err
    said = {"node": "box-1", "events": 1, "arrived": 1, "erased": 0, "alarms": []}
    assert said.items() <= done.document.items()
    assert not any("node.key" in name or "bundle" in name or "node.toml" in name for name in files(copy))
    assert all(path.stat().st_mode & 0o077 == 0 for path in (copy / "store").rglob("*") if path.is_file())
    shutil.rmtree(place.node)
    check_copy_works(place, copy, tmp_path / "out")
    audit = noisewatch("audit", "verify", "--node", copy, "--custody", place.custody)
    assert audit.code == 0, audit.out


def test_custody_notes_the_pull_and_remembers_the_boxs_log(place: sealed.Place, copy: Path) -> None:
    run(place, copy)
    rows = list(EventLog(place.custody / "log" / "custody.jsonl", None).entries())
    assert (rows[-1].entry.action, rows[-1].entry.target) == ("pull", "node box-1")
    assert rows[-1].entry.who == "officer"
    assert len(list((place.custody / "witness").iterdir())) == 1


def test_a_second_pull_brings_what_is_new_and_only_that(place: sealed.Place, copy: Path) -> None:
    run(place, copy)
    before = {name: (copy / name).stat().st_mtime_ns for name in files(copy) if name.endswith(".age")}
    assert run(place, copy).arrived == 0
    seal_second(place)
    done = run(place, copy)
    assert (done.arrived, done.events, done.alarms) == (1, 2, ())
    assert all((copy / name).stat().st_mtime_ns == moment for name, moment in before.items())


def test_a_pull_from_a_box_that_is_sealing_takes_what_is_whole(place: sealed.Place, copy: Path) -> None:
    # an event that began after the checkpoint, a temporary file, and a store that another process holds open
    with store.Store.open(place.node / "store"):
        folder = place.node / "store" / "clips" / "2026-03-01" / "ev-begun"
        folder.mkdir(parents=True)
        (folder / ".viewing.age.0a1b2c3d.tmp").write_bytes(b"half")
        (folder / "event.age").write_bytes(b"{}")
        done = run(place, copy)
    assert (done.events, done.alarms) == (1, ())
    assert not any("ev-begun" in name for name in files(copy))


class Breaking(FolderBox):
    """A box whose connection breaks after some files."""

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for number, item in enumerate(FolderBox.fetch(self, names)):
            if boxes.LOG not in names and number == 3:
                raise TryAgainError("ssh ended", where="box")
            yield item


def test_a_pull_that_broke_goes_on_where_it_stopped(place: sealed.Place, copy: Path, tmp_path: Path) -> None:
    with pytest.raises(TryAgainError):
        run(place, copy, Breaking(place.node))
    came = {name for name in files(copy / "store") if name.endswith(".age")}
    assert len(came) == 3
    moments = {name: (copy / "store" / name).stat().st_mtime_ns for name in came}
    done = run(place, copy)
    assert (done.events, done.arrived) == (1, 1)
    assert {name: (copy / "store" / name).stat().st_mtime_ns for name in came} == moments
    check_copy_works(place, copy, tmp_path / "out")


@pytest.mark.parametrize("part", ["viewing.age", "original.age"])
def test_ciphertext_that_the_log_does_not_name_is_left_and_alarms(
    part: str, place: sealed.Place, copy: Path
) -> None:
    path = next(place.node.rglob(part))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = run(place, copy)
    assert done.events == 0
    assert any(part in alarm and "is not what the box's log says" in alarm for alarm in done.alarms)
    assert not any(name.endswith(part) for name in files(copy))


def test_a_box_whose_log_was_cut_alarms_and_takes_nothing_from_the_copy(
    place: sealed.Place, copy: Path
) -> None:
    log, checkpoint = place.node / "log" / "node.jsonl", place.node / "log" / "node.jsonl.checkpoint"
    early = (log.read_bytes(), checkpoint.read_bytes())
    seal_second(place)
    assert run(place, copy).events == 2
    log.write_bytes(early[0])
    checkpoint.write_bytes(early[1])
    done = run(place, copy)
    assert any("tail cut" in alarm for alarm in done.alarms)
    assert len(list((copy / "store" / "clips").glob("*/*"))) == 2
    assert len(list((copy / "log").glob("before-*"))) == 2
    rows = list(EventLog(place.custody / "log" / "custody.jsonl", None).entries())
    assert any(row.entry.action == "alteration" and row.entry.target == "node box-1" for row in rows)


def test_what_the_box_erased_and_what_has_ended_is_erased_from_the_copy(
    place: sealed.Place, copy: Path
) -> None:
    seal_second(place)
    run(place, copy)
    log = EventLog.open(place.node / "log" / "node.jsonl", signer=NodeSigner.from_folder(place.node / "keys"))
    late = datetime.now(UTC) + timedelta(hours=25)
    with store.Store.open(place.node / "store", log=log) as opened:
        retention.enforce(opened, log, late, synchronised=True, boottime_s=1.0)
    done = run(place, copy)
    assert (done.erased, done.events) == (2, 0)
    assert list((copy / "store" / "clips").glob("*/*")) == []


def test_a_copy_ends_with_its_time_though_the_box_forgot(place: sealed.Place, copy: Path) -> None:
    run(place, copy)
    done = run(place, copy, now=datetime.now(UTC) + timedelta(hours=25))
    assert (done.erased, done.events) == (1, 0)


def test_the_box_of_another_custody_is_refused(place: sealed.Place, copy: Path, tmp_path: Path) -> None:
    custody.init(tmp_path / "other", trial=True, days=1)
    with pytest.raises(InputError, match="its signature"):
        run(replace(place, custody=tmp_path / "other"), copy)


def test_a_folder_that_holds_something_else_is_refused(place: sealed.Place, copy: Path) -> None:
    copy.mkdir()
    (copy / "letter.txt").write_text("hello")
    with pytest.raises(ConfigurationError, match="no copy of a box"):
        run(place, copy)
    assert files(copy) == {"letter.txt"}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../../etc/passwd",
            "/etc/passwd",
            "keys/node.key",
            "node.toml",
            "store/events.db",
            "store/clips/2026-03-01/ev-1234/event.json",
            "log/../keys/node.key",
        ),
        *(
            "store/clips/2026-03-01/../ev-1/event.age",
            "store/clips/2026-03-01/ev-1234/node.key",
        ),
        *(
            "store/clips/2026-03-01/ev\u202e-1/event.age",
            "store/clips/2026-03-01/" + "e" * 4000 + "/event.age",
        ),
    ],
)
def test_a_name_that_is_not_pulled_is_never_asked_for(name: str, place: sealed.Place) -> None:
    for box in (FolderBox(place.node), SshBox("box", "/node")):
        with pytest.raises(InputError, match="not a file that is pulled"):
            list(box.fetch([name]))


def test_links_and_odd_names_on_a_box_are_not_followed_and_said(place: sealed.Place, copy: Path) -> None:
    folder = next((place.node / "store" / "clips").glob("*/*"))
    (folder / "notes.txt").write_text("odd")
    viewing = folder / "viewing.age"
    viewing.rename(place.node / "elsewhere")
    viewing.symlink_to(place.node / "elsewhere")
    done = run(place, copy)
    assert any("notes.txt" in alarm for alarm in done.alarms)
    assert not any(name.endswith(("notes.txt", "viewing.age")) for name in files(copy))


@pytest.mark.parametrize(
    "given", ["-oProxyCommand=id:/x", "host:relative", "a b@c:/x", "nothing", "h:/a\nb", "--:/x"]
)
def test_an_address_that_ssh_would_misread_is_refused(given: str) -> None:
    with pytest.raises(UsageError):
        open_box(given)


@dataclass(frozen=True)
class Server:
    """An sshd of this test's own, and the ``ssh`` that leads to it."""

    address: str


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A real sshd on loopback where openssh-server is installed; else ``ssh`` runs the command."""
    programs, folder = tmp_path / "bin", tmp_path / "ssh"
    programs.mkdir()
    folder.mkdir(mode=0o700)
    fake = programs / "ssh"
    child = None
    if Path("/usr/sbin/sshd").is_file():
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
            )
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = [f"HostKey={folder}/host", f"AuthorizedKeysFile={folder}/authorized", "UsePAM=no"]
        options += ["ListenAddress=127.0.0.1", f"Port={port}", "StrictModes=no", f"PidFile={folder}/pid"]
        Path("/run/sshd").mkdir(exist_ok=True)
        command = ["/usr/sbin/sshd", "-D", "-f", "/dev/null"]
        child = subprocess.Popen([*command, *(part for one in options for part in ("-o", one))])
        _wait_for(port)
        fake.write_text(
            f"#!/bin/sh\nexec /usr/bin/ssh -F none -p {port} -i {folder}/user -o IdentitiesOnly=yes "
            f'-o StrictHostKeyChecking=no -o UserKnownHostsFile={folder}/known -o LogLevel=ERROR "$@"\n'
        )
    else:
        fake.write_text(
            f"#!{sys.executable}\nimport os, sys\n"
            "os.execv('/bin/sh', ['sh', '-c', sys.argv[sys.argv.index('--') + 2]])\n"
        )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    yield Server("root@127.0.0.1")
    if child is not None:
        child.terminate()
        child.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("sshd did not start")


def test_over_ssh_the_copy_is_the_same(
    place: sealed.Place, copy: Path, server: Server, tmp_path: Path
) -> None:
    odd = tmp_path / "a box's folder; $(touch spoiled)"
    place.node.rename(odd)
    box = open_box(f"{server.address}:{odd}")
    assert isinstance(box, SshBox)
    done = run(place, copy, box)
    assert (done.events, done.arrived, done.alarms) == (1, 1, ())
    assert run(place, copy, box).arrived == 0
    assert run(place, tmp_path / "beside", FolderBox(odd)).events == 1
    for name in files(tmp_path / "beside" / "store" / "clips"):
        there = copy / "store" / "clips" / name
        assert there.read_bytes() == (tmp_path / "beside" / "store" / "clips" / name).read_bytes()
    assert not Path("spoiled").exists()
    check_copy_works(place, copy, tmp_path / "out")


def test_over_ssh_a_box_that_is_not_there_is_said(place: sealed.Place, copy: Path, server: Server) -> None:
    with pytest.raises(NoisewatchError) as caught:
        run(place, copy, SshBox(server.address, "/nonexistent"))
    assert caught.value.exit_code in (66, 74, 75)
    assert not (copy / "store").exists()


def test_a_box_that_sends_what_was_not_asked_for_is_refused(
    place: sealed.Place, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "authorized_keys").write_text("mine")
    fake = programs / "ssh"
    fake.write_text(
        f"#!/bin/sh\nexec tar -C {tmp_path} --create --file=- --absolute-names evil/../evil/authorized_keys\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    with pytest.raises(InputError, match="not asked for"):
        run(place, copy, SshBox("box", "/node"))
    assert files(copy) == {".pulled"}


def test_the_documents_of_a_pull_are_json(place: sealed.Place, copy: Path) -> None:
    done = noisewatch("clips", "pull", "--from", place.node, "--to", copy, "--custody", place.custody)
    assert done.out.startswith("box-1: 1 events arrived")
    assert json.loads((copy / "log" / "node.jsonl.checkpoint").read_text())["p7s"]
