"""The keyring: for each UTC day an officer and a supervisor key, wrapped to people, and a key for records.

``keyring/YYYY-MM-DD.json`` holds the two public recipients and, for every person of the role, the day's
private key as an armoured age file that only this person opens; the key for records lies there unwrapped
(``recordkeys.py`` says why). Where a day's file is gone, so are the day's clips and records, on every disk.
This module makes, shares and ends days; only ``unseal.py`` opens one to read a clip, ``desk.py`` a record.

A day that ended is written down in ``keyring/ended`` before its keys go: an old copy of the keyring, merged
or laid back over it, never brings one back. Where a day's keys were replaced because somebody left, the
former ones stay as ``previous`` for those who remain: a box may seal to them until it gets its new bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage

from noisewatch.errors import ConfigurationError, InputError, MissingInputError, PermissionRefusedError
from noisewatch.evidence import ageplugin, jsonform, leftovers, recordkeys, retention, seal
from noisewatch.evidence.durable import (
    fsync_folder,
    make_folder,
    read_bounded,
    remove_durably,
    write_atomic,
)
from noisewatch.evidence.people import ROLES, Actor, Person

#: The days that ended, one a line; it outlives their keys.
ENDED = "ended"


def make_days(folder: Path, people: Sequence[Person], *, first: date, count: int) -> dict[date, seal.DayKey]:
    """Make what is missing of the keys of ``count`` days from ``first`` on; return these days' keys.

    Raises
    ------
    ConfigurationError
        Nobody holds one of the roles: a key made now could never be opened.
    """
    for role in ROLES:
        if not any(person.role == role for person in people):
            raise ConfigurationError(
                f"there is no {role}, so day keys made now could never be opened",
                where=folder.parent,
                remedy=f"run: noisewatch custody add NAME --role {role} …",
            )
    make_folder(folder)
    gone = ended(folder)
    _add_record_keys(folder)
    keys: dict[date, seal.DayKey] = {}
    for offset in range(count):
        day = first + timedelta(days=offset)
        if day in gone:
            raise ConfigurationError(
                f"{day.isoformat()} has ended; no key is made for it again", where=folder
            )
        if not path_of(folder, day).exists():
            roles = {role: _new_role(role, people) for role in ROLES}
            document = {"day": day, **roles, recordkeys.RECORDS: recordkeys.new_part()}
            write_atomic(path_of(folder, day), jsonform.document_to_bytes(document), with_folder=False)
        keys[day] = public(folder, day)
    fsync_folder(folder)
    return keys


def path_of(folder: Path, day: date) -> Path:
    """Return where a day's keys stand."""
    return folder / f"{day.isoformat()}.json"


def days(folder: Path) -> list[date]:
    """Return the days that the keyring holds and that have not ended, in order."""
    gone = ended(folder)
    found = []
    for path in folder.glob("????-??-??.json"):
        try:
            found.append(date.fromisoformat(path.stem))
        except ValueError:
            continue
    return sorted(day for day in found if day not in gone)


def ended(folder: Path) -> frozenset[date]:
    """Return the days that ended, as ``keyring/ended`` says; ``ConfigurationError`` where it is damaged."""
    path = folder / ENDED
    if not path.exists():
        return frozenset()
    try:
        lines = read_bounded(path, max_bytes=jsonform.MAX_BYTES).decode("ascii").split()
        return frozenset(date.fromisoformat(line) for line in lines)
    except ValueError as error:
        raise ConfigurationError("does not list days that ended", where=path) from error


def end_days(folder: Path, which: Iterable[date]) -> None:
    """Write down that days ended, durably, then destroy what the folder holds of their keys."""
    now_ended = frozenset(which)
    all_ended = ended(folder) | now_ended
    text = "".join(f"{day.isoformat()}\n" for day in sorted(all_ended))
    write_atomic(folder / ENDED, text.encode())
    for day in sorted(all_ended):
        path = path_of(folder, day)
        # a write that was killed may have left a copy of the keys under a temporary name
        for held in (path, *(leftovers.copies_of(path) if day in now_ended else ())):
            remove_durably(held)


def merge(folder: Path, other: Path) -> tuple[list[date], list[date]]:
    """Take the days that another copy of this keyring has and this one has not; never one that ended.

    Returns
    -------
    tuple of list of date
        The days that were taken, and those that were refused because they ended here or there.
    """
    gone = ended(folder) | ended(other)
    taken, refused = [], []
    for path in sorted(other.glob("????-??-??.json")):
        day = date.fromisoformat(path.stem)
        if day in gone:
            refused.append(day)
        elif not path_of(folder, day).exists():
            write_atomic(path_of(folder, day), jsonform.document_to_bytes(dict(read(other, day))))
            taken.append(day)
        elif joined := recordkeys.joined(document := read(folder, day), read(other, day)):
            # both copies gave an older day its key for records: boxes may have either
            whole = {**document, recordkeys.RECORDS: joined}
            write_atomic(path_of(folder, day), jsonform.document_to_bytes(whole))
    end_days(folder, gone)
    return taken, refused


def public(folder: Path, day: date) -> seal.DayKey:
    """Return a day's public keys; raises as ``read``, and where an older noisewatch made the day."""
    document = read(folder, day)
    records = recordkeys.recipient_of(document, where=path_of(folder, day))
    return seal.DayKey(day, document["officer"]["recipient"], document["supervisor"]["recipient"], records)


def read(folder: Path, day: date) -> Mapping[str, Any]:
    """Read a day's file.

    Raises
    ------
    MissingInputError
        The day has ended, or never was.
    ConfigurationError
        The file is damaged.
    """
    path = path_of(folder, day)
    if not path.exists() or day in ended(folder):
        raise MissingInputError(
            f"holds no keys of {day.isoformat()}: the day has ended, or is another custody's", where=folder
        )
    try:
        document = jsonform.bytes_to_document(read_bounded(path, max_bytes=jsonform.MAX_BYTES), where=path)
        for role in ROLES:
            pyrage.x25519.Recipient.from_str(document[role]["recipient"])
            for part in (document[role], *document[role].get("previous", ())):
                if not all(isinstance(wrap, str) for wrap in part["wraps"].values()):
                    raise TypeError("a wrap is a text")
        recordkeys.check_part(document)
        if document["day"] != day.isoformat():
            raise ValueError("another day")
    except (InputError, KeyError, TypeError, ValueError, AttributeError, pyrage.RecipientError) as error:
        raise ConfigurationError("does not hold the keys of its day", where=path) from error
    return document


def share(folder: Path, newcomer: Person, *, actor: Actor, identity: ageplugin.Identity) -> int:
    """Wrap every day's key that ``actor`` can open to a newcomer of the same role; return how many days.

    The caller writes the log entry first: keys are opened here, though no clip is.

    Raises
    ------
    PermissionRefusedError
        The two hold different roles.
    """
    role = newcomer.role
    if actor.person.role != role:
        raise PermissionRefusedError(f"only another {role} can share the {role}s' day keys", where=actor.name)
    shared = 0
    for day in days(folder):
        document = dict(read(folder, day))
        if actor.name not in document[role]["wraps"]:
            continue
        parts = [
            _shared(part, newcomer, actor=actor, identity=identity, where=path_of(folder, day))
            for part in (document[role], *document[role].get("previous", ()))
        ]
        document[role] = {**parts[0], "previous": parts[1:]} if parts[1:] else parts[0]
        write_atomic(path_of(folder, day), jsonform.document_to_bytes(document), with_folder=False)
        shared += 1
    fsync_folder(folder)
    return shared


def expire(folder: Path, *, now: datetime, is_trial: bool) -> list[date]:
    """End every day whose clips may not be read any more; return these days.

    A day's keys end with the last of its clips: the earlier of 30 days and one calendar month after the day's
    00:00 UTC; in a trial 24 hours after the day's end, when the last of its clips can have been sealed.
    """
    over = []
    for day in days(folder):
        last_moment = seal.start_of_day(day) + timedelta(days=1)
        if now >= retention.expires_at(day, is_trial=is_trial, sealed_at=last_moment):
            over.append(day)
    # also sweeps away a day that ended before and was laid back from an old copy
    end_days(folder, over)
    return over


def drop(
    folder: Path, name: str, *, role: str, people: Sequence[Person], renew_from: date
) -> tuple[int, int]:
    """Take a person's wraps out of every day, and give days from ``renew_from`` on new keys.

    Parameters
    ----------
    folder : Path
        The keyring.
    name, role : str
        Who leaves, and the role whose keys this person could open.
    people : sequence of Person
        Those who remain.
    renew_from : date
        The first day that gets new keys: whoever left may have kept a copy of the old ones.

    Returns
    -------
    tuple of int
        Days whose wraps were taken out, and days that got new keys.

    Raises
    ------
    ConfigurationError
        Nobody of the role would remain.
    """
    if not any(person.role == role for person in people):
        raise ConfigurationError(
            f"{name} is the last {role}; the day keys could never be opened again",
            where=folder.parent,
            remedy=f"appoint another first: noisewatch custody add NAME --role {role} …",
        )
    dropped = renewed = 0
    for day in days(folder):
        document = dict(read(folder, day))
        former = [_without(part, name) for part in (document[role], *document[role].get("previous", ()))]
        held = any(name in part["wraps"] for part in (document[role], *document[role].get("previous", ())))
        if not held:
            continue
        dropped += 1
        if day >= renew_from:
            document[role] = {**_new_role(role, people), "previous": former}
            document[recordkeys.RECORDS] = recordkeys.renewed(document)
            renewed += 1
        else:
            document[role] = {**former[0], "previous": former[1:]} if former[1:] else former[0]
        write_atomic(path_of(folder, day), jsonform.document_to_bytes(document), with_folder=False)
    fsync_folder(folder)
    # a copy that a killed write left may still open to who leaves
    leftovers.remove_temporaries(folder, older_than_s=0.0)
    return dropped, renewed


def secrets_of(
    document: Mapping[str, Any], *, name: str, role: str, identity: ageplugin.Identity, where: Path
) -> list[bytes]:
    """Return a day's private keys that a person can open, the present one first.

    Raises
    ------
    PermissionRefusedError
        None is wrapped to this person or identity.
    """
    parts = (document[role], *document[role].get("previous", ()))
    wraps = [part["wraps"][name] for part in parts if name in part["wraps"]]
    if not wraps:
        raise PermissionRefusedError("no key of this day is wrapped to this person", where=where)
    return [open_wrap(wrap, identity, where=where) for wrap in wraps]


def open_wrap(wrap: str, identity: pyrage.x25519.Identity, *, where: Path) -> bytes:
    """Open one wrapped day key; ``PermissionRefusedError`` where the identity does not fit."""
    try:
        secret: bytes = pyrage.decrypt(wrap.encode(), [identity])
    except pyrage.DecryptError:
        raise PermissionRefusedError("the day's key is not wrapped to this identity", where=where) from None
    return secret


def _add_record_keys(folder: Path) -> None:
    """Give the days that an older noisewatch made their key for records."""
    for day in days(folder):
        document = read(folder, day)
        if recordkeys.RECORDS not in document:
            whole = {**document, recordkeys.RECORDS: recordkeys.new_part()}
            write_atomic(path_of(folder, day), jsonform.document_to_bytes(whole), with_folder=False)


def _shared(
    part: Mapping[str, Any],
    newcomer: Person,
    *,
    actor: Actor,
    identity: ageplugin.Identity,
    where: Path,
) -> dict[str, Any]:
    wraps = dict(part["wraps"])
    if actor.name in wraps:
        secret = open_wrap(wraps[actor.name], identity, where=where)
        wraps[newcomer.name] = ageplugin.encrypt(secret, newcomer.age_recipient, armored=True).decode()
    return {"recipient": part["recipient"], "wraps": wraps}


def _without(part: Mapping[str, Any], name: str) -> dict[str, Any]:
    wraps = {who: wrap for who, wrap in part["wraps"].items() if who != name}
    return {"recipient": part["recipient"], "wraps": wraps}


def _new_role(role: str, people: Sequence[Person]) -> dict[str, Any]:
    identity = pyrage.x25519.Identity.generate()
    secret = str(identity).encode()
    wraps = {
        person.name: ageplugin.encrypt(secret, person.age_recipient, armored=True).decode()
        for person in people
        if person.role == role
    }
    return {"recipient": str(identity.to_public()), "wraps": wraps}
