"""Verify a package: every byte, both signatures, the clip's place in the event record.

The same verdict as ``verify.sh`` reaches with stock tools; on top, the form of ``event.json``, the hashes of
the log entries and the proofs that they stand in the signed logs are checked here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from noisewatch.errors import AnswerIsNo, InputError
from noisewatch.evidence import approval, bagit, calibrated, cms, jsonform, proofs, references, sshsig, stamp
from noisewatch.evidence.bagit import Problem
from noisewatch.evidence.contents import (
    CLIPS,
    CUSTODY_CHECKPOINT,
    EVENT,
    EVENT_SIGNATURE,
    KNOWN,
    LEVELS,
    LOGS,
    NODE_CHECKPOINT,
    OF_ORIGINAL,
    OPTIONAL,
    PAIRS,
    PROOFS,
    REQUEST,
    REQUEST_SIGNATURE,
    SIGNATURE_TOML,
)
from noisewatch.evidence.levels import read_levels
from noisewatch.evidence.log import row_from_line
from noisewatch.evidence.recompute import Recomputed, recompute
from noisewatch.evidence.seal import ROLE_CUSTODY_LOG, ROLE_NODE, role_of
from noisewatch.evidence.trust import Trust, expires_at, is_revoked, read_trust
from noisewatch.records import EventRecord

CLIP_DURATION = "10.000"
#: Clocks of custody and of the stamp authority may differ by this much.
STAMP_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found.

    ``origin`` is "verified" where everything is good and ``trust`` was given, "unverified" where no trust
    was given, "refused" where trust was given and something is wrong. ``stamp`` is the moment of the time
    stamp, "pending" where the package waits for one, "none" where no authority was configured.
    ``approver`` is the supervisor who approved an original. ``recomputed`` is level and decision made again
    from the package, None where that cannot be.
    """

    valid: bool
    origin: str
    problems: tuple[Problem, ...]
    event_id: str | None = None
    node: str | None = None
    officer: str | None = None
    approver: str | None = None
    is_trial: bool = False
    is_evidence: bool = False
    stamp: str = "none"
    recomputed: Recomputed | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the verdict as ``clips verify --json`` prints it (design section 11)."""
        again = self.recomputed
        return {
            "valid": self.valid,
            "origin": self.origin,
            "problems": [{"part": problem.part, "what": problem.what} for problem in self.problems],
            "id": self.event_id,
            "node": self.node,
            "officer": self.officer,
            "approver": self.approver,
            "trial": self.is_trial,
            "evidence": self.is_evidence,
            "stamp": self.stamp,
            "recomputed": None if again is None else asdict(again),
        }


def verify(package: Path, *, trust: Path | None = None, now: datetime | None = None) -> Verdict:
    """Verify a package, a folder or a stored zip.

    Parameters
    ----------
    package : Path
        The package.
    trust : Path, optional
        The municipality's trust folder. Without it the package's own copies of the keys are used, which
        shows that it is intact, never where it came from.
    now : datetime, optional
        The moment of verification: signatures are judged at the moments that they state, but a certificate
        that has expired by now needs a time stamp from before.

    Returns
    -------
    Verdict
        Valid or not, and every problem with the part that has it.

    Raises
    ------
    MissingInputError
        There is no package, or no trust, at these paths.
    """
    anchors = None if trust is None else read_trust(trust)
    files, problems = bagit.read_bag(package)
    if not files:
        problems = problems or [Problem("package", "is empty")]
        return Verdict(valid=False, origin=_origin(anchors, problems), problems=tuple(problems))
    problems += bagit.check_bag(files)
    problems += _check_names(files)
    found = _check_content(
        files, anchors=anchors or _own_copies(files), problems=problems, now=now or datetime.now(UTC)
    )
    problems = list(dict.fromkeys(problems))
    return replace(found, valid=not problems, origin=_origin(anchors, problems), problems=tuple(problems))


def end_of_day(day: str) -> datetime:
    """Return the last second of a UTC day, at which a box's certificate must have been valid.

    Raises
    ------
    InputError
        The text is not a day.

    Examples
    --------
    >>> end_of_day("2026-03-01").isoformat()
    '2026-03-01T23:59:59+00:00'
    """
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError("key sealed_day: is not a day", where="event.json") from error
    return start + timedelta(seconds=86399)


def _origin(anchors: Trust | None, problems: list[Problem]) -> str:
    if anchors is None:
        return "unverified"
    return "refused" if problems else "verified"


def _own_copies(files: Mapping[str, bytes]) -> Trust:
    return Trust(
        authority_pem=files.get("keys/ca.pem", b""),
        allowed_signers=files.get("keys/allowed_signers", b""),
        revoked=b"",
        stamp_root=files.get(stamp.ROOT, b""),
    )


def _check_names(files: Mapping[str, bytes]) -> list[Problem]:
    is_original = "data/original.mp4" in files
    known = {*KNOWN, *(("data/original.mp4", *OF_ORIGINAL) if is_original else ("data/clip.mp4",))}
    for pair in PAIRS:
        known |= set(pair) if pair[0] in files else set()
    # a stamp comes after the signature, or never; its root is listed in the tag manifest like any other file
    belongs = {*known, *OPTIONAL, stamp.ROOT, bagit.STAMP}
    more = [Problem(name, "does not belong in a package") for name in sorted(files) if name not in belongs]
    return more + [Problem(name, "is missing") for name in sorted(known) if name not in files]


def _check_content(
    files: Mapping[str, bytes], *, anchors: Trust, problems: list[Problem], now: datetime
) -> Verdict:
    request = _read_json(REQUEST, files, problems)
    record = _read_record(files, problems)
    officer = _check_officer(files, request, anchors=anchors, problems=problems)
    stamped = _check_stamp(files, request, anchors=anchors, problems=problems)
    seen_by = min(now, jsonform.utc_moment(stamped)) if stamped not in ("none", "pending") else now
    node = _check_node(files, record, anchors=anchors, problems=problems, seen_by=seen_by)
    approver = None
    if record is not None:
        _check_parts(files, record, problems)
        _check_rows(files, record.event.id, request, problems)
        _check_proofs(files, anchors=anchors, problems=problems)
        approver, wrong = approval.check(files, event_id=record.event.id, request=request, anchors=anchors)
        more = [
            *wrong,
            *references.problems_of_signature(files, record.event.signature_sha256),
            *calibrated.problems_of(files, record, anchors=anchors),
        ]
        problems += [Problem(part, what) for part, what in more]
        if request is not None and request.get("target") != record.event.id:
            problems.append(Problem(REQUEST, "is about another event"))
    return Verdict(
        valid=False,
        origin="",
        problems=(),
        event_id=None if record is None else record.event.id,
        node=node,
        officer=officer,
        approver=approver,
        is_trial=record is not None and record.is_trial,
        is_evidence=record is not None and record.is_evidence,
        stamp=stamped,
        recomputed=None if record is None else _recompute(files, record),
    )


def _recompute(files: Mapping[str, bytes], record: EventRecord) -> Recomputed | None:
    """Make level and decision again; what differs is said and refuses nothing: the box signed both."""
    try:
        return recompute(record, read_levels(files[LEVELS]), settings=files.get(SIGNATURE_TOML))
    except (KeyError, InputError):
        return None


def _check_stamp(
    files: Mapping[str, bytes], request: Mapping[str, Any] | None, *, anchors: Trust, problems: list[Problem]
) -> str:
    """Check the time stamp over the officer's signature; return its moment, "pending" or "none"."""
    if bagit.STAMP not in files:
        return "pending" if stamp.ROOT in files else "none"
    if not anchors.stamp_root or stamp.ROOT not in files:
        problems.append(Problem(bagit.STAMP, "is by a stamp authority that is not trusted here"))
        return "none"
    try:
        moment = stamp.check_stamp(
            files.get(bagit.SIGNATURE, b""), files[bagit.STAMP], root_pem=anchors.stamp_root
        )
        claimed = datetime.fromisoformat(str((request or {}).get("at")))
    except (AnswerIsNo, ValueError) as error:
        what = error.what if isinstance(error, AnswerIsNo) else "belongs to a request that does not say when"
        problems.append(Problem(bagit.STAMP, what))
        return "none"
    if claimed > moment + STAMP_TOLERANCE:
        problems.append(Problem(REQUEST, f"claims a time after its stamp of {jsonform.utc_text(moment)}"))
    return jsonform.utc_text(moment)


def _read_json(name: str, files: Mapping[str, bytes], problems: list[Problem]) -> dict[str, Any] | None:
    if name not in files:
        return None
    try:
        return jsonform.bytes_to_document(files[name])
    except InputError as error:
        problems.append(Problem(name, error.what))
        return None


def _read_record(files: Mapping[str, bytes], problems: list[Problem]) -> EventRecord | None:
    document = _read_json(EVENT, files, problems)
    if document is None:
        return None
    try:
        record = jsonform.document_to_record(document)
        end_of_day(record.sealed_day)
        if jsonform.record_to_document(record) != document:
            raise InputError("holds a key or value that the form does not know")
    except InputError as error:
        problems.append(Problem(EVENT, error.what))
        return None
    return record


def _check_officer(
    files: Mapping[str, bytes], request: Mapping[str, Any] | None, *, anchors: Trust, problems: list[Problem]
) -> str | None:
    """Check the officer's signatures over the request and the package; return who signed the package."""
    try:
        at = datetime.fromisoformat(str((request or {}).get("at")))
    except ValueError:
        problems.append(Problem(REQUEST, "does not say when"))
        at = datetime.now(UTC)
    officer = None
    for name, signature, namespace in (
        (REQUEST, REQUEST_SIGNATURE, sshsig.ACCESS_NAMESPACE),
        (bagit.TAG_MANIFEST, bagit.SIGNATURE, sshsig.PACKAGE_NAMESPACE),
    ):
        if name not in files or signature not in files:
            continue
        officer = None
        try:
            officer = sshsig.verify(
                files[name],
                files[signature],
                allowed_signers=anchors.allowed_signers,
                revoked=anchors.revoked,
                namespace=namespace,
                at=at,
            )
        except AnswerIsNo as error:
            problems.append(Problem(signature, error.what))
            if "does not verify for" in error.what:
                problems.append(Problem(name, "may differ from what the officer signed"))
            continue
        if request is not None and request.get("who") != officer:
            problems.append(Problem(REQUEST, f"names another person than {officer}, who signed"))
    return officer


def _check_node(
    files: Mapping[str, bytes],
    record: EventRecord | None,
    *,
    anchors: Trust,
    problems: list[Problem],
    seen_by: datetime,
) -> str | None:
    """Check the box's signature, and that its certificate had not expired when it was stamped, or now."""
    if EVENT not in files or EVENT_SIGNATURE not in files:
        return None
    at = datetime.now(UTC)
    if record is not None:
        at = end_of_day(record.sealed_day)
    try:
        certificate = cms.verify_detached(
            files[EVENT], files[EVENT_SIGNATURE], authority_pem=anchors.authority_pem, at=at
        )
    except AnswerIsNo as error:
        problems.append(Problem(EVENT_SIGNATURE, error.what))
        return None
    if role_of(certificate) != ROLE_NODE:
        problems.append(Problem(EVENT_SIGNATURE, "is signed with a certificate that is not a box's"))
    if record is not None and is_revoked(certificate, anchors.revoked_nodes, day=record.sealed_day):
        problems.append(Problem(EVENT_SIGNATURE, "is signed by a box that was revoked by that day"))
    ends = expires_at(certificate, anchors.authority_pem)
    if seen_by > ends:
        what = f"is by a certificate that expired on {ends:%Y-%m-%d}; a time stamp from before is needed"
        problems.append(Problem(EVENT_SIGNATURE, what))
    return certificate.subject.rfc4514_string()


def _check_proofs(files: Mapping[str, bytes], *, anchors: Trust, problems: list[Problem]) -> None:
    """Check that each line stands in the log whose root the box, or custody, signed."""
    document = _read_json(PROOFS, files, problems) or {}
    if document.get("schema") != proofs.SCHEMA or set(document) != {"schema", "node", "custody"}:
        problems.append(Problem(PROOFS, "does not hold the proofs of the log entries"))
    for side, log, name, role in (
        ("node", LOGS[0], NODE_CHECKPOINT, ROLE_NODE),
        ("custody", LOGS[1], CUSTODY_CHECKPOINT, ROLE_CUSTODY_LOG),
    ):
        if log not in files or name not in files:
            continue
        for what in proofs.problems_of(
            files[log],
            files[name],
            document.get(side),
            log=log.rpartition("/")[2],
            authority_pem=anchors.authority_pem,
            role=role,
        ):
            part = name if what.startswith("checkpoint") else PROOFS if what.startswith("proofs") else log
            problems.append(Problem(part, what))


def _check_parts(files: Mapping[str, bytes], record: EventRecord, problems: list[Problem]) -> None:
    from noisewatch.evidence import film

    media = {part.name: part for part in record.media}
    for name, part in {**CLIPS, LEVELS: "levels"}.items():
        if name not in files:
            continue
        expected = media[part].sha256 if part in media else None
        if hashlib.sha256(files[name]).hexdigest() != expected:
            problems.append(Problem(name, f"is not the part that the event record names {part}"))
        elif name in CLIPS and record.clip.is_full:
            problems += [Problem(name, what) for what in film.probe(files[name], duration=CLIP_DURATION)]


def _check_rows(
    files: Mapping[str, bytes], event_id: str, request: Mapping[str, Any] | None, problems: list[Problem]
) -> None:
    """Check that each log entry hashes to its own hash, is about this event, and that the export is there."""
    disclosed = set()
    for name in LOGS:
        last = -1
        for number, line in enumerate(files.get(name, b"").splitlines(), start=1):
            part = f"{name} line {number}"
            try:
                row = row_from_line(line, where=part)
            except InputError as error:
                problems.append(Problem(part, error.what))
                continue
            if row.entry.target != event_id:
                problems.append(Problem(part, "is about another event"))
            if row.seq <= last:
                problems.append(Problem(part, "does not follow the entry before it"))
            last = row.seq
            if row.entry.action == "disclosure":
                said = (row.entry.who, jsonform.utc_text(row.entry.at), row.entry.why)
                disclosed.add((*said, row.entry.details.get("request_sha256")))
    own = hashlib.sha256(files.get(REQUEST, b"")).hexdigest()
    asked = (*((request or {}).get(key) for key in ("who", "at", "why")), own)
    if LOGS[1] in files and asked not in disclosed:
        problems.append(Problem(LOGS[1], "does not hold the entry of this export"))
