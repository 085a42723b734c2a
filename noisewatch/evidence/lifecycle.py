"""What a custodian does when people, keys and boxes come and go: revoke, rotate, hand out a new bundle.

Whoever leaves may have kept a copy of the keyring and of the own identity. So leaving takes the person's
wraps out of every day and gives the days to come new keys; what could be opened before with plain age stays
so, and ``docs/threat-model.md`` says it. The boxes need the new bundle afterwards: until they have it they
seal to the former keys, which those who remain still open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noisewatch.errors import MissingInputError, PermissionRefusedError, UsageError
from noisewatch.evidence import keyring, people
from noisewatch.evidence.custody import Custody, enroll_node, make_bundle, note, write_trust
from noisewatch.evidence.durable import make_folder, read_bounded, write_atomic
from noisewatch.evidence.jsonform import MAX_BYTES
from noisewatch.evidence.kit import Kit, fingerprint, read_request
from noisewatch.evidence.people import Actor, FormerKey, Person


@dataclass(frozen=True, slots=True)
class Change:
    """What a revocation or rotation changed, in days of the keyring."""

    name: str
    days_closed: int
    days_renewed: int
    days_shared: int = 0


def revoke_person(
    custody: Custody,
    name: str,
    *,
    why: str,
    by: str,
    is_compromised: bool = False,
    now: datetime | None = None,
) -> Change:
    """End an appointment now: no signature counts from now on, and no day opens to this person.

    Parameters
    ----------
    custody : Custody
        Whose person leaves.
    name : str
        The person.
    why, by : str
        The reason, and who decided.
    is_compromised : bool
        Whether the key itself is no longer to be trusted: then nothing that it ever signed counts.
    now : datetime, optional
        The moment.

    Returns
    -------
    Change
        How many days were closed to the person, and how many got new keys.

    Raises
    ------
    MissingInputError
        There is no such person.
    UsageError
        The appointment ended before.
    ConfigurationError
        It is the last person of the role.
    """
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    person = _person(custody, name)
    if not person.is_in_office(now):
        raise UsageError("the appointment has ended already", where=name)
    remaining = [one for one in _in_office(custody, now) if one.name != name]
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    _refuse_last(person, remaining)
    details = {"role": person.role, "by": by, "compromised": is_compromised}
    note(
        custody.log(),
        custody,
        who="custodian",
        target=name,
        why=why,
        details={**details, "change": "revoked"},
    )
    people.write(custody.people, replace(person, valid_until=now))
    if is_compromised:
        _distrust(custody, person.ssh_public)
    write_trust(custody)
    closed, renewed = keyring.drop(
        custody.keyring, name, role=person.role, people=remaining, renew_from=tomorrow
    )
    return Change(name, days_closed=closed, days_renewed=renewed)


def rotate_person(
    custody: Custody,
    name: str,
    *,
    ssh_public: str,
    age_recipient: str,
    why: str,
    sharer: Actor | None = None,
    identity_passphrase: str | None = None,
    is_compromised: bool = False,
    now: datetime | None = None,
) -> Change:
    """Give a person new keys in place of the present ones.

    What the old key signed in its time stays signed, unless it is compromised. Days that exist are opened to
    the new identity where ``sharer`` - a colleague of the role, or the person with the old identity - wraps
    them again; the old identity opens none any more.

    Raises
    ------
    MissingInputError
        There is no such person.
    UsageError
        A key is not one, or is the present one.
    PermissionRefusedError
        The sharer holds another role or cannot open the keys.
    """
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    person = _person(custody, name)
    if not person.is_in_office(now):
        raise UsageError("the appointment has ended", where=name, remedy="appoint the person again")
    if person.ssh_public == ssh_public or person.age_recipient == age_recipient:
        raise UsageError("both keys must be new", where=name)
    if sharer is not None and sharer.person.role != person.role:
        raise PermissionRefusedError(f"only another {person.role} can share day keys", where=sharer.name)
    if sharer is not None and is_compromised and sharer.name == name:
        raise UsageError("a compromised identity shares nothing", remedy="name a colleague with --as")
    identity = None if sharer is None else sharer.identity(passphrase=identity_passphrase)
    since = max([person.valid_from, *(key.until for key in person.former)])
    former = () if is_compromised else (FormerKey(person.ssh_public, since, now),)
    renewed_person = replace(
        person, ssh_public=ssh_public, age_recipient=age_recipient, former=(*person.former, *former)
    )
    details = {"role": person.role, "compromised": is_compromised, "change": "keys rotated"}
    note(custody.log(), custody, who="custodian", target=name, why=why, details=details)
    people.write(custody.people, renewed_person)
    if is_compromised:
        _distrust(custody, person.ssh_public)
    write_trust(custody)
    closed = renewed = shared = 0
    if sharer is None or is_compromised:
        tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
        remaining = _in_office(custody, now)
        closed, renewed = keyring.drop(
            custody.keyring, name, role=person.role, people=remaining, renew_from=tomorrow
        )
    if sharer is not None and identity is not None:
        # wraps to the old identity are replaced day by day
        shared = keyring.share(custody.keyring, renewed_person, actor=sharer, identity=identity)
    return Change(name, days_closed=closed, days_renewed=renewed, days_shared=shared)


def revoke_node(custody: Custody, certificate_pem: bytes, *, name: str, why: str, now: datetime) -> None:
    """Distrust a box from a UTC day on: what it signs for that day or later is refused by verifiers.

    A stolen key can still date a record back; a time stamp in the package shows when it was exported.
    """
    line = f"{fingerprint(certificate_pem)} {now.astimezone(UTC).date().isoformat()} {name}\n"
    note(
        custody.log(), custody, who="custodian", target=f"node {name}", why=why, details={"change": "revoked"}
    )
    path = custody.trust / "revoked_nodes"
    present = read_bounded(path, max_bytes=MAX_BYTES) if path.exists() else b""
    write_atomic(path, present + line.encode(), mode=0o644)


def make_kit(
    custody: Custody,
    *,
    request: Path | None = None,
    days: int | None = None,
    passphrase: str | None = None,
    now: datetime | None = None,
) -> tuple[Kit, str | None]:
    """Make what a box needs from custody; with a signing request also its certificate.

    Returns
    -------
    tuple
        The kit, and the box's name where a certificate was issued.

    Raises
    ------
    UsageError
        The request is not a box's.
    PermissionRefusedError
        The authority's key does not open with this passphrase.
    """
    now = now or datetime.now(UTC)
    name, pem = None, b""
    if request is not None:
        name, key = read_request(request)
        pem = enroll_node(custody, name, key, passphrase=passphrase, now=now)
        make_folder(custody.folder / "nodes")
        write_atomic(custody.folder / "nodes" / f"{name}.pem", pem, mode=0o644)
    bundle, signature = make_bundle(custody, days=days, now=now, passphrase=passphrase)
    return Kit(custody.authority_pem(), bundle, signature, pem), name


def _person(custody: Custody, name: str) -> Person:
    if people.NAME.fullmatch(name) is None or not (custody.people / name / "person.json").is_file():
        remedy = "look with: noisewatch custody show"
        raise MissingInputError("is no person of this custody", where=name[:64], remedy=remedy)
    return people.read(custody.people / name)


def _in_office(custody: Custody, now: datetime) -> list[Person]:
    return [person for person in people.read_all(custody.people) if person.is_in_office(now)]


def _refuse_last(person: Person, remaining: list[Person]) -> None:
    if any(one.role == person.role for one in remaining):
        return
    raise UsageError(
        f"is the last {person.role}; day keys could not be opened by anybody",
        where=person.name,
        remedy=f"appoint another first: noisewatch custody add NAME --role {person.role} …",
    )


def _distrust(custody: Custody, ssh_public: str) -> None:
    path = custody.trust / "revoked"
    present = read_bounded(path, max_bytes=MAX_BYTES) if path.exists() else b""
    write_atomic(path, present + f"{ssh_public}\n".encode(), mode=0o644)
