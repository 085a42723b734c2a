"""Custody's side: the log knows who opens what before it is opened, and an original needs two people."""

from __future__ import annotations

import ast
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from evidence_parts import CLEAR, Bench, entry
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.errors import (
    InputError,
    InputOutputError,
    MissingInputError,
    NoisewatchError,
    PermissionRefusedError,
    UsageError,
)
from noisewatch.evidence import keyring, log, seal, unseal
from noisewatch.evidence.log import EventLog
from noisewatch.records import LogEntry

WHY = "PV 2026/114, complaint of 3 May"
ID = "20261122-120000-a1b2"
TODAY = datetime.now(UTC).date()


def access(who: str = "officer", action: str = "disclosure", *, target: str = ID, why: str = WHY) -> LogEntry:
    return entry(who, action, target, why)


@pytest.fixture
def sealed(bench: Bench) -> dict[str, bytes]:
    """The ciphertext of one event, from the store."""
    with bench.store() as store:
        bench.seal_event(store, ID)
        return {name: store.read(ID, name) for name in CLEAR}


def count(bench: Bench) -> int:
    return log.verify(bench.custody.log_path).entries


def test_an_officer_opens_the_viewing_copy_and_the_log_says_so(
    bench: Bench, sealed: dict[str, bytes]
) -> None:
    officer = bench.custody.find_person("officer")
    opened = unseal.open_viewing(
        bench.custody, officer, sealed["viewing"], day=TODAY, log=bench.custody.log(), entry=access()
    )
    assert opened == CLEAR["viewing"]
    last = list(bench.custody.log().entries())[-1].entry
    assert (last.who, last.action, last.target, last.why) == ("officer", "disclosure", ID, WHY)
    assert last.details["trial"] is True


def test_several_parts_open_under_one_entry(bench: Bench, sealed: dict[str, bytes]) -> None:
    before = count(bench)
    parts = {name: sealed[name] for name in ("viewing", "levels")}
    officer = bench.custody.find_person("officer")
    opened = unseal.open_parts(
        bench.custody, officer, parts, day=TODAY, log=bench.custody.log(), entry=access()
    )
    assert opened == {name: CLEAR[name] for name in parts}
    assert count(bench) == before + 1


def test_when_the_log_cannot_be_written_no_key_is_touched(
    bench: Bench, sealed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[str] = []
    real = keyring.open_wrap
    monkeypatch.setattr(keyring, "open_wrap", lambda *a, **k: touched.append("key") or real(*a, **k))
    custody_log, officer = bench.custody.log(), bench.custody.find_person("officer")
    log_file = bench.custody.log_path
    log_file.rename(log_file.with_name("away"))
    log_file.mkdir()
    with pytest.raises(NoisewatchError):
        unseal.open_viewing(
            bench.custody, officer, sealed["viewing"], day=TODAY, log=custody_log, entry=access()
        )
    assert touched == []
    log_file.rmdir()
    log_file.with_name("away").rename(log_file)
    unseal.open_viewing(bench.custody, officer, sealed["viewing"], day=TODAY, log=custody_log, entry=access())
    assert touched == ["key"]


def test_the_entry_is_on_disk_before_the_key_is_unwrapped(
    bench: Bench, sealed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = count(bench), []
    real = keyring.open_wrap

    def looking(*arguments: object, **keywords: object) -> bytes:
        seen.append(count(bench))
        return real(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(keyring, "open_wrap", looking)
    officer = bench.custody.find_person("officer")
    unseal.open_viewing(
        bench.custody, officer, sealed["viewing"], day=TODAY, log=bench.custody.log(), entry=access()
    )
    assert seen == [before + 1]


def test_an_original_needs_the_supervisor_first_then_the_officer(
    bench: Bench, sealed: dict[str, bytes]
) -> None:
    custody, custody_log = bench.custody, bench.custody.log()
    officer, supervisor = custody.find_person("officer"), custody.find_person("supervisor")
    with pytest.raises(PermissionRefusedError, match=r"no supervisor approved.*clips approve"):
        unseal.open_original(custody, officer, event_id=ID, day=TODAY, log=custody_log, entry=access())
    path = unseal.approve_original(
        custody,
        supervisor,
        sealed["original"],
        event_id=ID,
        day=TODAY,
        log=custody_log,
        entry=access("supervisor", "approval"),
    )
    assert path == custody.folder / "approved" / f"{ID}.age"
    assert CLEAR["original"] not in path.read_bytes()
    opened = unseal.open_original(custody, officer, event_id=ID, day=TODAY, log=custody_log, entry=access())
    assert opened == CLEAR["original"]
    assert [row.entry.action for row in custody_log.entries()][-2:] == ["approval", "disclosure"]


def test_neither_alone_opens_an_original_with_their_own_keys(bench: Bench, sealed: dict[str, bytes]) -> None:
    for role in ("officer", "supervisor"):
        identity = bench.custody.find_person(role).identity()
        wraps = keyring.read(bench.custody.keyring, TODAY)
        keys = []
        for owner in ("officer", "supervisor"):
            try:
                secret = pyrage.decrypt(wraps[owner]["wraps"][owner].encode(), [identity])
                keys.append(pyrage.x25519.Identity.from_str(secret.decode()))
            except pyrage.DecryptError:
                continue
        assert len(keys) == 1
        data = sealed["original"]
        for _ in range(2):
            try:
                data = pyrage.decrypt(data, keys)
            except pyrage.DecryptError:
                break
        assert CLEAR["original"] not in data


@pytest.mark.parametrize(
    ("person", "change", "error", "what"),
    [
        ("supervisor", access("supervisor"), PermissionRefusedError, "does not hold the role officer"),
        ("officer", access(action="approval"), UsageError, "does not say what officer"),
        ("officer", access(action="erasure"), UsageError, "does not say what officer"),
        ("officer", access("somebody"), UsageError, "does not say what officer"),
        ("officer", access(target=""), UsageError, "does not say what officer"),
        ("officer", access(why="test"), UsageError, "the reason says nothing"),
        ("officer", access(why="complaint \x1b[31mof 3 May"), UsageError, "control characters"),
    ],
)
def test_a_wrong_person_or_entry_opens_nothing_and_is_not_an_access(
    bench: Bench, sealed: dict[str, bytes], person: str, change: LogEntry, error: type[Exception], what: str
) -> None:
    before = count(bench)
    with pytest.raises(error, match=what):
        unseal.open_viewing(
            bench.custody,
            bench.custody.find_person(person),
            sealed["viewing"],
            day=TODAY,
            log=bench.custody.log(),
            entry=change,
        )
    assert count(bench) == before


def test_the_entry_belongs_into_custodys_own_log(
    bench: Bench, sealed: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="custody's own log"):
        unseal.open_viewing(
            bench.custody,
            bench.custody.find_person("officer"),
            sealed["viewing"],
            day=TODAY,
            log=EventLog.open(tmp_path / "other.jsonl"),
            entry=access(),
        )


def test_an_entry_about_another_event_approves_nothing(bench: Bench, sealed: dict[str, bytes]) -> None:
    with pytest.raises(UsageError, match="the entry is about"):
        unseal.approve_original(
            bench.custody,
            bench.custody.find_person("supervisor"),
            sealed["original"],
            event_id=ID,
            day=TODAY,
            log=bench.custody.log(),
            entry=access("supervisor", "approval", target="another-event"),
        )


@pytest.mark.parametrize("cut", [1, 100, 4000])
def test_a_truncated_or_altered_ciphertext_gives_nothing(
    bench: Bench, sealed: dict[str, bytes], cut: int
) -> None:
    officer = bench.custody.find_person("officer")
    flipped = bytearray(sealed["viewing"])
    flipped[-cut] ^= 1
    for data in (sealed["viewing"][:-cut], bytes(flipped), b""):
        with pytest.raises(InputError, match="altered, truncated or sealed to another day"):
            unseal.open_viewing(
                bench.custody, officer, data, day=TODAY, log=bench.custody.log(), entry=access()
            )


def test_a_day_that_ended_opens_for_nobody(bench: Bench, sealed: dict[str, bytes]) -> None:
    keyring.path_of(bench.custody.keyring, TODAY).unlink()
    before = count(bench)
    with pytest.raises(MissingInputError, match="the day has ended"):
        unseal.open_viewing(
            bench.custody,
            bench.custody.find_person("officer"),
            sealed["viewing"],
            day=TODAY,
            log=bench.custody.log(),
            entry=access(),
        )
    assert count(bench) == before


def test_a_clip_of_another_day_does_not_open(bench: Bench) -> None:
    tomorrow: date = TODAY + timedelta(days=1)
    other = seal.seal_viewing(b"clip", bench.keys.for_day(tomorrow))
    with pytest.raises(InputError, match="sealed to another day"):
        unseal.open_viewing(
            bench.custody,
            bench.custody.find_person("officer"),
            other,
            day=TODAY,
            log=bench.custody.log(),
            entry=access(),
        )


@given(st.text(max_size=600))
def test_a_reason_is_words_on_one_line_or_is_refused(text: str) -> None:
    reason = WHY
    with suppress(UsageError):
        reason = unseal.check_reason(text)
    assert 10 <= len(reason) <= 500
    assert reason.isprintable()


def test_no_other_function_of_the_module_reaches_a_days_key() -> None:
    tree = ast.parse(Path(unseal.__file__).read_text())
    callers: dict[str, set[str]] = {
        "secrets_of": set(),
        "open_wrap": set(),
        "_unwrap": set(),
        "_Recorded": set(),
        "append": set(),
    }
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name in callers:
                    callers[name].add(function.name)
    assert callers["secrets_of"] == {"_unwrap"}
    assert callers["open_wrap"] == set()
    assert callers["_Recorded"] == {"_record"} == callers["append"]
    assert callers["_unwrap"] == {"open_parts", "approve_original"}


def test_the_node_imports_nothing_that_opens(root: Path) -> None:
    opening = {"unseal", "custody", "keyring", "people", "authority", "enrol"}
    for path in (root / "noisewatch" / "node").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names = {node.module.rpartition(".")[2], *(alias.name for alias in node.names)}
                assert not (node.module.startswith("noisewatch.evidence") and names & opening), path


def test_what_the_node_loads_holds_nothing_that_opens() -> None:
    script = (
        "import sys, noisewatch.node.service; print(*sorted(m for m in sys.modules if m.startswith('noise')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "noisewatch.evidence.seal" in loaded
    for name in ("unseal", "custody", "keyring", "people", "authority", "enrol"):
        assert f"noisewatch.evidence.{name}" not in loaded


def test_a_read_only_reader_cannot_approve_into_a_missing_folder(
    bench: Bench, sealed: dict[str, bytes]
) -> None:
    bench.custody.approved.rmdir()
    bench.custody.approved.write_bytes(b"not a folder")
    with pytest.raises((InputOutputError, InputError)):
        unseal.approve_original(
            bench.custody,
            bench.custody.find_person("supervisor"),
            sealed["original"],
            event_id=ID,
            day=TODAY,
            log=bench.custody.log(),
            entry=access("supervisor", "approval"),
        )
