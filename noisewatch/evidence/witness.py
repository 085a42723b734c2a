"""What custody last saw of a box's log, so that the log can't shrink or change unseen between two visits.

Each pull and export carries the box's signed checkpoint away and compares: what was seen must be the
beginning of what is there now. A cut tail shows even where the checkpoint on the box was cut with it, and a
rewritten log shows even where the box's own key signed the new one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from noisewatch.evidence import checkpoint, jsonform
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.durable import make_folder, read_bounded, storage_errors, write_atomic
from noisewatch.evidence.merkle import frontier_of, leaf_hash
from noisewatch.evidence.seal import ROLE_NODE
from noisewatch.records import LogEntry


@dataclass(frozen=True, slots=True)
class Sight:
    """What a visit found: how many entries, how many were seen before, and what does not fit."""

    entries: int
    seen_before: int
    problems: tuple[str, ...]


def look(log: Path, seen: Path, *, authority_pem: bytes, role: str) -> Sight:
    """Compare a log with what was last seen of it, and remember what is there now if it continues that.

    Parameters
    ----------
    log : Path
        The box's log, or the copy of it that was pulled.
    seen : Path
        Where custody keeps the checkpoint that it last saw of this log; written where nothing is wrong.
    authority_pem : bytes
        Certificate of custody's authority.
    role : str
        What the checkpoint's certificate must be for (``seal.ROLE_…``).
    """
    before = None
    if seen.exists():
        before = checkpoint.parse(read_bounded(seen, max_bytes=checkpoint.MAX_BYTES), where=seen)
        if before is None:
            return Sight(0, 0, ("what was last seen of this log is damaged",))
    claim = checkpoint.read(log)
    problem = checkpoint.problem_of(claim, log=log, authority_pem=authority_pem, role=role)
    seen_before = 0 if before is None else before.entries
    if claim is None or problem is not None:
        return Sight(0, seen_before, (problem or "checkpoint: is damaged",))
    problems = _compare(log, before, claim)
    if not problems:
        make_folder(seen.parent)
        write_atomic(seen, claim.carried())
    return Sight(claim.entries, seen_before, tuple(problems))


def remember(
    custody: Custody, node: Path, *, node_pem: bytes, event_id: str, now: datetime
) -> tuple[str, ...]:
    """Look at a box's log on a visit; note for ever in custody's log what does not fit, under the event.

    Returns
    -------
    tuple of str
        What does not fit, for the person who is there; nothing where all is well.
    """
    log, seen = _places(custody, node, node_pem)
    found = look(log, seen, authority_pem=custody.authority_pem(), role=ROLE_NODE)
    if found.problems:
        details = {"problems": list(found.problems), "entries": found.entries, "seen": found.seen_before}
        why = "the box's log does not continue what was seen of it"
        custody.log().append(LogEntry("noisewatch", "alteration", event_id, why, now, details))
    return found.problems


def compare(custody: Custody, node: Path, *, node_pem: bytes) -> tuple[str, ...]:
    """Return what of a box's log does not continue what custody saw of it; nothing where it never saw it."""
    log, seen = _places(custody, node, node_pem)
    if not seen.exists():
        return ()
    before = checkpoint.parse(read_bounded(seen, max_bytes=checkpoint.MAX_BYTES), where=seen)
    claim = checkpoint.read(log)
    if before is None or claim is None:
        return ("the checkpoint, or what was last seen of it, is damaged or missing",)
    return tuple(_compare(log, before, claim))


def _places(custody: Custody, node: Path, node_pem: bytes) -> tuple[Path, Path]:
    own = hashlib.sha256(node_pem).hexdigest()
    return node / "log" / "node.jsonl", custody.folder / "witness" / f"{own}.checkpoint"


def _compare(log: Path, before: checkpoint.Checkpoint | None, claim: checkpoint.Checkpoint) -> list[str]:
    leaves: list[bytes] = []
    with storage_errors(log), log.open("rb") as stream:
        leaves = [leaf_hash(line.rstrip(b"\n")) for line in stream if line.endswith(b"\n")]
    if len(leaves) < claim.entries:
        return [f"tail cut: the checkpoint says {claim.entries} entries, the log holds {len(leaves)}"]
    problems = []
    if frontier_of(leaves[: claim.entries]).root.hex() != claim.root_sha256:
        problems.append("rewritten: the entries do not give the root that the checkpoint signs")
    if before is None:
        return problems
    when = jsonform.utc_text(before.at)
    if claim.entries < before.entries:
        problems.append(f"tail cut: on {when} it held {before.entries} entries, now {claim.entries}")
    elif frontier_of(leaves[: before.entries]).root.hex() != before.root_sha256:
        problems.append(f"rewritten: its first {before.entries} entries are not those of {when}")
    return problems
