"""The custody folder: authority, keyring, people, what a verifier is given, and custody's own log.

::

    custody.toml                       version, name, trial, created_at, exports_per_day
    authority/{ca.pem, ca.key}         certifies boxes, signs bundles (passphrase, unless a trial)
    authority/{log.pem, log.key}       signs the checkpoints of custody's log
    keyring/YYYY-MM-DD.json            a day's keys: wrapped to people, and one for records (keyring.py)
    people/NAME/{person.json, ssh.pub} and, of trial people only, {ssh, age.txt}
    trust/{ca.pem, allowed_signers, revoked, revoked_nodes}   what a verifier is given
    requests/NONCE                     requests that were used, so that none is twice (signed.py)
    approved/ID.{age,day}              originals that a supervisor approved, sealed to the officers
    records/index.db                   what the desk read in records that have not ended (recordindex.py)
    minutes/BOX/YYYY-MM-DD.csv         one-minute levels that the desk opened, until their own end (filed.py)
    verdicts/DAY-RANDOM.json           what officers said of clips, for twelve months (verdicts.py)
    log/custody.jsonl                  who did what to what, why and when
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from noisewatch.errors import (
    ConfigurationError,
    InputError,
    NoisewatchError,
    PermissionRefusedError,
    UsageError,
)
from noisewatch.evidence import authority, jsonform, keyring, leftovers, people, recordindex, seal
from noisewatch.evidence.durable import make_folder, read_bounded, remove_durably, write_atomic
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.people import Actor, Person
from noisewatch.records import LogEntry

VERSION = 1

#: A person who exports more than this in 24 hours alarms the supervisor, unless ``custody.toml`` says else.
EXPORTS_PER_DAY = 20

#: Day keys are made ahead: a bundle for a real custody, and for a trial, where init must be quick.
BUNDLE_DAYS = 400
TRIAL_BUNDLE_DAYS = 40

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Custody:
    """An opened custody folder. No key is held; each use reads it from its place."""

    folder: Path
    name: str
    is_trial: bool
    created_at: datetime
    exports_per_day: int = EXPORTS_PER_DAY

    @property
    def authority(self) -> Path:
        """Folder of the certificate authority."""
        return self.folder / "authority"

    @property
    def keyring(self) -> Path:
        """Folder of the day keys."""
        return self.folder / "keyring"

    @property
    def people(self) -> Path:
        """Folder of the people."""
        return self.folder / "people"

    @property
    def trust(self) -> Path:
        """Folder that a verifier is given."""
        return self.folder / "trust"

    @property
    def approved(self) -> Path:
        """Folder of the originals that a supervisor approved."""
        return self.folder / "approved"

    @property
    def log_path(self) -> Path:
        """Custody's log."""
        return self.folder / "log" / "custody.jsonl"

    def authority_pem(self) -> bytes:
        """Return the authority's certificate."""
        return read_bounded(self.authority / "ca.pem", max_bytes=64 * 1024)

    def log(self) -> EventLog:
        """Open custody's log for appending; raises as ``EventLog.open`` and ``NodeSigner.from_files``."""
        signer = seal.NodeSigner.from_files(self.authority / "log.key", self.authority / "log.pem")
        return EventLog.open(self.log_path, signer=signer)

    def find_person(self, as_: str, *, now: datetime | None = None, age_path: Path | None = None) -> Actor:
        """Return who acts, as ``people.find``; by name for trial people, else by the SSH key's file."""
        revoked = read_bounded(self.trust / "revoked", max_bytes=jsonform.MAX_BYTES)
        return people.find(self.people, as_, revoked=revoked, now=now or datetime.now(UTC), age_path=age_path)


def init(
    folder: Path,
    *,
    trial: bool,
    passphrase: str | None = None,
    name: str | None = None,
    now: datetime | None = None,
    days: int = TRIAL_BUNDLE_DAYS,
) -> Custody:
    """Make a custody folder; of a trial also the people ``officer`` and ``supervisor`` and their day keys.

    Parameters
    ----------
    folder : Path
        An empty or missing folder.
    trial : bool
        Whether keys and people are throw-away.
    passphrase : str, optional
        Encrypts the authority's key; needed unless it is a trial.
    name : str, optional
        The custody's name in certificates and reports; the folder's name otherwise.
    now : datetime, optional
        The moment of making.
    days : int
        How many days' keys a trial makes ahead.

    Raises
    ------
    ConfigurationError
        The folder holds something already.
    UsageError
        The passphrase is missing or too short, or the name is not one.
    """
    now = now or datetime.now(UTC)
    name = name or re.sub(r"[^A-Za-z0-9._-]", "-", folder.resolve().name).strip("-._") or "custody"
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"the name {name[:60]!r} is not 1 to 40 letters, digits, spaces, dots, dashes")
    if not trial and passphrase is None:
        raise UsageError("a custody that is not a trial needs a passphrase for its authority")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError("is not empty", where=folder, remedy="name a new folder")
    make_folder(folder)
    try:
        return _fill(Custody(folder, name, trial, now), passphrase=None if trial else passphrase, days=days)
    except NoisewatchError:
        # nothing half-made stays: the folder was empty when we began
        for path in folder.iterdir():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def open_custody(folder: Path) -> Custody:
    """Open a custody folder.

    Raises
    ------
    ConfigurationError
        It is none, or its ``custody.toml`` is damaged or of another version.
    """
    path = folder / "custody.toml"
    if not path.is_file():
        raise ConfigurationError(
            "is not a custody folder", where=folder, remedy="make one with: noisewatch custody init"
        )
    try:
        document = tomllib.loads(read_bounded(path, max_bytes=64 * 1024).decode())
        created_at = jsonform.utc_moment(document["created_at"])
        name, is_trial, version = document["name"], document["trial"], document["version"]
        exports = document.get("exports_per_day", EXPORTS_PER_DAY)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, RecursionError, InputError) as error:
        raise ConfigurationError("does not describe a custody", where=path) from error
    if version != VERSION or not isinstance(name, str) or not isinstance(is_trial, bool):
        raise ConfigurationError(f"is not of version {VERSION}", where=path)
    if type(exports) is not int or not 1 <= exports <= 10_000:
        raise ConfigurationError("key exports_per_day: is not a number from 1 to 10000", where=path)
    return Custody(folder, name, is_trial, created_at, exports)


def find_person(
    custody: Custody, as_: str, *, now: datetime | None = None, age_path: Path | None = None
) -> Actor:
    """Return who acts: ``--as NAME|KEYFILE``; raises as ``people.find``."""
    return custody.find_person(as_, now=now, age_path=age_path)


def add_person(
    custody: Custody, person: Person, *, sharer: Actor | None = None, identity_passphrase: str | None = None
) -> int:
    """Appoint a person and write who appointed whom into the log; return how many days they can open at once.

    Day keys that are made from now on are wrapped to them too. Days that exist already are opened to them
    only where ``sharer``, who holds the same role, wraps these keys again.

    Raises
    ------
    UsageError
        A person of that name exists, or the name, role or a key is not one.
    PermissionRefusedError
        The sharer holds another role or cannot open the keys.
    """
    if (custody.people / person.name / "person.json").exists():
        raise UsageError(f"{person.name} is a person of this custody already")
    if person.is_trial and not custody.is_trial:
        raise UsageError("a trial person cannot be added to a custody that is not a trial")
    identity = None if sharer is None else sharer.identity(passphrase=identity_passphrase)
    if sharer is not None and sharer.person.role != person.role:
        raise PermissionRefusedError(f"only another {person.role} can share day keys", where=sharer.name)
    log = custody.log()
    people.write(custody.people, person)
    details = {"role": person.role, "from": person.valid_from, "until": person.valid_until}
    who = person.appointed_by if sharer is None else sharer.name
    note(log, custody, who=who, target=person.name, why="appointed", details=details)
    write_trust(custody)
    if sharer is None or identity is None:
        return 0
    return keyring.share(custody.keyring, person, actor=sharer, identity=identity)


def write_trust(custody: Custody) -> None:
    """Write anew what a verifier is given: the authority, the people, and what was revoked."""
    make_folder(custody.trust, mode=0o755)
    write_atomic(custody.trust / "ca.pem", custody.authority_pem(), mode=0o644)
    signers = people.allowed_signers(people.read_all(custody.people))
    write_atomic(custody.trust / "allowed_signers", signers, mode=0o644)
    for name in ("revoked", "revoked_nodes"):
        if not (custody.trust / name).exists():
            write_atomic(custody.trust / name, b"", mode=0o644)


def enroll_node(
    custody: Custody,
    node_name: str,
    public_key: ec.EllipticCurvePublicKey,
    *,
    passphrase: str | None = None,
    now: datetime | None = None,
) -> bytes:
    """Certify a box's public key and note it; return the certificate in PEM.

    Raises
    ------
    UsageError
        The name is not 1 to 40 letters, digits, dots and dashes.
    PermissionRefusedError
        The authority's key does not open with this passphrase.
    """
    if _NODE_NAME.fullmatch(node_name) is None:
        raise UsageError(f"the node name {node_name[:60]!r} is not 1 to 40 letters, digits, dots, dashes")
    certificate = authority.issue_node(
        custody.authority,
        name=node_name,
        public_key=public_key,
        passphrase=passphrase,
        now=now or datetime.now(UTC),
    )
    note(custody.log(), custody, who="custodian", target=f"node {node_name}", why="certificate issued")
    return certificate


def make_bundle(
    custody: Custody,
    *,
    days: int | None = None,
    now: datetime | None = None,
    passphrase: str | None = None,
) -> tuple[bytes, bytes]:
    """Make the signed bundle of public day keys from today on; return ``bundle.json`` and its signature.

    Days that are missing from the keyring are made. Raises as ``keyring.make_days`` and
    ``authority.load_key``.
    """
    now = now or datetime.now(UTC)
    count = days or (TRIAL_BUNDLE_DAYS if custody.is_trial else BUNDLE_DAYS)
    authority.load_key(custody.authority, passphrase=passphrase)
    today = now.astimezone(UTC).date()
    in_office = [person for person in people.read_all(custody.people) if person.is_in_office(now)]
    keys = keyring.make_days(custody.keyring, in_office, first=today, count=count)
    document = {
        "schema": seal.BUNDLE_SCHEMA,
        "custody": custody.name,
        "trial": custody.is_trial,
        "issued_at": now,
        "days": {
            day.isoformat(): {
                "officer": key.officer,
                "supervisor": key.supervisor,
                "records": key.records,
            }
            for day, key in keys.items()
        },
    }
    data = jsonform.document_to_bytes(document)
    signature = authority.sign(custody.authority, data, passphrase=passphrase)
    details = {"days": count, "first": today}
    note(custody.log(), custody, who="custodian", target="bundle", why="day keys issued", details=details)
    return data, signature


def expire(
    custody: Custody, *, now: datetime | None = None, also: Sequence[date] = (), why: str | None = None
) -> list[date]:
    """End the days whose clips may not be read any more, with what was approved of them; note each end.

    Parameters
    ----------
    custody : Custody
        Whose days end.
    now : datetime, optional
        The moment against which the days are judged.
    also : sequence of date
        Days that end before their time.
    why : str, optional
        Why these do.

    Returns
    -------
    list of date
        The days that ended now.
    """
    now = now or datetime.now(UTC)
    log = custody.log()
    ended = keyring.expire(custody.keyring, now=now, is_trial=custody.is_trial)
    early = [day for day in also if day in keyring.days(custody.keyring)]
    keyring.end_days(custody.keyring, early)
    for day in ended:
        reason = "the day's keys ended"
        note(log, custody, who="noisewatch", target=day.isoformat(), why=reason, action="erasure")
    for day in early:
        reason = why or "ended before its time"
        note(log, custody, who="custodian", target=day.isoformat(), why=reason, action="erasure")
    ended += early
    recordindex.keep_days(custody.folder, keyring.days(custody.keyring))
    leftovers.remove_temporaries(custody.folder)
    living = {day.isoformat() for day in keyring.days(custody.keyring)}
    for marker in sorted(custody.approved.glob("*.day")):
        if read_bounded(marker, max_bytes=64).decode("ascii", "replace") not in living:
            remove_durably(marker.with_suffix(".age"))
            remove_durably(marker)
            reason = "the approved original ended with its day"
            note(log, custody, who="noisewatch", target=marker.stem, why=reason, action="erasure")
    return ended


def _fill(custody: Custody, *, passphrase: str | None, days: int) -> Custody:
    authority.create(custody.authority, name=custody.name, passphrase=passphrase, now=custody.created_at)
    for folder in (custody.keyring, custody.people, custody.approved, custody.log_path.parent):
        make_folder(folder)
    log = custody.log()
    note(log, custody, who="custodian", target="custody", why="custody made")
    if custody.is_trial:
        for role in people.ROLES:
            people.create_trial(custody.people, name=role, role=role, now=custody.created_at)
            note(log, custody, who="custodian", target=role, why="appointed", details={"role": role})
        first = custody.created_at.astimezone(UTC).date()
        keyring.make_days(custody.keyring, people.read_all(custody.people), first=first, count=days)
    write_trust(custody)
    text = (
        "# A custody folder of noisewatch; see docs/custody.md. Edit nothing here but exports_per_day.\n"
        f"version = {VERSION}\nname = {json.dumps(custody.name)}\n"
        f"trial = {str(custody.is_trial).lower()}\n"
        f"created_at = {json.dumps(jsonform.utc_text(custody.created_at))}\n"
        f"exports_per_day = {EXPORTS_PER_DAY}\n"
    )
    write_atomic(custody.folder / "custody.toml", text.encode(), mode=0o644)
    return open_custody(custody.folder)


def note(
    log: EventLog,
    custody: Custody,
    *,
    who: str,
    target: str,
    why: str,
    action: str = "people",
    details: dict[str, Any] | None = None,
) -> None:
    """Write an entry into custody's log, marked where the custody is a trial."""
    marked = {**(details or {}), "trial": True} if custody.is_trial else (details or {})
    log.append(LogEntry(who, action, target, why, datetime.now(UTC), marked))
