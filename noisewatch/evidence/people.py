"""The people of custody: an SSH key that signs, an age identity that opens, one role, from and until.

``trust/allowed_signers`` lists their SSH keys as ``ssh-keygen`` reads them. A signature is bound to a
namespace, so that one made for one purpose cannot stand for another:

- ``noisewatch-access``: an officer's request to see or export something;
- ``noisewatch-approve``: a supervisor's approval of an original;
- ``noisewatch-package``: an officer's signature over an exported package.

Times in that file are UTC: read it with ``TZ=UTC0`` (OpenSSH before 9.1 does not know a ``Z`` behind them).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from noisewatch.errors import (
    ConfigurationError,
    InputError,
    MissingInputError,
    PermissionRefusedError,
    UsageError,
)
from noisewatch.evidence import ageplugin, jsonform
from noisewatch.evidence.durable import make_folder, read_bounded, read_secret, write_atomic

ROLES = ("officer", "supervisor")

#: What a person of a role may sign: a supervisor approves, but only an officer signs a package.
NAMESPACES = {
    "officer": ("noisewatch-access", "noisewatch-package"),
    "supervisor": ("noisewatch-access", "noisewatch-approve"),
}

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SSH_PUBLIC = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class FormerKey:
    """An SSH key that a person used before; what it signed in its time stays signed."""

    ssh_public: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was appointed; ``ssh_public`` is type and key without the comment."""

    name: str
    role: str
    ssh_public: str
    age_recipient: str
    appointed_by: str
    valid_from: datetime
    valid_until: datetime | None
    is_trial: bool
    former: tuple[FormerKey, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return what ``person.json`` says."""
        return {
            "name": self.name,
            "role": self.role,
            "ssh_public": self.ssh_public,
            "age_recipient": self.age_recipient,
            "appointed_by": self.appointed_by,
            "from": self.valid_from,
            "until": self.valid_until,
            "trial": self.is_trial,
            **(
                {
                    "former": [
                        {"ssh_public": k.ssh_public, "from": k.since, "until": k.until} for k in self.former
                    ]
                }
                if self.former
                else {}
            ),
        }

    def is_in_office(self, now: datetime) -> bool:
        """Whether the appointment has not ended; one that has yet to begin counts: keys are made ahead."""
        return self.valid_until is None or now < self.valid_until


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who acts now, and where the keys lie (for an agent's key the public one).

    No secret is held here: ``ssh-keygen`` uses the SSH key, the age identity is read when it is needed.
    """

    person: Person
    ssh_key: Path
    age_path: Path

    @property
    def name(self) -> str:
        """The person's name."""
        return self.person.name

    def identity(self, *, passphrase: str | None = None) -> ageplugin.Identity:
        """Read the age identity; a plugin's is asked for its PIN or touch when it opens something.

        Raises
        ------
        PermissionRefusedError
            Others can read the file, it needs a passphrase, or it is not this person's.
        MissingInputError
            There is no such file.
        ConfigurationError
            The file holds no age identity.
        UnavailableError
            It is one of a plugin that is not installed here.
        """
        data = read_secret(self.age_path)
        if b"age-encryption.org/v1" in data[:64] or data.startswith(b"-----BEGIN AGE ENCRYPTED FILE"):
            data = _open_with_passphrase(data, passphrase, where=self.age_path)
        try:
            identity, recipient = ageplugin.read_identity(data.decode("utf-8", "replace"))
        except UsageError as error:
            raise ConfigurationError(error.what, where=self.age_path) from None
        # a token's identity does not say whose it is: a wrap that it does not open tells
        if recipient is not None and recipient != self.person.age_recipient:
            raise PermissionRefusedError(f"is not the identity of {self.name}", where=self.age_path)
        return identity


def create_trial(people_folder: Path, *, name: str, role: str, now: datetime) -> Person:
    """Make a throw-away person with both keys in the folder; only for a trial custody."""
    folder = people_folder / name
    make_folder(folder)
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    identity = pyrage.x25519.Identity.generate()
    write_atomic(folder / "ssh", private)
    write_atomic(folder / "age.txt", f"# trial, throw away\n{identity}\n".encode())
    person = Person(
        name=name,
        role=role,
        ssh_public=public.decode(),
        age_recipient=str(identity.to_public()),
        appointed_by="trial",
        valid_from=now.astimezone(UTC).replace(microsecond=0),
        valid_until=None,
        is_trial=True,
    )
    write(people_folder, person)
    return person


def write(people_folder: Path, person: Person) -> None:
    """Check a person and write ``person.json`` and ``ssh.pub``; ``person.json`` last.

    Raises
    ------
    UsageError
        The name, role or a key is not one.
    """
    if NAME.fullmatch(person.name) is None:
        raise UsageError(f"the name {person.name[:60]!r} is not lower-case letters, digits, dot, dash")
    if person.role not in ROLES:
        raise UsageError(f"the role {person.role!r} is not one of {', '.join(ROLES)}")
    if _SSH_PUBLIC.fullmatch(person.ssh_public) is None:
        raise UsageError("the SSH key is not a public key such as ssh-ed25519 AAAA…")
    ageplugin.check_recipient(person.age_recipient)
    folder = people_folder / person.name
    make_folder(folder)
    write_atomic(folder / "ssh.pub", f"{person.ssh_public} {person.name}\n".encode(), mode=0o644)
    write_atomic(folder / "person.json", jsonform.document_to_bytes(person.document()), mode=0o644)


def read_all(people_folder: Path) -> list[Person]:
    """Read every person, by name; ``ConfigurationError`` names a file that is damaged."""
    return [read(path.parent) for path in sorted(people_folder.glob("*/person.json"))]


def read(folder: Path) -> Person:
    """Read one person's folder; ``ConfigurationError`` where ``person.json`` is damaged."""
    path = folder / "person.json"
    document = jsonform.bytes_to_document(read_bounded(path, max_bytes=jsonform.MAX_BYTES), where=path)
    try:
        until = document["until"]
        person = Person(
            name=document["name"],
            role=document["role"],
            ssh_public=document["ssh_public"],
            age_recipient=document["age_recipient"],
            appointed_by=document["appointed_by"],
            valid_from=jsonform.utc_moment(document["from"]),
            valid_until=None if until is None else jsonform.utc_moment(until),
            is_trial=document["trial"],
            former=tuple(
                FormerKey(
                    key["ssh_public"], jsonform.utc_moment(key["from"]), jsonform.utc_moment(key["until"])
                )
                for key in document.get("former", ())
            ),
        )
    except (KeyError, TypeError, InputError) as error:
        raise ConfigurationError("does not describe a person", where=path) from error
    if person.name != folder.name or person.role not in ROLES:
        raise ConfigurationError("does not describe the person of its folder", where=path)
    return person


def allowed_signers(people: Sequence[Person]) -> bytes:
    """Return the text of ``allowed_signers``: one line a person, bound to namespaces, from and until."""
    lines = []
    for person in people:
        keys: list[tuple[str, datetime, datetime | None]] = [
            (key.ssh_public, key.since, key.until) for key in person.former
        ]
        keys.append((person.ssh_public, _present_since(person), person.valid_until))
        for public, since, until in keys:
            options = [
                f'namespaces="{",".join(NAMESPACES[person.role])}"',
                f'valid-after="{_ssh_time(since)}"',
            ]
            if until is not None:
                options.append(f'valid-before="{_ssh_time(until)}"')
            lines.append(f"{person.name} {','.join(options)} {public}\n")
    return "".join(lines).encode()


def find(
    people_folder: Path, as_: str, *, revoked: bytes, now: datetime, age_path: Path | None = None
) -> Actor:
    """Return who acts: a trial person by name, or anybody by the file of their SSH key.

    Parameters
    ----------
    people_folder : Path
        The ``people`` folder of custody.
    as_ : str
        A name in ``people`` whose keys lie there, or the path of an SSH key, private or public.
    revoked : bytes
        What ``trust/revoked`` holds: public keys that no longer count.
    now : datetime
        The moment at which the appointment must hold.
    age_path : Path, optional
        The age identity; otherwise ``KEYFILE.age`` beside the SSH key.

    Raises
    ------
    MissingInputError
        There is no such person or key.
    PermissionRefusedError
        Nobody with this key was appointed, not any more, not yet, or the key was revoked.
    """
    folder = people_folder / as_
    if NAME.fullmatch(as_) is not None and (folder / "person.json").is_file():
        if not (folder / "ssh").exists():
            raise MissingInputError(
                "this person's keys are not in the custody folder", where=as_, remedy="give --as KEYFILE"
            )
        actor = Actor(read(folder), folder / "ssh", age_path or folder / "age.txt")
    else:
        actor = _find_by_key(people_folder, Path(as_), age_path=age_path)
    _refuse_out_of_office(actor.person, revoked=revoked, now=now)
    return actor


def _find_by_key(people_folder: Path, key: Path, *, age_path: Path | None) -> Actor:
    if not key.is_file():
        raise MissingInputError(
            "is neither a person of this custody nor a key file", where=key, remedy="look with: custody show"
        )
    public = _public_part(key)
    for person in read_all(people_folder):
        if person.ssh_public == public:
            return Actor(person, key, age_path or key.with_name(key.name.removesuffix(".pub") + ".age"))
    raise PermissionRefusedError("this key belongs to nobody who was appointed here", where=key)


def _public_part(key: Path) -> str:
    beside = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    if beside.is_file():
        fields = read_bounded(beside, max_bytes=64 * 1024).decode("utf-8", "replace").split()
        return " ".join(fields[:2])
    try:
        private = serialization.load_ssh_private_key(read_secret(key), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            "is not an SSH private key that opens without a passphrase",
            where=key,
            remedy=f"put its public part at {beside}",
        ) from None
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()


def _refuse_out_of_office(person: Person, *, revoked: bytes, now: datetime) -> None:
    if any(person.ssh_public in line for line in revoked.decode("utf-8", "replace").splitlines()):
        raise PermissionRefusedError("the key was revoked", where=person.name)
    if now < person.valid_from:
        raise PermissionRefusedError("the appointment has not begun", where=person.name)
    if person.valid_until is not None and now >= person.valid_until:
        raise PermissionRefusedError("the appointment has ended", where=person.name)


def _open_with_passphrase(data: bytes, passphrase: str | None, *, where: Path) -> bytes:
    if passphrase is None:
        raise PermissionRefusedError("this identity is encrypted", where=where, remedy="give its passphrase")
    try:
        opened: bytes = pyrage.passphrase.decrypt(data, passphrase)
    except pyrage.DecryptError:
        raise PermissionRefusedError("does not open with this passphrase", where=where) from None
    return opened


def _present_since(person: Person) -> datetime:
    """When the present key began to count: the appointment's start, or the end of the key before it."""
    return max([person.valid_from, *(key.until for key in person.former)])


def _ssh_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")
