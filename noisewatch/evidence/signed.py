"""A request as a document that its person signed: who wants to do what to what, why, for which case, when.

Signed by the person's SSH key for the namespace ``noisewatch-access``, an approval for
``noisewatch-approve`` (by file, ssh-agent or token), and
admitted only after it was verified against ``trust/allowed_signers``: before anything is logged or opened.
Each request carries a nonce that custody remembers (``requests/NONCE``), so that none counts twice, and a
time that must be now. The log's entry carries the request and its signature; a package those of its export.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from noisewatch.errors import AnswerIsNo, InputError, PermissionRefusedError, UsageError
from noisewatch.evidence import jsonform, people, sshsig
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.durable import fsync_folder, make_folder, read_bounded, storage_errors
from noisewatch.evidence.people import Actor, Person
from noisewatch.evidence.refusal import refusals_logged

SCHEMA = "noisewatch-request-2"

#: The closed list of reasons; the free text says the rest.
REASON_CODES = ("complaint", "inspection", "court", "data-subject", "review", "maintenance", "other")

#: Which role may ask for what.
ROLE_OF = {"consultation": "officer", "disclosure": "officer", "approval": "supervisor"}

#: A request is signed and used at once; a touch on a token and a slow agent fit in this.
MAX_AGE = timedelta(minutes=5)

#: Nonces are remembered far longer than a request counts, so that a clock set back admits none again.
NONCES_KEPT = timedelta(days=400)

_MAX_BYTES = 16 * 1024
_NONCE = re.compile(r"[0-9a-f]{32}")
_KEYS = frozenset({"who", "action", "target", "why", "reason_code", "case", "at", "nonce", "custody"})


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The document, its exact bytes (canonical JSON and a line feed) and the SSH signature over them."""

    document: Mapping[str, Any]
    data: bytes
    signature: bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal, as the log's entry names the request."""
        return hashlib.sha256(self.data).hexdigest()

    def details(self) -> dict[str, str]:
        """Return what the log's entry keeps, so that the request can be verified from the log alone."""
        return {
            "request": self.data.decode(),
            "request_sha256": self.sha256,
            "request_signature": self.signature.decode("ascii"),
            "reason_code": str(self.document["reason_code"]),
        }


def check_reason_code(code: str) -> str:
    """Return a reason of the closed list; ``UsageError`` for any other.

    Examples
    --------
    >>> check_reason_code("complaint")
    'complaint'
    """
    if code not in REASON_CODES:
        remedy = f"one of {', '.join(REASON_CODES)}"
        raise UsageError(f"{code[:40]!r} is not a reason of the list", where="--reason-code", remedy=remedy)
    return code


def namespace_of(action: str) -> str:
    """Return what a signature over a request of this action is for: an approval is a supervisor's alone."""
    return sshsig.APPROVAL_NAMESPACE if action == "approval" else sshsig.ACCESS_NAMESPACE


def sign(
    actor: Actor,
    custody: Custody,
    *,
    action: str,
    target: str,
    why: str,
    reason_code: str,
    case: str,
    at: datetime,
    **more: Any,
) -> SignedRequest:
    """Write down a request and let the person's SSH key sign it.

    Parameters
    ----------
    actor : Actor
        Who asks, and where their key lies.
    custody : Custody
        Whom they ask.
    action, target : str
        What is done ("consultation", "approval", "disclosure"), to which event.
    why, reason_code, case : str
        Free text, a reason of ``REASON_CODES``, the number of the case.
    at : datetime
        The moment.
    **more
        What else the request says, such as which part of an event is exported.

    Raises
    ------
    PermissionRefusedError
        The key does not sign.
    """
    document = {
        **more,
        "schema": SCHEMA,
        "who": actor.name,
        "action": action,
        "target": target,
        "why": why,
        "reason_code": check_reason_code(reason_code),
        "case": case,
        "at": jsonform.utc_text(at),
        "nonce": secrets.token_hex(16),
        "custody": custody.name,
        "trial": custody.is_trial,
    }
    data = jsonform.document_to_bytes(document) + b"\n"
    return SignedRequest(document, data, sshsig.sign(data, key=actor.ssh_key, namespace=namespace_of(action)))


def admit(
    custody: Custody, data: bytes, signature: bytes, *, action: str, target: str, now: datetime
) -> SignedRequest:
    """Verify a signed request and remember its nonce; only what this returns may be logged and carried out.

    Parameters
    ----------
    custody : Custody
        Whose people, revocations and remembered nonces count.
    data, signature : bytes
        The request and the armoured signature over it.
    action, target : str
        What is about to be done, to which event: the request must be about exactly this.
    now : datetime
        The moment at which the appointment must hold and the request be fresh.

    Raises
    ------
    PermissionRefusedError
        It is not signed by a person in office for this namespace, by somebody else than it names, by a person
        of another role, about something else, for another custody, not fresh, or it was used before.
    InputError
        It is not a request.
    """
    document = read(data)
    with refusals_logged(custody, who=str(document["who"]), asked=action, kind="request"):
        _check(custody, document, data, signature, action=action, target=target, now=now)
    return SignedRequest(document, data, signature)


def read(data: bytes) -> dict[str, Any]:
    """Return the document of a request; ``InputError`` where it is none or not in its one spelling."""
    document = jsonform.bytes_to_document(data, where="request", max_bytes=_MAX_BYTES)
    is_text = all(isinstance(document.get(key), str) for key in _KEYS)
    if not is_text or document.get("schema") != SCHEMA or document["reason_code"] not in REASON_CODES:
        raise InputError("is not a request of this form", where="request")
    if _NONCE.fullmatch(document["nonce"]) is None or people.NAME.fullmatch(document["who"]) is None:
        raise InputError("holds no nonce or names nobody", where="request")
    if jsonform.document_to_bytes(document) + b"\n" != data:
        raise InputError("is not in the one spelling of a request", where="request")
    return document


def _check(
    custody: Custody,
    document: Mapping[str, Any],
    data: bytes,
    signature: bytes,
    *,
    action: str,
    target: str,
    now: datetime,
) -> None:
    who = str(document["who"])
    try:
        signer = sshsig.verify(
            data,
            signature,
            allowed_signers=_trusted(custody, "allowed_signers"),
            revoked=_trusted(custody, "revoked"),
            namespace=namespace_of(action),
            at=now,
        )
    except AnswerIsNo as error:
        raise PermissionRefusedError(f"the request {error.what}", where=who) from error
    if signer != who:
        raise PermissionRefusedError(f"the request is signed by {signer}", where=who)
    person = people.read(custody.people / who)
    _refuse_wrong(person, document, custody, action=action, target=target)
    age = now - jsonform.utc_moment(document["at"])
    if abs(age) > MAX_AGE:
        what = f"the request is {abs(age).total_seconds():.0f} s {'old' if age > timedelta() else 'ahead'}"
        raise PermissionRefusedError(what, where=who, remedy="ask again; look at this machine's clock")
    _remember(custody.folder / "requests", str(document["nonce"]), who=who, now=now)


def _refuse_wrong(
    person: Person, document: Mapping[str, Any], custody: Custody, *, action: str, target: str
) -> None:
    if person.role != ROLE_OF[action]:
        what = f"has the role {person.role}; this needs the role {ROLE_OF[action]}"
        raise PermissionRefusedError(what, where=person.name)
    asked = (document["action"], document["target"], document["custody"])
    if asked != (action, target, custody.name):
        raise PermissionRefusedError("the request is about something else", where=person.name)


def _trusted(custody: Custody, name: str) -> bytes:
    return read_bounded(custody.trust / name, max_bytes=jsonform.MAX_BYTES)


def _remember(folder: Path, nonce: str, *, who: str, now: datetime) -> None:
    """Note a nonce durably; of two that come at once, one alone is admitted."""
    make_folder(folder)
    with storage_errors(folder):
        _forget_old(folder, now=now)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(folder / nonce, flags, 0o600)
        except FileExistsError:
            raise PermissionRefusedError("this request was used before", where=who) from None
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    fsync_folder(folder)


def _forget_old(folder: Path, *, now: datetime) -> None:
    oldest_s = (now.astimezone(UTC) - NONCES_KEPT).timestamp()
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if _NONCE.fullmatch(path.name) is not None and path.lstat().st_mtime < oldest_s:
                path.unlink()
