"""A supervisor's approval of an original, as it travels in a package: their signed request, and its check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from noisewatch.errors import AnswerIsNo, InputError, MissingInputError
from noisewatch.evidence import jsonform, sshsig
from noisewatch.evidence.contents import APPROVAL, APPROVAL_SIGNATURE, REQUEST
from noisewatch.evidence.log import row_from_line
from noisewatch.evidence.trust import Trust


def newest(rows: bytes) -> tuple[bytes, bytes]:
    """Return request and signature of the newest approval among an event's lines of custody's log.

    Raises
    ------
    MissingInputError
        No line says that a supervisor approved it.
    """
    for line in reversed(rows.splitlines()):
        entry = row_from_line(line, where="custody.jsonl").entry
        request, signature = (entry.details.get(key) for key in ("request", "request_signature"))
        if entry.action == "approval" and isinstance(request, str) and isinstance(signature, str):
            return request.encode(), signature.encode("ascii")
    remedy = "let a supervisor approve it again"
    raise MissingInputError("custody's log holds no signed approval", remedy=remedy)


def check(
    files: Mapping[str, bytes], *, event_id: str, request: Mapping[str, Any] | None, anchors: Trust
) -> tuple[str | None, list[tuple[str, str]]]:
    """Return who approved an original, and (part, what) of each thing wrong with the approval.

    The signature is bound to the namespace of approvals, which ``allowed_signers`` gives to supervisors
    alone, and is judged at the moment that the approval states.
    """
    if APPROVAL not in files or APPROVAL_SIGNATURE not in files:
        return None, []  # what is missing was named
    data = files[APPROVAL]
    try:
        document = jsonform.bytes_to_document(data, where=APPROVAL)
        at = jsonform.utc_moment(str(document.get("at")))
        if jsonform.document_to_bytes(document) + b"\n" != data:
            raise InputError("is not in the one spelling of a request", where=APPROVAL)
    except InputError as error:
        return None, [(APPROVAL, error.what)]
    wrong = []
    if (document.get("action"), document.get("target")) != ("approval", event_id):
        wrong.append((APPROVAL, "approves something else than this original"))
    if request is not None:
        wrong += _against(document, request, at=at)
    try:
        who = sshsig.verify(
            data,
            files[APPROVAL_SIGNATURE],
            allowed_signers=anchors.allowed_signers,
            revoked=anchors.revoked,
            namespace=sshsig.APPROVAL_NAMESPACE,
            at=at,
        )
    except AnswerIsNo as error:
        may_differ = [(APPROVAL, "may differ from what the supervisor signed")]
        wrong += [(APPROVAL_SIGNATURE, error.what), *(may_differ if "not verify" in error.what else [])]
        return None, wrong
    if document.get("who") != who:
        wrong.append((APPROVAL, f"names another person than {who}, who signed"))
    return who, wrong


def _against(
    document: Mapping[str, Any], request: Mapping[str, Any], *, at: datetime
) -> list[tuple[str, str]]:
    """Compare an approval with the request of the export that it was given for."""
    wrong = []
    if document.get("custody") != request.get("custody"):
        wrong.append((APPROVAL, "is of another custody"))
    if document.get("who") == request.get("who"):
        wrong.append((APPROVAL, "is by the officer who exported"))
    try:
        if jsonform.utc_moment(str(request.get("at"))) < at:
            wrong.append((REQUEST, "is older than the approval that it needs"))
    except InputError:
        wrong.append((REQUEST, "does not say when"))
    return wrong
