"""Who asks for what and why, checked before anything is logged or opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import AnswerIsNo, InputError, MissingInputError, PermissionRefusedError, UsageError
from noisewatch.evidence import cms, jsonform, unseal
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.desk import Desk
from noisewatch.evidence.people import Actor
from noisewatch.evidence.seal import ROLE_NODE, role_of
from noisewatch.evidence.signed import check_reason_code
from noisewatch.evidence.store import Store
from noisewatch.evidence.stored import RECORD, StoredEvent
from noisewatch.evidence.verify import end_of_day
from noisewatch.records import EventRecord, LogEntry

MAX_CASE_CHARACTERS = 100

#: Words that say nothing; a reason made of these alone is none.
_EMPTY_TEXT = """
a an and asdf because blah check checking clip de een en export foo bar for geen het i je la le me need none
nothing of omdat or please pour raison reason reden request see show test teste testen testing tests the this
to video view voor want
"""
_EMPTY_WORDS = frozenset(_EMPTY_TEXT.split())


@dataclass(frozen=True, slots=True)
class Request:
    """One access as the log will say it: who, what for, and when."""

    actor: Actor
    reason: str
    case: str
    at: datetime
    reason_code: str = "other"

    def entry(self, action: str, event_id: str, **details: Any) -> LogEntry:
        """Return the log entry of this access."""
        return LogEntry(
            self.actor.name, action, event_id, self.reason, self.at, {"case": self.case, **details}
        )


@dataclass(frozen=True, slots=True)
class Found:
    """An event whose clip can be opened, and the record that its box signed."""

    event: StoredEvent
    record: EventRecord
    signed: bytes
    p7s: bytes
    node_pem: bytes


def make_request(
    opened: Custody,
    *,
    as_: str,
    role: str,
    reason: str | None,
    case: str | None,
    reason_code: str = "other",
    now: datetime | None = None,
) -> Request:
    """Check who asks and why.

    Parameters
    ----------
    opened : Custody
        Whose people may act.
    as_ : str
        A person's name or the file of their SSH key.
    role : str
        The role that this access needs.
    reason, case : str
        Why, in at least 10 characters that say something, and the number of the case.
    reason_code : str
        Why, in one word of ``signed.REASON_CODES``.
    now : datetime, optional
        The moment of the request.

    Raises
    ------
    UsageError
        The reason or the case is missing, or says nothing, or the code is not of the list.
    PermissionRefusedError
        Nobody of that name or key was appointed, or not for this role.
    """
    reason, case, code = check_reason(reason), check_case(case), check_reason_code(reason_code)
    at = now or datetime.now(UTC)
    try:
        actor = opened.find_person(as_, now=at)
    except MissingInputError as error:
        remedy = "name a person of this custody, or the file of their SSH key"
        raise PermissionRefusedError(error.what, where=as_[:100], remedy=error.remedy or remedy) from error
    if actor.person.role != role:
        raise PermissionRefusedError(
            f"has the role {actor.person.role}; this needs the role {role}", where=actor.name
        )
    return Request(actor=actor, reason=reason, case=case, at=at, reason_code=code)


def check_reason(reason: str | None) -> str:
    """Return a reason without the space around it, or refuse one that says nothing.

    Raises
    ------
    UsageError
        It is missing, too short, too long, or made of words that say nothing.

    Examples
    --------
    >>> check_reason("complaint of 3 May, school street")
    'complaint of 3 May, school street'
    >>> check_reason("test test test")
    Traceback (most recent call last):
    noisewatch.errors.UsageError: --reason: the reason says nothing; write why, in 10 to 500 characters
    """
    remedy = f"write why, in {unseal.MIN_REASON_CHARACTERS} to {unseal.MAX_REASON_CHARACTERS} characters"
    if reason is None or not reason.strip():
        raise UsageError("a reason is needed", where="--reason", remedy=remedy)
    try:
        text = unseal.check_reason(reason)
    except UsageError as error:
        raise UsageError(error.what, where="--reason", remedy=remedy) from error
    words = {word.strip(".,;:!?-").casefold() for word in text.split()} - {""}
    if text[0] in "=+-@":
        raise UsageError("begins like a formula of a spreadsheet", where="--reason", remedy=remedy)
    if words <= _EMPTY_WORDS or (len(words) == 1 and len(text.split()) > 1):
        raise UsageError("the reason says nothing", where="--reason", remedy=remedy)
    return text


def check_case(case: str | None) -> str:
    """Return the number of a case, or refuse one that is missing: ``UsageError``."""
    text = (case or "").strip()
    if (
        not text
        or len(text) > MAX_CASE_CHARACTERS
        or not text.isprintable()
        or not any(map(str.isalnum, text))
    ):
        raise UsageError("a case number is needed", where="--case", remedy="such as --case 'PV 2026/114'")
    return text


def open_store(node: Path) -> Store:
    """Open a node's store for reading; the node may run meanwhile and none of its keys is read."""
    return Store.open(node / "store", writable=False)


def find_event(store: Store, opened: Custody, event_id: str, *, now: datetime) -> Found:
    """Return an event whose clip is sealed and has not ended, after its box's signature was checked.

    The desk's key opens the record; no key to a clip is touched.

    Raises
    ------
    MissingInputError
        There is no such event, it has no clip, its time is over, or the day's keys have ended.
    InputError
        The record is not as a box of this custody signed it.
    """
    event = store.get(event_id)
    if not event.is_sealed:
        raise MissingInputError(f"holds no clip (its media is {event.state})", where=event_id)
    if now >= event.expires_at:
        raise MissingInputError(f"ended on {jsonform.utc_text(event.expires_at)}", where=event_id)
    signed, p7s = Desk(opened).record(store.read(event_id, RECORD), day=event.sealed_day, where=event_id)
    record = jsonform.document_to_record(jsonform.bytes_to_document(signed, where=event_id))
    try:
        certificate = cms.verify_detached(
            signed, p7s, authority_pem=opened.authority_pem(), at=end_of_day(record.sealed_day)
        )
    except AnswerIsNo as error:
        raise InputError(f"the box's signature {error.what}", where=event_id) from error
    if role_of(certificate) != ROLE_NODE or record.event.id != event_id:
        raise InputError("is not signed by a box of this custody", where=event_id)
    return Found(
        event=event, record=record, signed=signed, p7s=p7s, node_pem=cms.certificate_pem(certificate)
    )
