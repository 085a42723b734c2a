"""Export one event: log the disclosure, open its parts in memory, build the package, sign, write.

The box's private key is never read; nothing in the clear reaches a disk but the package itself.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from noisewatch import __version__
from noisewatch.errors import InputError, PermissionRefusedError, TryAgainError
from noisewatch.evidence import bagit, jsonform, package, proofs, sshsig, stamp, unseal, witness
from noisewatch.evidence.attributed import still_at_s
from noisewatch.evidence.custody import Custody, open_custody
from noisewatch.evidence.durable import read_bounded, storage_errors
from noisewatch.evidence.request import Found, Request, find_event, make_request, open_store
from noisewatch.evidence.words import Words

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


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export made; ``data_sha256`` is the hash of the payload's manifest."""

    event_id: str
    package: Path
    data_sha256: str
    officer: str
    is_trial: bool
    alarms: tuple[str, ...] = ()
    stamp: str = "none"


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
    opened = open_custody(custody)
    request = make_request(
        opened, as_=order.as_, role="officer", reason=order.reason, case=order.case, now=now
    )
    _check_target(out)
    stamping = stamp.configured(opened.folder)
    found, clear = _open(order, request, opened, node=node, passphrase=passphrase)
    alarms = witness.remember(opened, node, node_pem=found.node_pem, event_id=order.event_id, now=request.at)
    parts = _parts(order, found, clear, request=request, opened=opened, node=node)
    if stamping is not None:
        parts = replace(parts, stamp_root=stamping.root_pem)
    files = package.assemble(
        parts,
        info=_info(found, request, opened),
        sign=lambda data: sshsig.sign(data, key=request.actor.ssh_key, namespace=sshsig.PACKAGE_NAMESPACE),
        stamp=lambda signature: _stamp(signature, stamping),
    )
    target = package.write_package(files, out=out, name=_free_name(out, order.event_id, request.at))
    return Exported(
        event_id=order.event_id,
        package=target,
        data_sha256=hashlib.sha256(files[bagit.MANIFEST]).hexdigest(),
        officer=request.actor.name,
        is_trial=found.record.is_trial,
        alarms=alarms,
        stamp=_stamp_state(files, stamping),
    )


def _open(
    order: Order, request: Request, opened: Custody, *, node: Path, passphrase: str | None
) -> tuple[Found, dict[str, bytes]]:
    """Find the event, log the disclosure, open its parts in memory and compare them with the record."""
    part = "original" if order.original else "viewing"
    with open_store(node) as store:
        found = find_event(store, opened, order.event_id, now=request.at)
        if order.original:
            clip = unseal.approved_original(opened, order.event_id)
        else:
            clip = store.read(order.event_id, "viewing")
        sealed = {part: clip, "levels": store.read(order.event_id, "levels")}
    clear = unseal.open_parts(
        opened,
        request.actor,
        sealed,
        day=found.event.sealed_day,
        log=opened.log(),
        entry=request.entry("disclosure", order.event_id, part=part),
        passphrase=passphrase,
    )
    _check_hashes(found, clear)
    return found, clear


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


def _check_hashes(found: Found, clear: dict[str, bytes]) -> None:
    expected = {media.name: media.sha256 for media in found.record.media}
    for name, data in clear.items():
        if hashlib.sha256(data).hexdigest() != expected.get(name):
            raise InputError(f"the {name} is not the one that the record names", where=found.event.id)


def _parts(
    order: Order, found: Found, clear: dict[str, bytes], *, request: Request, opened: Custody, node: Path
) -> package.Parts:
    # heavy: matplotlib, PyAV and fpdf are imported only where a report is made
    from noisewatch.evidence import film, plots, report
    from noisewatch.evidence.levels import read_levels

    record, words = found.record, Words(order.language)
    part = "original" if order.original else "viewing"
    seen = film.read_film(clear[part], still_at_s=still_at_s(record))
    scale = next(
        (media.description.get("pascal_per_unit") for media in record.media if media.name == part), None
    )
    levels_png = plots.plot_levels(read_levels(clear["levels"]), record, words)
    spectrogram_png = plots.plot_spectrogram(
        seen.sound, rate_hz=seen.rate_hz, pascal_per_unit=scale, words=words
    )
    node_log = proofs.excerpt(node / "log" / "node.jsonl", order.event_id)
    custody_log = proofs.excerpt(opened.log_path, order.event_id)
    shown = report.ReportParts(
        record=record,
        event_json=found.signed,
        clip_name=CLIP_NAMES[part],
        clip_sha256=hashlib.sha256(clear[part]).hexdigest(),
        levels_sha256=hashlib.sha256(clear["levels"]).hexdigest(),
        still=seen.still,
        levels_png=levels_png,
        spectrogram_png=spectrogram_png,
    )
    return package.Parts(
        event_json=found.signed,
        event_p7s=found.p7s,
        clip_name=CLIP_NAMES[part],
        clip=clear[part],
        levels_csv=clear["levels"],
        levels_png=levels_png,
        spectrogram_png=spectrogram_png,
        report_pdf=report.make_report(shown, words),
        request=_request_document(order, request, opened, part=part),
        node_rows=node_log.rows,
        custody_rows=custody_log.rows,
        node_checkpoint=node_log.checkpoint,
        custody_checkpoint=custody_log.checkpoint,
        proofs=proofs.proofs_document(node_log, custody_log),
        authority_pem=opened.authority_pem(),
        node_pem=found.node_pem,
        allowed_signers=read_bounded(opened.trust / "allowed_signers", max_bytes=jsonform.MAX_BYTES),
    )


def _request_document(order: Order, request: Request, opened: Custody, *, part: str) -> dict[str, object]:
    return {
        "schema": "noisewatch-request-1",
        "who": request.actor.name,
        "action": "disclosure",
        "target": order.event_id,
        "why": request.reason,
        "case": request.case,
        "at": request.at,
        "part": part,
        "language": order.language,
        "custody": opened.name,
        "trial": opened.is_trial,
        "software": f"noisewatch {__version__}",
    }


def _info(found: Found, request: Request, opened: Custody) -> list[tuple[str, str]]:
    info = [
        ("Source-Organization", opened.name),
        ("External-Identifier", found.event.id),
        ("External-Description", "A sound event at the roadside, recorded by noisewatch"),
        ("Bagging-Date", f"{request.at.astimezone(UTC):%Y-%m-%d}"),
        ("Bag-Software-Agent", f"noisewatch {__version__}"),
    ]
    return [*info, ("Noisewatch-Trial", "yes: worth nothing as evidence")] if found.record.is_trial else info


def _free_name(out: Path, event_id: str, at: datetime) -> str:
    base = f"noisewatch-{event_id}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next((name for name in names if not (out / name).exists()), base)
