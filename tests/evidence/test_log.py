"""The chained log: what was edited, removed, moved, repeated, torn or cut is named."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import evidence_parts
import pytest
from evidence_parts import Bench, entry
from hypothesis import given, settings
from hypothesis import strategies as st

from noisewatch.errors import InputError, InputOutputError, MissingInputError, UsageError
from noisewatch.evidence import checkpoint, jsonform, log, seal
from noisewatch.records import LogEntry


def fill(path: Path, count: int = 6, signer: seal.NodeSigner | None = None) -> log.EventLog:
    made = log.EventLog.open(path, signer=signer)
    for number in range(count):
        made.append(entry(target=f"event-{number}"))
    return made


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def rechain(line: bytes, **changes: object) -> bytes:
    """An entry that was changed and whose own hash was made anew, as one who knows the form would."""
    body = {**jsonform.bytes_to_document(line), **changes}
    del body["sha256"]
    digest = hashlib.sha256(jsonform.document_to_bytes(body)).hexdigest()
    return jsonform.document_to_bytes({**body, "sha256": digest}) + b"\n"


def test_entries_come_back_in_order_with_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    made = log.EventLog.open(path)
    said = LogEntry("jan", "disclosure", "event-1", "PV 2026/7: é", datetime.now(UTC), {"case": "7", "n": 2})
    assert [made.append(said), made.append(entry())] == [0, 1]
    rows = list(log.EventLog.open(path).entries())
    assert rows[0].entry == said
    assert rows[1].previous_sha256 == rows[0].sha256
    assert log.verify(path) == log.LogVerdict(valid=True, entries=2, problems=())


def test_the_hash_of_an_entry_is_over_its_canonical_bytes_without_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    fill(path, 1)
    document = jsonform.bytes_to_document(lines_of(path)[0].rstrip(b"\n"))
    digest = document.pop("sha256")
    assert hashlib.sha256(jsonform.document_to_bytes(document)).hexdigest() == digest


def test_an_action_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'peeking' is not one of alteration, approval"):
        log.EventLog.open(tmp_path / "node.jsonl").append(entry(action="peeking"))


def test_an_entry_that_is_too_long_is_refused_and_the_log_stands(tmp_path: Path) -> None:
    made = fill(tmp_path / "node.jsonl", 2)
    with pytest.raises(InputError, match="longer than 64 kB"):
        made.append(entry(why="x" * 70_000))
    assert log.verify(made.path).entries == 2


Tamper = Callable[[list[bytes]], list[bytes]]

TAMPERS: dict[str, tuple[Tamper, str]] = {
    "edited": (lambda e: [*e[:2], e[2].replace(b"event-2", b"event-9"), *e[3:]], "entry 2: edited"),
    "edited with spaces": (lambda e: [*e[:2], e[2].replace(b'"at":', b'"at": '), *e[3:]], "entry 2: edited"),
    "edited and hashed anew": (
        lambda e: [*e[:2], rechain(e[2], why="never mind"), *e[3:]],
        "entry 3: does not follow entry 2",
    ),
    "removed": (lambda e: [*e[:2], *e[3:]], "entry 2: removed"),
    "removed at the beginning": (lambda e: e[1:], "entry 0: removed"),
    "swapped": (lambda e: [*e[:2], e[3], e[2], *e[4:]], "entry 3: moved, it stands where entry 2 belongs"),
    "moved to the end": (lambda e: [*e[:2], *e[3:], e[2]], "entry 2: moved, it stands where entry 5 belongs"),
    "duplicated": (lambda e: [*e[:3], e[2], *e[3:]], "entry 2: duplicated"),
    "torn in the middle": (lambda e: [*e[:2], e[2][:40] + b"\n", *e[3:]], "line 3: is not an entry"),
    "torn at the end": (lambda e: [*e[:-1], e[-1][:-5]], "line 6: is not an entry"),
    "without its last newline": (lambda e: [*e[:-1], e[-1][:-1]], "line 6: is not an entry"),
    "with an empty line": (lambda e: [*e[:2], b"\n", *e[2:]], "line 3: is not an entry"),
    "first entry made anew": (lambda e: [rechain(e[0], previous_sha256="1" * 64), *e[1:]], "entry 0: names"),
}


@pytest.mark.parametrize("name", sorted(TAMPERS))
def test_an_entry_that_was_tampered_with_is_named(tmp_path: Path, name: str) -> None:
    change, named = TAMPERS[name]
    path = tmp_path / "node.jsonl"
    fill(path)
    path.write_bytes(b"".join(change(lines_of(path))))
    verdict = log.verify(path)
    assert not verdict.valid
    assert any(problem.startswith(named) for problem in verdict.problems), verdict.problems


@given(position=st.integers(min_value=0, max_value=10**6), bit=st.integers(min_value=0, max_value=7))
@settings(max_examples=150, deadline=None)
def test_any_single_flipped_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "node.jsonl"
    fill(path, 3)
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))
    assert not log.verify(path).valid


def test_a_cut_tail_shows_by_the_checkpoint(bench: Bench) -> None:
    path, signer = bench.log_path, bench.signer
    fill(path, 6, signer)
    pem = bench.custody.authority_pem()
    assert log.verify(path, authority_pem=pem, role=seal.ROLE_NODE).valid
    path.write_bytes(b"".join(lines_of(path)[:4]))
    verdict = log.verify(path, authority_pem=pem, role=seal.ROLE_NODE)
    assert verdict.problems == ("tail cut: the checkpoint says 6 entries, the log holds 4",)
    assert log.verify(path).valid, "without the checkpoint a cut tail is a shorter log"


def test_a_log_that_was_opened_after_a_cut_says_so_for_ever(bench: Bench) -> None:
    path, signer, pem = bench.log_path, bench.signer, bench.custody.authority_pem()
    fill(path, 6, signer)
    path.write_bytes(b"".join(lines_of(path)[:4]))
    log.EventLog.open(path, signer=signer).append(entry())
    verdict = log.verify(path, authority_pem=pem, role=seal.ROLE_NODE)
    assert verdict.problems == (f"entry 4: notes that {log.TAIL_CUT}",)


def test_a_removed_checkpoint_is_a_problem_and_is_noted_at_the_next_start(bench: Bench) -> None:
    path, signer, pem = bench.log_path, bench.signer, bench.custody.authority_pem()
    fill(path, 6, signer)
    checkpoint.path_of(path).unlink()
    assert log.verify(path, authority_pem=pem).problems[0].startswith("checkpoint: is missing")
    log.EventLog.open(path, signer=signer)
    assert log.verify(path, authority_pem=pem).problems == (f"entry 6: notes that {log.CHECKPOINT_LOST}",)


def test_a_checkpoint_by_another_box_role_or_log_is_refused(bench: Bench, tmp_path: Path) -> None:
    path, signer, pem = bench.log_path, bench.signer, bench.custody.authority_pem()
    fill(path, 2, signer)
    verdict = log.verify(path, authority_pem=pem, role=seal.ROLE_CUSTODY_LOG)
    assert verdict.problems[0].startswith("checkpoint: is signed with a certificate that is not for")
    other = evidence_parts.make_bench(tmp_path / "other")
    verdict = log.verify(path, authority_pem=other.custody.authority_pem())
    assert verdict.problems[0].startswith("checkpoint: its signature does not verify")
    shutil.copy(path, tmp_path / "renamed.jsonl")
    shutil.copy(checkpoint.path_of(path), checkpoint.path_of(tmp_path / "renamed.jsonl"))
    assert log.verify(tmp_path / "renamed.jsonl", authority_pem=pem).problems == (
        "checkpoint: is about node.jsonl",
    )


def test_entries_that_no_checkpoint_covers_are_a_problem(bench: Bench) -> None:
    path, pem = bench.log_path, bench.custody.authority_pem()
    fill(path, 3, bench.signer)
    log.EventLog(path, None).append(entry())
    assert log.verify(path, authority_pem=pem).problems == ("checkpoint: covers only 3 of 4 entries",)


def test_a_rewritten_log_does_not_fit_the_checkpoint(bench: Bench) -> None:
    path, pem = bench.log_path, bench.custody.authority_pem()
    fill(path, 3, bench.signer)
    path.write_bytes(b"")
    fill(path, 3)
    assert log.verify(path, authority_pem=pem).problems == (
        "entry 2: is not the one that the checkpoint names: rewritten",
        "tree: the entries do not give the root that the checkpoint signs",
    )


def test_a_torn_last_line_is_removed_at_the_next_start_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    fill(path, 3)
    with path.open("ab") as stream:
        stream.write(b'{"action":"coll')
    assert log.EventLog.open(path).append(entry()) == 4
    rows = list(log.EventLog.open(path).entries())
    assert rows[3].entry.why == log.TAIL_REPAIRED
    assert rows[3].entry.details == {"bytes": 15}
    assert log.verify(path).valid


def test_a_whole_last_line_that_is_no_entry_is_not_repaired_away(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    fill(path, 3)
    with path.open("ab") as stream:
        stream.write(b"not an entry\n")
    with pytest.raises(
        InputOutputError, match="the last line of the log is not an entry; run: noisewatch audit"
    ):
        log.EventLog.open(path)


def test_a_missing_log_is_not_a_whole_one(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="there is no such log"):
        log.verify(tmp_path / "node.jsonl")


APPEND_TEN = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from noisewatch.evidence.log import EventLog
from noisewatch.records import LogEntry
log = EventLog.open(Path(sys.argv[1]))
for _ in range(10):
    log.append(LogEntry("jan", "consultation", "event-1", "several at once", datetime.now(UTC)))
"""


def test_several_processes_append_in_turn_without_breaking_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "custody.jsonl"
    command = [sys.executable, "-c", APPEND_TEN, str(path)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert log.verify(path) == log.LogVerdict(valid=True, entries=30, problems=())


def test_an_append_reads_the_end_of_a_long_log_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.jsonl"
    fill(path, 1500)
    read: list[int] = []
    real = log.os.pread

    def counting(descriptor: int, size: int, offset: int) -> bytes:
        data = real(descriptor, size, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(log.os, "pread", counting)
    log.EventLog(path, None).append(entry())
    assert path.stat().st_size > 4 * log.MAX_ENTRY_BYTES
    assert sum(read) <= log.MAX_ENTRY_BYTES + 1


def test_a_log_behind_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "real.jsonl", 1)
    (tmp_path / "node.jsonl").symlink_to("real.jsonl")
    with pytest.raises(Exception, match="is a symbolic link"):
        log.EventLog.open(tmp_path / "node.jsonl")
