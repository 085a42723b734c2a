"""Export one event: log the disclosure, open its parts in memory, build the package, sign, write.

The box's private key is never read; nothing in the clear reaches a disk but the package itself.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from noisewatch import __version__
from noisewatch.errors import PermissionRefusedError, TryAgainError, UsageError
from noisewatch.evidence import approval, bagit, jsonform, package, proofs, quota, sshsig, stamp, witness
from noisewatch.evidence.access import Access, Who, prepare
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.durable import read_bounded, storage_errors, write_atomic
from noisewatch.evidence.recipient import Recipient, read_recipient
from noisewatch.evidence.request import Found, Request
from noisewatch.evidence.signed import SignedRequest
from noisewatch.evidence.words import Words

#: What a package of a name may be called on disk.
_ENDS = ("", ".zip", ".zip.age")

CLIP_NAMES = {"viewing": "clip.mp4", "original": "original.mp4"}


@dataclass(frozen=True, slots=True)
class Order:
    """What an officer asks for."""

    event_id: str
    as_: str
    reason: str | None
    case: str | None
    original: bool = False
    language: str = "en"
    reason_code: str = "other"
    recipient: str | None = None
    dispose_by: date | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export made; ``data_sha256`` is the hash of the payload's manifest.

    ``missing`` names what a package should hold and was not at hand.
    """

    event_id: str
    package: Path
    data_sha256: str
    officer: str
    is_trial: bool
    alarms: tuple[str, ...] = ()
    stamp: str = "none"
    missing: tuple[str, ...] = ()


def export(
    order: Order,
    *,
    node: Path,
    custody: Path,
    out: Path,
    now: datetime | None = None,
    passphrase: str | None = None,
) -> Exported:
    """Make a package of one event.

    Parameters
    ----------
    order : Order
        Which event, who asks, why, for which case.
    node, custody, out : Path
        The node's folder (or what was pulled from it), the custody folder, and where the package goes.
    now : datetime, optional
        The moment of the export.
    passphrase : str, optional
        Of the officer's age identity, where it has one.

    Raises
    ------
    UsageError
        The reason or case is missing or says nothing.
    PermissionRefusedError
        The person may not do this, or no supervisor approved the original.
    MissingInputError
        There is no such event, or its clip has ended.
    InputError
        A record or clip is not as the box signed it.
    InputOutputError
        The package could not be written; nothing of it is left.
    """
    recipient = None if order.recipient is None else read_recipient(order.recipient)
    who = Who(order.as_, order.reason, order.case, order.reason_code, passphrase)
    part = "original" if order.original else "viewing"
    access = prepare(
        order.event_id, who, action="disclosure", parts=(part, "levels"), node=node, custody=custody, now=now
    )
    opened, request, found = access.opened, access.request, access.found
    _refuse_past(order.dispose_by, today=request.at.astimezone(UTC).date())
    _check_target(out)
    stamping = stamp.configured(opened.folder)
    signed = access.sign(**_wishes(order, part, recipient))
    alarms = quota.count_export(opened, request.actor.name, now=request.at)
    clear = access.open(signed, part=part, **({} if recipient is None else {"for": recipient.text}))
    unfit = witness.remember(opened, node, node_pem=found.node_pem, event_id=order.event_id, now=request.at)
    alarms += tuple(f"the box's log does not continue what custody saw of it: {one}" for one in unfit)
    files, missing = _files(order, access, clear, signed=signed, stamping=stamping, node=node)
    return Exported(
        event_id=order.event_id,
        package=_write(files, order, request, out=out, recipient=recipient),
        data_sha256=hashlib.sha256(files[bagit.MANIFEST]).hexdigest(),
        officer=request.actor.name,
        is_trial=found.record.is_trial,
        alarms=alarms,
        stamp=_stamp_state(files, stamping),
        missing=tuple(missing),
    )


def _files(
    order: Order,
    access: Access,
    clear: dict[str, bytes],
    *,
    signed: SignedRequest,
    stamping: stamp.StampAuthority | None,
    node: Path,
) -> tuple[dict[str, bytes], list[str]]:
    """Make every file of the package, signed by the officer and stamped where custody named an authority."""
    request, found, opened = access.request, access.found, access.opened
    parts, missing = _parts(order, found, clear, signed=signed, opened=opened, node=node)
    if stamping is not None:
        parts = replace(parts, stamp_root=stamping.root_pem)
    files = package.assemble(
        parts,
        info=_info(order, found, request, opened),
        sign=lambda data: sshsig.sign(data, key=request.actor.ssh_key, namespace=sshsig.PACKAGE_NAMESPACE),
        stamp=lambda signature: _stamp(signature, stamping),
        note=package.disposal_note(order.dispose_by),
    )
    return files, missing


def _write(
    files: dict[str, bytes], order: Order, request: Request, *, out: Path, recipient: Recipient | None
) -> Path:
    """Write the package's folder; for a recipient only its encrypted zip, and nothing in the clear."""
    name = _free_name(out, order.event_id, request.at)
    if recipient is None:
        return package.write_package(files, out=out, name=name)
    target = out / f"{name}.zip.age"
    write_atomic(target, recipient.encrypt(bagit.make_zip(files, root=name)))
    return target


def _refuse_past(dispose_by: date | None, *, today: date) -> None:
    if dispose_by is not None and dispose_by < today:
        raise UsageError("lies in the past", where="--dispose-by", remedy="name a day such as 2027-01-31")


def _wishes(order: Order, part: str, recipient: Recipient | None) -> dict[str, Any]:
    """Return what the signed request of an export says beyond every request."""
    return {
        "part": part,
        "language": order.language,
        "software": f"noisewatch {__version__}",
        **({} if recipient is None else {"for": recipient.text}),
        **({} if order.dispose_by is None else {"dispose_by": order.dispose_by.isoformat()}),
    }


def _stamp(signature: bytes, authority: stamp.StampAuthority | None) -> bytes | None:
    """Ask for a stamp; where the authority can't be reached the package goes out and its stamp is pending."""
    if authority is None:
        return None
    try:
        return stamp.request_stamp(signature, authority)
    except TryAgainError:
        return None


def _stamp_state(files: dict[str, bytes], authority: stamp.StampAuthority | None) -> str:
    if authority is None:
        return "none"
    return "stamped" if bagit.STAMP in files else "pending"


def _check_target(out: Path) -> None:
    """Refuse a place that cannot be written before anything is logged or opened."""
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.access(out, os.W_OK | os.X_OK):
        raise PermissionRefusedError(
            "cannot be written by this user", where=out, remedy="choose another --out"
        )


def _parts(
    order: Order, found: Found, clear: dict[str, bytes], *, signed: SignedRequest, opened: Custody, node: Path
) -> tuple[package.Parts, list[str]]:
    """Gather everything that a package holds; and what of it is not at hand."""
    # heavy: matplotlib, PyAV and fpdf are imported only where a report is made
    from noisewatch.evidence.payload import make_payload

    part = "original" if order.original else "viewing"
    name = CLIP_NAMES[part]
    shown, missing = make_payload(
        found,
        clip=clear[part],
        clip_name=name,
        levels=clear["levels"],
        words=Words(order.language),
        node=node,
    )
    node_log = proofs.excerpt(node / "log" / "node.jsonl", order.event_id)
    custody_log = proofs.excerpt(opened.log_path, order.event_id)
    parts = package.Parts(
        event_json=found.signed,
        event_p7s=found.p7s,
        clip_name=name,
        clip=clear[part],
        levels_csv=clear["levels"],
        shown=shown,
        request=signed.data,
        request_signature=signed.signature,
        node_rows=node_log.rows,
        custody_rows=custody_log.rows,
        node_checkpoint=node_log.checkpoint,
        custody_checkpoint=custody_log.checkpoint,
        proofs=proofs.proofs_document(node_log, custody_log),
        authority_pem=opened.authority_pem(),
        node_pem=found.node_pem,
        allowed_signers=read_bounded(opened.trust / "allowed_signers", max_bytes=jsonform.MAX_BYTES),
        approval=approval.newest(custody_log.rows) if order.original else None,
    )
    return parts, missing


def _info(order: Order, found: Found, request: Request, opened: Custody) -> list[tuple[str, str]]:
    info = [
        ("Source-Organization", opened.name),
        ("External-Identifier", found.event.id),
        ("External-Description", "A sound event at the roadside, recorded by noisewatch"),
        ("Bagging-Date", f"{request.at.astimezone(UTC):%Y-%m-%d}"),
        ("Bag-Software-Agent", f"noisewatch {__version__}"),
    ]
    if order.dispose_by is not None:
        info.append(("Noisewatch-Dispose-By", order.dispose_by.isoformat()))
    return [*info, ("Noisewatch-Trial", "yes: worth nothing as evidence")] if found.record.is_trial else info


def _free_name(out: Path, event_id: str, at: datetime) -> str:
    base = f"noisewatch-{event_id}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next((name for name in names if not any((out / f"{name}{end}").exists() for end in _ENDS)), base)
