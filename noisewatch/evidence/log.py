"""The append-only log: who did what to what, why and when, each entry chained to the one before.

One line is one entry in canonical JSON: ``seq``, ``previous_sha256``, ``at``, ``who``, ``action``,
``target``, ``why``, ``details`` and ``sha256``, which is the hash of the line's canonical form without that
key.

A chain alone cannot show that its tail was cut. So the lines are the leaves of an RFC 6962 tree
(``merkle.py``), and a log with a signer keeps a signed checkpoint of its root beside it, renewed at each
append (``checkpoint.py``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError, InputOutputError, MissingInputError, UsageError
from noisewatch.evidence import checkpoint, jsonform
from noisewatch.evidence.durable import fsync_folder, remove_durably, storage_errors, write_all
from noisewatch.evidence.merkle import Frontier, frontier_of, leaf_hash
from noisewatch.evidence.seal import NodeSigner
from noisewatch.records import LogEntry

#: What a log may say was done: the node's and custody's actions of design section 7, and what was refused.
ACTIONS = frozenset(
    {"collection", "alteration", "combination", "erasure", "pull", "people"}
    | {"consultation", "approval", "disclosure", "refusal"}
)

#: The hash that the first entry names as its predecessor's.
GENESIS_SHA256 = "0" * 64

#: No entry is longer; so an append reads no more than this of the log's end, however long the log is.
MAX_ENTRY_BYTES = 64 * 1024

TAIL_CUT = "the log held fewer entries than its checkpoint says: its tail was cut"
CHECKPOINT_LOST = "the checkpoint was missing or damaged: entries before this one may have been cut"
TAIL_REPAIRED = "tail repaired: a torn last line was removed"


@dataclass(frozen=True, slots=True)
class LogRow:
    """One entry as it stands in the log."""

    seq: int
    previous_sha256: str
    sha256: str
    entry: LogEntry
    line: bytes


@dataclass(frozen=True, slots=True)
class LogVerdict:
    """What ``verify`` found: whether the log is whole, how many entries it has, and each problem in words."""

    valid: bool
    entries: int
    problems: tuple[str, ...]


class EventLog:
    """A log file; made by ``open``. It holds no file open, so several processes may append in turn."""

    def __init__(self, path: Path, signer: NodeSigner | None) -> None:
        self.path = path
        self._signer = signer

    @classmethod
    def open(cls, path: Path, *, signer: NodeSigner | None = None) -> EventLog:
        """Open a log for appending, create it where it is missing, and repair a torn last line.

        Parameters
        ----------
        path : Path
            The log; its folder must exist.
        signer : NodeSigner, optional
            Signs the checkpoint after each append.

        Raises
        ------
        InputOutputError
            The log cannot be written, or its last whole line is no entry.
        """
        log = cls(path, signer)
        with log._locked() as descriptor:
            for left in path.parent.glob(f".{checkpoint.path_of(path).name}.*"):
                # a checkpoint that a crash left half-written; the lock says that nobody writes it now
                remove_durably(left)
            torn = _cut_torn_line(descriptor)
            last = _last_row(descriptor, path)
            if torn:
                last = log._write(descriptor, last, _notice(path, TAIL_REPAIRED, {"bytes": torn}))
            if signer is not None:
                log._compare_with_checkpoint(descriptor, last)
        return log

    def append(self, entry: LogEntry) -> int:
        """Write an entry durably and return its sequence number; it takes the same time however long the log.

        Raises
        ------
        UsageError
            The action is none of ``ACTIONS``.
        InputError
            The entry holds something that cannot be written, or is longer than 64 kB.
        InputOutputError
            The disk is full, read-only or broken; the log stands as before.
        """
        if entry.action not in ACTIONS:
            raise UsageError(f"the action {entry.action!r} is not one of {', '.join(sorted(ACTIONS))}")
        with self._locked() as descriptor:
            last = _last_row(descriptor, self.path)
            tree = self._tree(last)
            row = self._write(descriptor, last, entry)
            self._write_checkpoint(row, tree=None if tree is None else tree.append(leaf_hash(row.line)))
        return row.seq

    def entries(self) -> Iterator[LogRow]:
        """Yield the entries in the order of the file; ``InputError`` names a line that is none."""
        for number, line in _lines(self.path):
            yield row_from_line(line, where=f"{self.path}: line {number}")

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with storage_errors(self.path):
            is_new = not self.path.exists()
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if is_new:
                    fsync_folder(self.path.parent)
                yield descriptor
            finally:
                os.close(descriptor)

    def _write(self, descriptor: int, last: LogRow | None, entry: LogEntry) -> LogRow:
        seq, previous = (0, GENESIS_SHA256) if last is None else (last.seq + 1, last.sha256)
        line = entry_line(entry, seq=seq, previous_sha256=previous)
        end = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, line + b"\n")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
        return row_from_line(line, where=self.path)

    def _tree(self, last: LogRow | None) -> Frontier | None:
        """Return the frontier that the checkpoint holds, where it is the one of the log as it stands."""
        claim = checkpoint.read(self.path) if self._signer is not None else None
        is_current = claim is not None and claim.entries == (0 if last is None else last.seq + 1)
        return claim.frontier if claim is not None and is_current else None

    def _write_checkpoint(self, last: LogRow | None, *, tree: Frontier | None = None) -> None:
        if self._signer is not None:
            digest = GENESIS_SHA256 if last is None else last.sha256
            # the whole log is read only where the frontier was lost
            tree = tree or frontier_of(leaf_hash(line) for _, line in _lines(self.path))
            checkpoint.write(self.path, tree=tree, last_sha256=digest, signer=self._signer)

    def _compare_with_checkpoint(self, descriptor: int, last: LogRow | None) -> None:
        """Note for ever in the log itself what the checkpoint shows, then renew it."""
        claim = checkpoint.read(self.path)
        size = 0 if last is None else last.seq + 1
        if claim is None and last is not None:
            last = self._write(descriptor, last, _notice(self.path, CHECKPOINT_LOST, {"entries": size}))
        elif claim is not None and claim.entries > size:
            details = {"checkpoint_entries": claim.entries, "entries": size}
            last = self._write(descriptor, last, _notice(self.path, TAIL_CUT, details))
        elif claim is not None and claim.entries == size:
            return
        self._write_checkpoint(last)


def entry_line(entry: LogEntry, *, seq: int, previous_sha256: str) -> bytes:
    """Return the line of an entry, without the newline; ``InputError`` where it cannot be written."""
    body: dict[str, Any] = {
        "seq": seq,
        "previous_sha256": previous_sha256,
        "at": entry.at,
        "who": entry.who,
        "action": entry.action,
        "target": entry.target,
        "why": entry.why,
        "details": entry.details,
    }
    digest = hashlib.sha256(jsonform.document_to_bytes(body)).hexdigest()
    line = jsonform.document_to_bytes({**body, "sha256": digest})
    if len(line) >= MAX_ENTRY_BYTES:
        raise InputError("the entry is longer than 64 kB", where=f"log entry about {entry.target[:60]}")
    return line


def row_from_line(line: bytes, *, where: str | Path) -> LogRow:
    """Return the entry that one line holds; ``InputError`` where it is none or its hash is not its own."""
    row, problem = _parse(line, where=where)
    if problem is not None:
        raise InputError(problem, where=where)
    return row


def verify(path: Path, *, authority_pem: bytes | None = None, role: str | None = None) -> LogVerdict:
    """Check a whole log and name what is wrong with it.

    Parameters
    ----------
    path : Path
        The log.
    authority_pem : bytes, optional
        Certificate of custody's authority. With it the signed checkpoint must be there and agree.
    role : str, optional
        What the checkpoint's certificate must be for (``seal.ROLE_…``).

    Returns
    -------
    LogVerdict
        Problems name the entry: edited, removed, duplicated, moved, torn, or the tail that was cut.

    Raises
    ------
    MissingInputError
        There is no such log.
    """
    if not path.exists():
        raise MissingInputError("there is no such log", where=path)
    rows, problems = _read_for_verdict(path)
    problems += _order_problems([row.seq for row in rows])
    by_seq = {row.seq: row for row in reversed(rows)}
    for seq, row in sorted(by_seq.items()):
        before = by_seq.get(seq - 1)
        if seq == 0 and row.previous_sha256 != GENESIS_SHA256:
            problems.append("entry 0: names an entry before it, but is the first")
        if before is not None and row.previous_sha256 != before.sha256:
            problems.append(f"entry {seq}: does not follow entry {seq - 1}, which was edited or replaced")
        if row.entry.action == "alteration" and row.entry.why in (TAIL_CUT, CHECKPOINT_LOST):
            problems.append(f"entry {seq}: notes that {row.entry.why}")
    if authority_pem is not None:
        lines = [row.line for row in rows]
        problems += _checkpoint_problems(path, by_seq, lines, authority_pem=authority_pem, role=role)
    return LogVerdict(valid=not problems, entries=len(rows), problems=tuple(problems))


def _read_for_verdict(path: Path) -> tuple[list[LogRow], list[str]]:
    rows: list[LogRow] = []
    problems: list[str] = []
    for number, line in _lines(path):
        try:
            row, problem = _parse(line, where=path)
        except InputError:
            problems.append(f"line {number}: is not an entry (torn or edited)")
            continue
        if problem is not None:
            problems.append(f"entry {row.seq}: {problem}")
        rows.append(row)
    return rows, problems


def _order_problems(seqs: list[int]) -> list[str]:
    problems = [f"entry {seq}: duplicated" for seq, count in sorted(Counter(seqs).items()) if count > 1]
    missing = sorted(set(range(max(seqs, default=-1) + 1)) - set(seqs))
    problems += [f"entry {seq}: removed" for seq in missing]
    unique = list(dict.fromkeys(seqs))
    for seq, expected in zip(unique, sorted(unique), strict=True):
        if seq != expected:
            problems.append(f"entry {seq}: moved, it stands where entry {expected} belongs")
    return problems


def _checkpoint_problems(
    path: Path,
    by_seq: Mapping[int, LogRow],
    lines: Sequence[bytes],
    *,
    authority_pem: bytes,
    role: str | None,
) -> list[str]:
    claim = checkpoint.read(path)
    problem = checkpoint.problem_of(claim, log=path, authority_pem=authority_pem, role=role)
    if problem is not None or claim is None:
        return [problem or "checkpoint: is missing"]
    held = max(by_seq, default=-1) + 1
    if held < claim.entries:
        return [f"tail cut: the checkpoint says {claim.entries} entries, the log holds {held}"]
    problems = []
    if held > claim.entries:
        problems.append(f"checkpoint: covers only {claim.entries} of {held} entries")
    row = by_seq.get(claim.entries - 1)
    if claim.entries > 0 and (row is None or row.sha256 != claim.last_sha256):
        problems.append(f"entry {claim.entries - 1}: is not the one that the checkpoint names: rewritten")
    if frontier_of(leaf_hash(line) for line in lines[: claim.entries]).root.hex() != claim.root_sha256:
        problems.append("tree: the entries do not give the root that the checkpoint signs")
    return problems


def _parse(line: bytes, *, where: str | Path) -> tuple[LogRow, str | None]:
    """Return the row and, where its content is not what its hash says, the problem."""
    document = jsonform.bytes_to_document(line, where=where, max_bytes=MAX_ENTRY_BYTES)
    try:
        body = {key: value for key, value in document.items() if key != "sha256"}
        entry = LogEntry(
            who=_text(document["who"]),
            action=_text(document["action"]),
            target=_text(document["target"]),
            why=_text(document["why"]),
            at=jsonform.utc_moment(document["at"]),
            details=dict(document["details"]),
        )
        seq, previous, digest = document["seq"], _text(document["previous_sha256"]), _text(document["sha256"])
        if type(seq) is not int or seq < 0:
            raise ValueError("no sequence number")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("is not an entry of a log", where=where) from error
    canonical = jsonform.document_to_bytes(document)
    is_own = hashlib.sha256(jsonform.document_to_bytes(body)).hexdigest() == digest
    problem = None if is_own and canonical == line else "edited: its hash is not its own"
    return LogRow(seq, previous, digest, entry, line), problem


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines; a line is never read further than an entry can be long."""
    with storage_errors(path), path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_ENTRY_BYTES):
            number += 1
            yield number, line.removesuffix(b"\n") if line.endswith(b"\n") else line + b"\x00"


def _cut_torn_line(descriptor: int) -> int:
    """Remove what stands after the last newline; return how many bytes that were."""
    end = os.fstat(descriptor).st_size
    start = max(0, end - MAX_ENTRY_BYTES)
    whole = os.pread(descriptor, end - start, start).rfind(b"\n") + 1 + start
    if whole == end or (start > 0 and whole == start):
        return 0
    os.ftruncate(descriptor, whole)
    os.fsync(descriptor)
    return end - whole


def _last_row(descriptor: int, path: Path) -> LogRow | None:
    end = os.fstat(descriptor).st_size
    if end == 0:
        return None
    tail = os.pread(descriptor, min(end, MAX_ENTRY_BYTES + 1), max(0, end - MAX_ENTRY_BYTES - 1))
    last = tail.removesuffix(b"\n").rsplit(b"\n", 1)[-1]
    try:
        return row_from_line(last, where=path)
    except InputError as error:
        raise InputOutputError(
            "the last line of the log is not an entry",
            where=path,
            remedy="run: noisewatch audit verify",
        ) from error


def _notice(path: Path, why: str, details: Mapping[str, Any]) -> LogEntry:
    return LogEntry("noisewatch", "alteration", path.name, why, datetime.now(UTC), details)
