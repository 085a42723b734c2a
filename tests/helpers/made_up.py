"""A package from made-up inputs that are really signed: certificate authority, box, officer, clip."""

from __future__ import annotations

import hashlib
import io
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from noisewatch.evidence import checkpoint, contents, jsonform, package, proofs, sshsig, tables
from noisewatch.evidence.levels import levels_to_csv
from noisewatch.evidence.log import entry_line, row_from_line
from noisewatch.evidence.merkle import frontier_of, leaf_hash
from noisewatch.evidence.proofs import Excerpt
from noisewatch.evidence.recompute import event_probability
from noisewatch.evidence.seal import ROLE_AUTHORITY, ROLE_CUSTODY_LOG, ROLE_NODE, NodeSigner, sign_detached
from noisewatch.records import (
    ClipWindow,
    ClockState,
    Event,
    EventRecord,
    LevelFrame,
    LogEntry,
    Media,
    ScoredWindow,
)

RATE_HZ = 48_000
EVENT_ID = "ev-20260301-0001"
CAPTURED_AT = datetime(2026, 3, 1, 21, 14, 6, tzinfo=UTC)
WHY = "technical inspection ordered"
APPROVED_AT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
EXPORTED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


CARD = b"# A card\n\nWhat it was trained on.\n"
SETTINGS = b'name = "exhaust"\nthreshold = 0.509\nopening = 0.3\nminimum_duration_s = 1.0\n'
SUMS = "".join(
    f"{hashlib.sha256(data).hexdigest()}  {name}\n"
    for name, data in (("card.md", CARD), ("model.skops", b"model"), ("signature.toml", SETTINGS))
).encode()


def make_clip(*, seconds: float = 10.0, seed: int = 1, size: tuple[int, int] = (96, 64)) -> bytes:
    """A small film: a bright box that crosses a grey street, and an engine-like sound."""
    buffer = io.BytesIO()
    generator = np.random.default_rng(seed)
    with av.open(buffer, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for number in range(int(seconds * 25)):
            picture = np.full((size[1], size[0], 3), 90, np.uint8)
            left = int(number / (seconds * 25) * (size[0] - 16))
            picture[size[1] // 2 : size[1] // 2 + 16, left : left + 16] = (200, 60, 40)
            for packet in video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in video.encode(None):
            container.mux(packet)
        time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        envelope = np.exp(-0.5 * ((time_s - 6.0) / 1.0) ** 2)
        sound = envelope * sum(np.sin(2 * np.pi * 90 * order * time_s) / order for order in range(1, 9))
        sound = (0.2 * sound + 0.002 * generator.standard_normal(time_s.size)).astype(np.float32)
        for start in range(0, sound.size, 1024):
            frame = av.AudioFrame.from_ndarray(
                sound[None, start : start + 1024], format="fltp", layout="mono"
            )
            frame.rate, frame.pts = RATE_HZ, start
            for packet in audio.encode(frame):
                container.mux(packet)
        for packet in audio.encode(None):
            container.mux(packet)
    return buffer.getvalue()


def make_levels() -> bytes:
    """A pass whose LAF peaks six seconds into the clip."""
    frames = []
    for number in range(80):
        start = number * RATE_HZ // 8
        laf_db = _level_db(number)
        frames.append(
            LevelFrame(
                start_sample=start,
                end_sample=start + RATE_HZ // 8,
                rate_hz=RATE_HZ,
                laf_db=laf_db,
                lafmax_db=laf_db + 0.2,
                lafmin_db=laf_db - 0.3,
                las_db=laf_db - 1,
                lasmax_db=laf_db - 0.8,
                lcf_db=laf_db + 4,
                laeq_db=laf_db - 0.1,
                lceq_db=laf_db + 4,
                lzeq_db=laf_db + 5,
                lcpeak_db=laf_db + 13,
            )
        )
    return levels_to_csv(frames, clip_start_sample=0)


def _level_db(number: int) -> float:
    """LAF of a frame of 125 ms: a pass whose peak lies six seconds into the clip."""
    return 58.0 + 31.4 * float(np.exp(-0.5 * ((number - 48) / 8) ** 2))


def _window(start_s: float) -> ScoredWindow:
    """A window of one second, loud from 80 dB, likely from 0.3."""
    first = round(8 * start_s)
    lafmax_db = max(_level_db(number) for number in range(first, first + 8)) + 0.2
    probability = min(0.97, 0.05 + 0.1 * (start_s - 3.0) ** 2)
    return ScoredWindow(
        start_s=start_s,
        end_s=start_s + 1.0,
        probability=probability,
        lafmax_db=lafmax_db,
        gate=lafmax_db >= 80.0,
        vetoed_by=None,
        match=lafmax_db >= 80.0 and probability >= 0.3,
    )


def make_record(
    clip: bytes, levels: bytes, *, event_id: str = EVENT_ID, part: str = "viewing"
) -> EventRecord:
    """A record of a loud pass, evidence, whose media are these bytes."""
    windows = tuple(_window(start / 2) for start in range(6, 17))
    event = Event(
        id=event_id,
        onset_sample=4 * RATE_HZ,
        peak_sample=6 * RATE_HZ,
        end_sample=8 * RATE_HZ,
        rate_hz=RATE_HZ,
        lafmax_db=89.6,
        laeq_db=82.1,
        lcpeak_db=103.2,
        signature="exhaust",
        version="1.0.0",
        signature_sha256=hashlib.sha256(SUMS).hexdigest(),
        probability=event_probability([window.probability for window in windows if window.match]),
        windows=windows,
        why="LAFmax 89.6 dB reached the gate of 80 dB while exhaust scored 0.97 for 2.0 s",
        expanded_uncertainty_db=1.4,
        behaviour="pass",
        attribution="one vehicle",
        gate_db=80.0,
        threshold=0.509,
    )
    media = (
        Media(part, hashlib.sha256(clip).hexdigest(), len(clip), {"duration_s": 10.0, "frames": 250}),
        Media("levels", hashlib.sha256(levels).hexdigest(), len(levels), {}),
    )
    return EventRecord(
        event=event,
        captured_at=CAPTURED_AT,
        sealed_day="2026-03-01",
        expires_at=datetime(2026, 3, 31, tzinfo=UTC),
        site={"name": "Kerkstraat 12", "municipality": "Genk"},
        clock=ClockState(source="system", synchronised=True, bound_s=0.05),
        clip=ClipWindow(
            0, 10 * RATE_HZ, 10 * RATE_HZ, RATE_HZ, is_full=True, why="six seconds before the peak"
        ),
        calibration={
            "state": "valid",
            "calibrated_at": "2026-02-01T10:00:00Z",
            "record_sha256": hashlib.sha256(make_calibration()).hexdigest(),
        },
        privacy={"method": "none"},
        losses={"lost_samples": 0, "missing_frames": 0},
        software="noisewatch 0.1.0",
        is_trial=False,
        is_evidence=True,
        not_evidence_because=(),
        media_state="sealed",
        media=media,
    )


@dataclass(frozen=True)
class Authority:
    """A certificate authority with one box and one officer."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    node_key: ec.EllipticCurvePrivateKey
    node_certificate: x509.Certificate
    log_key: ec.EllipticCurvePrivateKey
    log_certificate: x509.Certificate

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def officer_key(self) -> Path:
        return self.folder / "officer"

    def sign_cms(self, data: bytes) -> bytes:
        return sign_detached(data, key=self.node_key, certificate=self.node_certificate)

    def sign_request(self, data: bytes) -> bytes:
        return sshsig.sign(data, key=self.officer_key, namespace=sshsig.ACCESS_NAMESPACE)

    def sign_package(self, data: bytes) -> bytes:
        return sshsig.sign(data, key=self.officer_key, namespace=sshsig.PACKAGE_NAMESPACE)


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    by: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None = None,
    days: int = 3650,
) -> x509.Certificate:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(subject)
    builder = builder.issuer_name(subject if issuer is None else issuer.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=days))
    constraints = x509.BasicConstraints(ca=issuer is None, path_length=None)
    return builder.add_extension(constraints, critical=True).sign(by, hashes.SHA256())


def _name(name: str, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, role),
        ]
    )


def make_authority(
    folder: Path, *, officer: str = "officer", node_role: str = ROLE_NODE, days: int = 3650
) -> Authority:
    """An authority, a box and an officer, with the trust folder a verifier is given.

    ``days`` from 1 January 2026 on the box's certificate counts.
    """
    folder.mkdir()
    key, node_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(_name("made-up authority", ROLE_AUTHORITY), key, by=key)
    node_certificate = _certificate(
        _name("box-1", node_role), node_key, by=key, issuer=certificate, days=days
    )
    public = _ssh_key(folder / "officer", officer)
    approver = _ssh_key(folder / "supervisor", "supervisor")
    (folder / "trust").mkdir()
    (folder / "trust" / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "trust" / "allowed_signers").write_text(
        f'{officer} namespaces="noisewatch-access,noisewatch-package" {public}\n'
        f'supervisor namespaces="noisewatch-access,noisewatch-approve" {approver}\n'
    )
    (folder / "trust" / "revoked").write_bytes(b"")
    (folder / "trust" / "revoked_nodes").write_bytes(b"")
    log_key = ec.generate_private_key(ec.SECP256R1())
    log_certificate = _certificate(_name("log", ROLE_CUSTODY_LOG), log_key, by=key, issuer=certificate)
    return Authority(folder, key, certificate, node_key, node_certificate, log_key, log_certificate)


def _ssh_key(path: Path, comment: str) -> str:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True
    )
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def make_approval(authority: Authority, event_id: str, **changes: object) -> tuple[bytes, bytes]:
    """A supervisor's request to approve an original, and their signature over it."""
    document = {
        **jsonform.bytes_to_document(make_request(event_id, at=APPROVED_AT)),
        "who": "supervisor",
        "action": "approval",
        "nonce": "1" * 32,
        **changes,
    }
    data = jsonform.document_to_bytes(document) + b"\n"
    key = authority.folder / "supervisor"
    return data, sshsig.sign(data, key=key, namespace=sshsig.APPROVAL_NAMESPACE)


def make_parts(
    authority: Authority, *, clip: bytes, event_id: str = EVENT_ID, clip_name: str = "clip.mp4"
) -> package.Parts:
    """The parts of a package of one event, signed by this authority's box."""
    levels = make_levels()
    part = "original" if clip_name == "original.mp4" else "viewing"
    record = make_record(clip, levels, event_id=event_id, part=part)
    event_json = jsonform.document_to_bytes(jsonform.record_to_document(record))
    collected = LogEntry("noisewatch", "collection", event_id, "media sealed", CAPTURED_AT)
    node_log = make_excerpt(authority, "node", collected)
    request = make_request(event_id)
    details = {"request_sha256": hashlib.sha256(request).hexdigest()}
    custody_log = make_excerpt(
        authority, "custody", LogEntry("officer", "disclosure", event_id, WHY, EXPORTED_AT, details)
    )
    return package.Parts(
        event_json=event_json,
        event_p7s=authority.sign_cms(event_json),
        clip_name=clip_name,
        clip=clip,
        levels_csv=levels,
        shown=make_shown(authority, record),
        request=request,
        request_signature=authority.sign_request(request),
        node_rows=node_log.rows,
        custody_rows=custody_log.rows,
        node_checkpoint=node_log.checkpoint,
        custody_checkpoint=custody_log.checkpoint,
        proofs=proofs.proofs_document(node_log, custody_log),
        authority_pem=(authority.trust / "ca.pem").read_bytes(),
        node_pem=authority.node_certificate.public_bytes(serialization.Encoding.PEM),
        allowed_signers=(authority.trust / "allowed_signers").read_bytes(),
        approval=make_approval(authority, event_id) if part == "original" else None,
    )


def make_shown(authority: Authority, record: EventRecord) -> dict[str, bytes]:
    """Report, plots, stills and references, with their true signatures and hashes."""
    calibration = make_calibration()
    return {
        contents.REPORT: b"%PDF-1.7 report",
        contents.WINDOWS: tables.windows_csv(record),
        contents.UNCERTAINTY: tables.uncertainty_csv(record),
        **{
            path: b"\x89PNG " + path.encode()
            for path in (
                contents.LEVELS_PLOT,
                contents.BANDS_PLOT,
                contents.ENGINE_PLOT,
                contents.VEHICLE_PLOT,
                contents.STILL,
                contents.MARKED_STILL,
            )
        },
        contents.CALIBRATION: calibration,
        contents.CALIBRATION_SIGNATURE: authority.sign_cms(calibration),
        contents.CARD: CARD,
        contents.SIGNATURE_TOML: SETTINGS,
        contents.SIGNATURE_FILES: SUMS,
    }


def make_calibration(when: datetime = datetime(2026, 2, 1, 10, tzinfo=UTC)) -> bytes:
    """A calibration record, as far as a verifier reads it."""
    return jsonform.document_to_bytes({"when": when, "pascal_per_unit": 20.0})


def make_request(event_id: str, *, at: datetime = EXPORTED_AT) -> bytes:
    """The request of an export, as the officer signs it."""
    document = {
        "schema": "noisewatch-request-2",
        "who": "officer",
        "action": "disclosure",
        "target": event_id,
        "why": WHY,
        "reason_code": "other",
        "case": "PV-1",
        "at": at,
        "nonce": "0" * 32,
        "custody": "made-up",
    }
    return jsonform.document_to_bytes(document) + b"\n"


def make_excerpt(authority: Authority, side: str, entry: LogEntry) -> Excerpt:
    """What a log of three lines, the last of them about the event, says of it, with proof and checkpoint."""
    others = [
        LogEntry("noisewatch", "people", f"other-{one}", "somebody else", CAPTURED_AT) for one in (1, 2)
    ]
    log = authority.folder / f"{side}-{entry.target}" / f"{side}.jsonl"
    log.parent.mkdir(exist_ok=True)
    rows = make_rows(*others, entry)
    log.write_bytes(rows)
    lines = rows.splitlines()
    keys = {
        "node": (authority.node_key, authority.node_certificate),
        "custody": (authority.log_key, authority.log_certificate),
    }
    checkpoint.write(
        log,
        tree=frontier_of(leaf_hash(line) for line in lines),
        last_sha256=row_from_line(lines[-1], where=log).sha256,
        signer=NodeSigner(*keys[side]),
    )
    return proofs.excerpt(log, entry.target)


def make_rows(*entries: LogEntry) -> bytes:
    """Lines of a log, as the log writes them."""
    lines = [entry_line(entry, seq=seq, previous_sha256="0" * 64) for seq, entry in enumerate(entries)]
    return b"".join(line + b"\n" for line in lines)


INFO = (("Bag-Software-Agent", "noisewatch"), ("External-Identifier", EVENT_ID))


def make_files(authority: Authority, parts: package.Parts) -> dict[str, bytes]:
    """All files of a good package."""
    return package.assemble(parts, info=INFO, sign=authority.sign_package)


def resigned(authority: Authority, files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files with fresh manifests and this authority's officer's signature, as a forger would do."""
    from noisewatch.evidence import bagit

    payload = {name: data for name, data in files.items() if name.startswith("data/")}
    outer = (bagit.TAG_MANIFEST, bagit.SIGNATURE, bagit.MANIFEST)
    tags = {name: data for name, data in files.items() if name not in payload and name not in outer}
    tags[bagit.MANIFEST] = bagit.manifest(payload)
    made = {**payload, **tags, bagit.TAG_MANIFEST: bagit.manifest(tags)}
    return {**made, bagit.SIGNATURE: authority.sign_package(made[bagit.TAG_MANIFEST])}
