"""A log's signed checkpoint: how many entries it has, the root of their RFC 6962 tree, the last one's hash.

It stands beside the log as ``FILE.checkpoint``, one file with the statement, its CMS signature and, for the
next append, the tree's frontier, so that a crash cannot leave one without the other. It shows a cut tail. It
does not show a rewrite by one who holds the signing key, nor the loss of log and checkpoint together: for
that every pull and export carries a copy away (``witness.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import AnswerIsNo, InputError
from noisewatch.evidence import cms, jsonform
from noisewatch.evidence.durable import read_bounded, write_atomic
from noisewatch.evidence.merkle import Frontier
from noisewatch.evidence.seal import NodeSigner, role_of

SCHEMA = "noisewatch-checkpoint-2"
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says, and the bytes and signature that say it."""

    log: str
    entries: int
    last_sha256: str
    root_sha256: str
    at: datetime
    data: bytes
    signature: bytes
    frontier: Frontier | None

    def carried(self) -> bytes:
        """Return the form in which it is carried away: statement and signature, without the frontier."""
        return jsonform.document_to_bytes({"checkpoint": self.data.decode(), "p7s": self.signature.hex()})


def path_of(log: Path) -> Path:
    """Return where a log's checkpoint stands.

    Examples
    --------
    >>> path_of(Path("log/node.jsonl")).name
    'node.jsonl.checkpoint'
    """
    return log.with_name(log.name + ".checkpoint")


def write(log: Path, *, tree: Frontier, last_sha256: str, signer: NodeSigner) -> None:
    """Sign and write the checkpoint of a log durably."""
    statement = {
        "schema": SCHEMA,
        "log": log.name,
        "entries": tree.size,
        "last_sha256": last_sha256,
        "root_sha256": tree.root.hex(),
        "at": datetime.now(UTC),
    }
    data = jsonform.document_to_bytes(statement)
    document = {
        "checkpoint": data.decode(),
        "p7s": signer.sign_detached(data).hex(),
        "frontier": [one.hex() for one in tree.hashes],
    }
    write_atomic(path_of(log), jsonform.document_to_bytes(document))


def read(log: Path) -> Checkpoint | None:
    """Read the checkpoint of a log without judging its signature; None where none can be read."""
    path = path_of(log)
    if not path.exists():
        return None
    return parse(read_bounded(path, max_bytes=MAX_BYTES), where=path)


def parse(raw: bytes, *, where: str | Path) -> Checkpoint | None:
    """Read a checkpoint from bytes without judging its signature; None where it is none."""
    try:
        outer = jsonform.bytes_to_document(raw, where=where)
        data = outer["checkpoint"].encode()
        claim = jsonform.bytes_to_document(data, where=where)
        if claim["schema"] != SCHEMA or type(claim["entries"]) is not int or claim["entries"] < 0:
            return None
        return Checkpoint(
            log=str(claim["log"]),
            entries=claim["entries"],
            last_sha256=str(claim["last_sha256"]),
            root_sha256=str(claim["root_sha256"]),
            at=jsonform.utc_moment(claim["at"]),
            data=data,
            signature=bytes.fromhex(outer["p7s"]),
            frontier=_frontier(outer.get("frontier"), claim),
        )
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _frontier(given: object, claim: Mapping[str, Any]) -> Frontier | None:
    """Return the frontier that stands beside the statement, or None where it is not that tree's."""
    if not isinstance(given, list):
        return None
    try:
        tree = Frontier(claim["entries"], tuple(bytes.fromhex(one) for one in given))
    except (TypeError, ValueError):
        return None
    return tree if tree.root.hex() == claim["root_sha256"] else None


def problem_of(
    checkpoint: Checkpoint | None, *, log: Path, authority_pem: bytes, role: str | None
) -> str | None:
    """Return why a checkpoint cannot be relied on, or None where it can.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        What ``read`` returned.
    log : Path
        The log that it must be about.
    authority_pem : bytes
        Certificate of custody's authority.
    role : str, optional
        What the signer's certificate must be for (``seal.ROLE_…``).
    """
    if checkpoint is None:
        state = "is damaged" if path_of(log).exists() else "is missing, so that a cut tail would not show"
        return f"checkpoint: {state}"
    if checkpoint.log != log.name:
        return f"checkpoint: is about {checkpoint.log}"
    try:
        signer = cms.verify_detached(
            checkpoint.data, checkpoint.signature, authority_pem=authority_pem, at=checkpoint.at
        )
    except AnswerIsNo as error:
        return f"checkpoint: its signature {error.what}"
    if role is not None and role_of(signer) != role:
        return f"checkpoint: is signed with a certificate that is not for a {role}"
    return None
