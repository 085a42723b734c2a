"""The part of a log that is about one event, with the proof that it stands in the log that was signed.

A package carries the lines about its event, the log's checkpoint, and for each line the path from it to the
root that the checkpoint signs (RFC 6962 section 2.1.1). So a reader knows that these lines stand in the log
at these places, without seeing a line about anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import checkpoint
from noisewatch.evidence.durable import storage_errors
from noisewatch.evidence.log import row_from_line
from noisewatch.evidence.merkle import inclusion_proof, leaf_hash, root_from_inclusion

SCHEMA = "noisewatch-proofs-1"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a log about one event, the checkpoint as carried away, and each line's path by its number."""

    rows: bytes
    checkpoint: bytes
    paths: Mapping[int, tuple[bytes, ...]]

    def document(self) -> dict[str, list[str]]:
        """Return the paths as they stand in ``proofs.json``: by entry number, in hexadecimal."""
        return {str(seq): [one.hex() for one in path] for seq, path in sorted(self.paths.items())}


def excerpt(log: Path, event_id: str) -> Excerpt:
    """Return what a log says about one event, as far as its checkpoint reaches; of other events not a byte.

    Raises
    ------
    MissingInputError
        There is no such log, or no checkpoint of it.
    InputError
        A line about the event is none, or the log holds fewer lines than its checkpoint says.
    """
    claim = checkpoint.read(log)
    if claim is None or not log.is_file():
        remedy = "pull the box again, with its log; see: noisewatch audit verify"
        raise MissingInputError("has no signed checkpoint", where=log, remedy=remedy)
    needle = f'"target":"{event_id}"'.encode()
    leaves: list[bytes] = []
    found: dict[int, bytes] = {}
    with storage_errors(log), log.open("rb") as stream:
        for number, line in enumerate(stream):
            if number == claim.entries:
                break
            leaves.append(leaf_hash(line.rstrip(b"\n")))
            if needle in line and row_from_line(line.rstrip(b"\n"), where=log).entry.target == event_id:
                found[number] = line
    if len(leaves) < claim.entries:
        raise InputError(
            f"holds {len(leaves)} entries, its checkpoint says {claim.entries}: its tail was cut", where=log
        )
    return Excerpt(
        rows=b"".join(found.values()),
        checkpoint=claim.carried(),
        paths={number: tuple(inclusion_proof(leaves, number)) for number in found},
    )


def proofs_document(node: Excerpt, custody: Excerpt) -> dict[str, Any]:
    """Return what ``custody/proofs.json`` says of both logs."""
    return {"schema": SCHEMA, "node": node.document(), "custody": custody.document()}


def problems_of(
    rows: bytes, carried: bytes, paths: object, *, log: str, authority_pem: bytes, role: str
) -> list[str]:
    """Return what is wrong with an excerpt.

    Parameters
    ----------
    rows, carried : bytes
        The lines, and the checkpoint as it was carried away.
    paths : object
        The paths by entry number, as ``proofs.json`` has them.
    log : str
        Name of the log that the checkpoint must be about.
    authority_pem : bytes
        Certificate of custody's authority.
    role : str
        What the checkpoint's certificate must be for (``seal.ROLE_…``).

    Returns
    -------
    list of str
        One problem a line, naming the entry; nothing where everything is proven.
    """
    claim = checkpoint.parse(carried, where=log)
    problem = checkpoint.problem_of(claim, log=Path(log), authority_pem=authority_pem, role=role)
    if claim is None or problem is not None:
        return [problem or "checkpoint: is damaged"]
    if not isinstance(paths, dict):
        return ["proofs: are missing"]
    problems = []
    numbers = set()
    for line in rows.splitlines():
        try:
            row = row_from_line(line, where=log)
        except InputError:
            continue  # named by the check of the lines themselves
        numbers.add(str(row.seq))
        path = _path(paths.get(str(row.seq)))
        root = None if path is None else _root(line, row.seq, claim.entries, path)
        if root is None or root.hex() != claim.root_sha256:
            problems.append(f"entry {row.seq}: is not proven to stand in the log that was signed")
    problems += [
        f"proofs: speak of entry {number}, which is not here" for number in sorted(set(paths) - numbers)
    ]
    return problems


def _path(given: object) -> list[bytes] | None:
    if not isinstance(given, list) or len(given) > 64:
        return None
    try:
        return [bytes.fromhex(one) for one in given]
    except (TypeError, ValueError):
        return None


def _root(line: bytes, seq: int, size: int, path: list[bytes]) -> bytes | None:
    return root_from_inclusion(leaf_hash(line), index=seq, size=size, path=path)
