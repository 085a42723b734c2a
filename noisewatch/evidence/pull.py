"""Copy a box's ciphertext and log to the custody machine, without opening anything.

What counts is the box's log as far as its signed checkpoint reaches: only what it says was sealed is taken,
and each ciphertext must have the hash that it names. So a copy from a running box is consistent (the
checkpoint is read before the log, and the log is cut to it), a pull that was interrupted goes on where it
stopped, and the index is made anew from the log instead of copying the box's database. What
the box erased, and what has ended, is erased from the copy too; where the log does not continue what custody
saw of it, only what has ended is. The box's keys and configuration are never asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from noisewatch.errors import AnswerIsNo, ConfigurationError, InputError, MissingInputError
from noisewatch.evidence import (
    bagit,
    boxes,
    checkpoint,
    cms,
    copied,
    custody,
    history,
    minutes,
    references,
    witness,
)
from noisewatch.evidence.boxes import Box
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.durable import (
    make_folder,
    read_bounded,
    remove_durably,
    remove_folder,
    take_lock,
    write_atomic,
)
from noisewatch.evidence.history import Said
from noisewatch.evidence.log import row_from_line
from noisewatch.evidence.seal import ROLE_NODE, load_certificate, role_of
from noisewatch.evidence.stored import MAX_PART_BYTES, RECORD


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did: the box, events in the copy, events and bytes that came, events that were erased."""

    node: str
    events: int
    arrived: int
    bytes: int
    erased: int
    entries: int
    alarms: tuple[str, ...]


def pull(box: Box, to: Path, opened: Custody, *, who: str, now: datetime) -> Pulled:
    """Copy what is new on a box, erase what ended, and make the index of the copy anew.

    Parameters
    ----------
    box : Box
        The box, from ``boxes.open_box``.
    to : Path
        Folder of the copy; made if it is missing. It holds one box, and works as a node's folder for
        ``clips list``, ``show``, ``approve``, ``export`` and ``audit verify``.
    opened : Custody
        Whose log notes the pull, and whose witness compares the box's log with what was seen of it.
    who : str
        Who pulls.
    now : datetime
        The moment.

    Raises
    ------
    ConfigurationError
        The folder holds something else, or the copy of another box.
    InputError
        What comes from the box is no log of a box of this custody.
    TryAgainError
        The connection ended, or another pull is under way; run it again.
    """
    if to.is_dir() and any(to.iterdir()) and not (to / ".pulled").is_file():
        raise ConfigurationError("is not empty, and no copy of a box", where=to, remedy="name a new folder")
    make_folder(to)
    with _lock(to / ".pulled"):
        log, carried, certificate = _log_of(box, opened)
        node = cms.common_name(certificate)
        _refuse_other_box(to, certificate)
        alarms = _take_log(to, log, carried, opened, certificate, now=now)
        said = read_log(log)
        wanted, odd = _wanted(box, to, said)
        details = {"entries": log.count(b"\n"), "files": len(wanted), "alarms": len(alarms)}
        why = "ciphertext copied from the box"
        custody.note(
            opened.log(), opened, who=who, target=f"node {node}", why=why, action="pull", details=details
        )
        arrived, size, unfit = _copy(box, to, said, wanted)
        references.fetch(box, to)
        _copy_minutes(box, to, now=now)
        erased = _erase(to, said, now=now, believes_log=not alarms)
        events = copied.index(to, {name: one for name, one in said.items() if not one.erased})
    alarms += [f"{name}: is not what the box's log says" for name in unfit]
    alarms += [f"{bagit.printable(name)}: does not belong in a store; left there" for name in odd]
    return Pulled(node, events, arrived, size, erased, log.count(b"\n"), tuple(alarms))


def read_log(log: bytes) -> dict[str, Said]:
    """Return what a box's log says of each event; ``InputError`` names a line that is no entry."""
    lines = enumerate(log.splitlines(), start=1)
    return history.of_rows(
        row_from_line(line, where=f"line {number} of the box's log") for number, line in lines
    )


def _log_of(box: Box, opened: Custody) -> tuple[bytes, bytes, x509.Certificate]:
    """Return the log as far as its checkpoint reaches, the checkpoint, and whose it is."""
    files = dict(box.fetch([boxes.CHECKPOINT, boxes.LOG]))
    if set(files) != {boxes.CHECKPOINT, boxes.LOG}:
        raise MissingInputError(
            "has no log with a checkpoint", where="box", remedy="is this a node's folder?"
        )
    carried = files[boxes.CHECKPOINT]
    claim = checkpoint.parse(carried, where=boxes.CHECKPOINT)
    if claim is None:
        raise InputError("is damaged", where=boxes.CHECKPOINT)
    try:
        certificate = cms.verify_detached(
            claim.data, claim.signature, authority_pem=opened.authority_pem(), at=claim.at
        )
    except AnswerIsNo as error:
        raise InputError(f"its signature {error.what}", where=boxes.CHECKPOINT) from error
    if role_of(certificate) != ROLE_NODE:
        raise InputError("is not signed by a box of this custody", where=boxes.CHECKPOINT)
    lines = files[boxes.LOG].split(b"\n", claim.entries)
    return b"".join(line + b"\n" for line in lines[: claim.entries] if line), carried, certificate


def _refuse_other_box(to: Path, certificate: x509.Certificate) -> None:
    path = to / "keys" / "node.pem"
    if not path.is_file():
        return
    known = load_certificate(path)
    if known.subject != certificate.subject:
        name = cms.common_name(known)
        raise ConfigurationError(f"holds the copy of {name}", where=to, remedy="a folder for each box")


def _take_log(
    to: Path, log: bytes, carried: bytes, opened: Custody, certificate: x509.Certificate, *, now: datetime
) -> list[str]:
    """Let the witness compare the log first; where it does not fit, the former copy is kept beside."""
    name, pem = f"node {cms.common_name(certificate)}", cms.certificate_pem(certificate)
    arriving = to / ".arriving"
    _write_log(arriving, log, carried)
    unfit = witness.remember(opened, arriving, node_pem=pem, event_id=name, now=now)
    if unfit and (to / boxes.LOG).is_file():
        for former in (to / boxes.LOG, to / boxes.CHECKPOINT):
            former.rename(former.with_name(f"before-{now:%Y%m%dT%H%M%SZ}-{former.name}"))
    _write_log(to, log, carried)
    remove_folder(arriving / "log")
    make_folder(to / "keys")
    write_atomic(to / "keys" / "node.pem", pem, mode=0o644)
    return [f"the box's log does not continue what custody saw of it: {one}" for one in unfit]


def _write_log(folder: Path, log: bytes, carried: bytes) -> None:
    make_folder(folder / "log")
    # the log first: a checkpoint never speaks of more than is there
    write_atomic(folder / boxes.LOG, log)
    write_atomic(folder / boxes.CHECKPOINT, carried)


def _wanted(box: Box, to: Path, said: Mapping[str, Said]) -> tuple[list[str], list[str]]:
    """Return the files that are missing in the copy, an event's record after its parts; and odd names."""
    listing = box.listing()
    odd = [name for name in listing if boxes.parts_of(name) is None and not name.endswith(".tmp")]
    there: dict[str, str] = {}
    for name in listing:
        found = boxes.parts_of(name)
        if found is not None:
            there.setdefault(found[1], found[0])
    wanted = []
    for event_id, one in sorted(said.items()):
        if one.erased or one.state == "pending" or event_id not in there:
            continue
        folder = f"store/clips/{there[event_id]}/{event_id}"
        for file in one.files:
            name = f"{folder}/{file}.age"
            if name in listing and not _is_here(to / name, listing[name], one.ciphertext.get(file)):
                wanted.append(name)
    return wanted, odd[:20]


def _is_here(path: Path, size: int, digest: str | None) -> bool:
    """Tell whether a file came before: media never changes, a record does until its event is sealed."""
    if not path.is_file() or path.is_symlink() or path.stat().st_size != size:
        return False
    if path.stem != RECORD:
        return True
    return hashlib.sha256(read_bounded(path, max_bytes=MAX_PART_BYTES)).hexdigest() == digest


def _copy(box: Box, to: Path, said: Mapping[str, Said], wanted: list[str]) -> tuple[int, int, list[str]]:
    """Fetch and store files one by one; return how many events and bytes came, and what does not fit."""
    arrived: set[str] = set()
    unfit: list[str] = []
    size = 0
    for name, data in box.fetch(wanted):
        found = boxes.parts_of(name)
        if found is None:
            raise InputError("was not asked for", where=bagit.printable(name))
        _, event_id, file = found
        digest = hashlib.sha256(data).hexdigest()
        if said[event_id].ciphertext.get(file) != digest:
            if file != RECORD or said[event_id].state == "sealed":
                unfit.append(name)
            continue  # else the box has gone on since its checkpoint; the next pull brings its record
        make_folder((to / name).parent)
        write_atomic(to / name, data)
        arrived.add(event_id)
        size += len(data)
    return len(arrived), size, unfit


def _copy_minutes(box: Box, to: Path, *, now: datetime) -> None:
    """Fetch the sealed minutes that grew on the box; what nobody can open any more ends in the copy too."""
    listing = box.minutes()
    grown = [name for name, size in sorted(listing.items()) if not _has_size(to / name, size)]
    for name, data in box.fetch(grown):
        make_folder((to / name).parent)
        write_atomic(to / name, data)
    minutes.end(to / "store", now, days=minutes.KEY_DAYS)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size


def _erase(to: Path, said: Mapping[str, Said], *, now: datetime, believes_log: bool) -> int:
    """Erase from the copy what the box erased and what has ended; return how many events."""
    erased = 0
    for folder in sorted((to / "store" / "clips").glob("*/*")):
        one = said.get(folder.name)
        is_gone = one is None or one.erased
        if (believes_log and is_gone) or copied.has_ended(folder, one, now=now):
            remove_folder(folder)
            erased += 1
        elif believes_log and one is not None and one.state == "original":
            remove_durably(folder / "viewing.age")
    return erased


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    lock = take_lock(path)
    try:
        yield
    finally:
        os.close(lock)
