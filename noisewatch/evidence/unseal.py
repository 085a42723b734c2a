"""Custody's side: open what a box sealed. Never imported by the node (a test reads the imports).

No key is unwrapped before custody's log holds, durably, who opens what and why: each function takes the log
and the entry, and the only way to a day's key leads through ``_record``. Who holds keyring and identity can
still decrypt with plain age and leave no entry; that takes the keyring's disk, and the threat model says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyrage

from noisewatch.errors import (
    ConfigurationError,
    InputError,
    PermissionRefusedError,
    UsageError,
)
from noisewatch.evidence import keyring
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.durable import make_folder, read_bounded, write_atomic
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.people import Actor
from noisewatch.evidence.stored import check_id
from noisewatch.records import LogEntry

MIN_REASON_CHARACTERS = 10
MAX_REASON_CHARACTERS = 500
MAX_CIPHERTEXT_BYTES = 512 * 1024 * 1024

#: What an officer may do with what they open; a supervisor approves.
_ACTIONS = {"officer": frozenset({"consultation", "disclosure"}), "supervisor": frozenset({"approval"})}


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Proof that the log holds an entry for this access; made only by ``_record``."""

    seq: int
    actor: Actor
    day: date


def open_viewing(
    custody: Custody,
    actor: Actor,
    ciphertext: bytes,
    *,
    day: date,
    log: EventLog,
    entry: LogEntry,
    passphrase: str | None = None,
) -> bytes:
    """Open one part that is sealed to a day's officers; as ``open_parts`` with a single part."""
    parts = open_parts(
        custody, actor, {"viewing": ciphertext}, day=day, log=log, entry=entry, passphrase=passphrase
    )
    return parts["viewing"]


def open_parts(
    custody: Custody,
    actor: Actor,
    parts: Mapping[str, bytes],
    *,
    day: date,
    log: EventLog,
    entry: LogEntry,
    passphrase: str | None = None,
) -> dict[str, bytes]:
    """Open parts of one event that are sealed to a day's officers, under one entry of the log.

    Parameters
    ----------
    custody : Custody
        Whose keyring holds the day.
    actor : Actor
        The officer.
    parts : mapping of str to bytes
        Ciphertext by name; an original only as ``approved_original`` returns it.
    day : date
        UTC day of sealing.
    log, entry : EventLog, LogEntry
        Custody's log, and who does what ("consultation" or "disclosure") to which event and why.
    passphrase : str, optional
        Of the officer's age identity, where it has one.

    Returns
    -------
    dict of str to bytes
        The parts in the clear. They are whole: age refuses a part of which a bit was changed or cut.

    Raises
    ------
    UsageError
        The reason is shorter than 10 characters, or the entry is not about this.
    PermissionRefusedError
        The person is no officer or their key does not open the day.
    MissingInputError
        The day has ended: its keys are gone.
    InputError
        A ciphertext was altered or truncated.
    """
    recorded = _record(custody, actor, day=day, log=log, entry=entry, role="officer")
    identities = _unwrap(custody, recorded, passphrase=passphrase)
    return {name: _decrypt(data, identities, where=f"{entry.target}: {name}") for name, data in parts.items()}


def approve_original(
    custody: Custody,
    actor: Actor,
    ciphertext: bytes,
    *,
    event_id: str,
    day: date,
    log: EventLog,
    entry: LogEntry,
    passphrase: str | None = None,
) -> Path:
    """Strip the supervisors' layer of one original and keep what is left, which only officers can open.

    Returns
    -------
    Path
        ``approved/ID.age`` in the custody folder.

    Raises
    ------
    UsageError, PermissionRefusedError, MissingInputError, InputError
        As ``open_parts``, for a supervisor and the action "approval".
    """
    if entry.target != check_id(event_id):
        raise UsageError(f"the entry is about {entry.target[:64]}, not {event_id}")
    recorded = _record(custody, actor, day=day, log=log, entry=entry, role="supervisor")
    identities = _unwrap(custody, recorded, passphrase=passphrase)
    inner = _decrypt(ciphertext, identities, where=f"{event_id}: original")
    make_folder(custody.approved)
    path = _approved_path(custody, event_id)
    # the day first: without it the end of the day would not find the original
    write_atomic(path.with_suffix(".day"), day.isoformat().encode())
    write_atomic(path, inner)
    return path


def approved_original(custody: Custody, event_id: str) -> bytes:
    """Return an approved original, still sealed to the officers.

    Raises
    ------
    PermissionRefusedError
        No supervisor approved it.
    """
    path = _approved_path(custody, check_id(event_id))
    if not path.exists():
        raise PermissionRefusedError(
            "no supervisor approved this original",
            where=event_id,
            remedy=f"a supervisor runs: noisewatch clips approve {event_id}",
        )
    return read_bounded(path, max_bytes=MAX_CIPHERTEXT_BYTES)


def open_original(
    custody: Custody,
    actor: Actor,
    *,
    event_id: str,
    day: date,
    log: EventLog,
    entry: LogEntry,
    passphrase: str | None = None,
) -> bytes:
    """Open an approved original as an officer; raises as ``approved_original`` and ``open_parts``."""
    if entry.target != event_id:
        raise UsageError(f"the entry is about {entry.target[:64]}, not {event_id}")
    parts = {"original": approved_original(custody, event_id)}
    return open_parts(custody, actor, parts, day=day, log=log, entry=entry, passphrase=passphrase)["original"]


def check_reason(reason: str) -> str:
    """Return a reason without the space around it, or refuse one that says nothing: ``UsageError``.

    Examples
    --------
    >>> check_reason("  PV 2026/114, complaint of 3 May ")
    'PV 2026/114, complaint of 3 May'
    >>> check_reason("..........")
    Traceback (most recent call last):
    noisewatch.errors.UsageError: the reason says nothing; write 10 to 500 characters that others understand
    """
    text = reason.strip()
    has_sense = sum(character.isalpha() for character in text) >= 5 and len(set(text)) >= 4
    if not MIN_REASON_CHARACTERS <= len(text) <= MAX_REASON_CHARACTERS or not has_sense:
        raise UsageError(
            "the reason says nothing", remedy="write 10 to 500 characters that others understand"
        )
    if not text.isprintable():
        raise UsageError("the reason holds control characters", remedy="write plain text on one line")
    return text


def _record(
    custody: Custody, actor: Actor, *, day: date, log: EventLog, entry: LogEntry, role: str
) -> _Recorded:
    """Check that the person may, then write the entry durably; only its result opens a key."""
    if actor.person.role != role:
        raise PermissionRefusedError(f"does not hold the role {role}", where=actor.name)
    if entry.action not in _ACTIONS[role] or entry.who != actor.name or not entry.target:
        raise UsageError(f"the entry does not say what {actor.name} as {role} does")
    if log.path != custody.log_path:
        raise UsageError("the entry belongs into custody's own log", remedy=str(custody.log_path))
    check_reason(entry.why)
    # refuse first what cannot be opened anyway, so that the log does not fill with accesses that were none
    document = keyring.read(custody.keyring, day)[role]
    if not any(actor.name in part["wraps"] for part in (document, *document.get("previous", ()))):
        raise PermissionRefusedError(f"holds no key of {day.isoformat()}", where=actor.name)
    if custody.is_trial or actor.person.is_trial:
        entry = replace(entry, details={**entry.details, "trial": True})
    return _Recorded(log.append(entry), actor, day)


def _unwrap(custody: Custody, recorded: _Recorded, *, passphrase: str | None) -> list[pyrage.x25519.Identity]:
    """Open the day's keys of the person's role; ``recorded`` is the proof that the log holds the access."""
    person = recorded.actor.person
    document = keyring.read(custody.keyring, recorded.day)
    secrets = keyring.secrets_of(
        document,
        name=person.name,
        role=person.role,
        identity=recorded.actor.identity(passphrase=passphrase),
        where=keyring.path_of(custody.keyring, recorded.day),
    )
    try:
        return [pyrage.x25519.Identity.from_str(secret.decode()) for secret in secrets]
    except (pyrage.IdentityError, UnicodeDecodeError):
        # the cause is not chained: it might quote the secret
        raise ConfigurationError("does not hold a day's key", where=recorded.day.isoformat()) from None


def _decrypt(ciphertext: bytes, identities: list[pyrage.x25519.Identity], *, where: str) -> bytes:
    try:
        clear: bytes = pyrage.decrypt(ciphertext, identities)
    except pyrage.DecryptError as error:
        raise InputError("does not open: altered, truncated or sealed to another day", where=where) from error
    return clear


def _approved_path(custody: Custody, event_id: str) -> Path:
    return custody.approved / f"{event_id}.age"
