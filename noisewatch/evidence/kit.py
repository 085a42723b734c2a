"""What a box takes from custody: the authority's certificate, the signed day keys, its own certificate.

One JSON file, carried on a stick or sent by mail: nothing in it is secret, and every part is checked before
anything is installed. The first kit is trusted by the authority's fingerprint, which the custodian reads out;
every later one must come from the same authority and be no older than the one that is there.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from noisewatch.errors import ConfigurationError, InputError, UsageError
from noisewatch.evidence import certificates, jsonform
from noisewatch.evidence.durable import make_folder, read_bounded, read_secret, write_atomic
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.seal import ROLE_NODE, DayKeys, NodeSigner, role_of
from noisewatch.evidence.store import Store

SCHEMA = "noisewatch-kit-1"
#: A kit of 400 days is some 100 kB.
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit as it was read; ``node_pem`` is empty until custody certified the box."""

    ca_pem: bytes
    bundle: bytes
    bundle_p7s: bytes
    node_pem: bytes

    def document(self) -> dict[str, Any]:
        """Return what the file says."""
        return {
            "schema": SCHEMA,
            "ca": self.ca_pem.decode("ascii"),
            "bundle": base64.b64encode(self.bundle).decode("ascii"),
            "bundle_p7s": base64.b64encode(self.bundle_p7s).decode("ascii"),
            "node": self.node_pem.decode("ascii") or None,
        }


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of a kit: the day keys that the box has now, and whether custody certified it."""

    keys: DayKeys
    is_certified: bool
    fingerprint: str


def read_kit(path: Path) -> Kit:
    """Read a kit.

    Raises
    ------
    MissingInputError
        There is no such file.
    ConfigurationError
        It is not a kit.
    """
    try:
        document = jsonform.bytes_to_document(read_bounded(path, max_bytes=MAX_BYTES), where=path)
        if document["schema"] != SCHEMA:
            raise ValueError("another form")
        return Kit(
            ca_pem=document["ca"].encode("ascii"),
            bundle=base64.b64decode(document["bundle"], validate=True),
            bundle_p7s=base64.b64decode(document["bundle_p7s"], validate=True),
            node_pem=(document["node"] or "").encode("ascii"),
        )
    except (InputError, KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        remedy = "make one with: noisewatch custody bundle --out FILE"
        raise ConfigurationError("is not a bundle of custody", where=path, remedy=remedy) from error


def write_kit(path: Path, kit: Kit) -> None:
    """Write a kit; nothing in it is secret."""
    write_atomic(path, jsonform.document_to_bytes(kit.document()), mode=0o644)


def fingerprint(certificate_pem: bytes) -> str:
    """Return the SHA-256 of a certificate in hexadecimal, as ``openssl x509 -fingerprint -sha256`` has it.

    Raises
    ------
    ConfigurationError
        It is not a certificate in PEM.
    """
    try:
        return certificates.read_pem(certificate_pem).fingerprint(hashes.SHA256()).hex()
    except ValueError as error:
        raise ConfigurationError("is not a certificate in PEM", where="ca.pem") from error


def install(kit: Kit, keys: Path, *, expected_fingerprint: str | None = None, today: date) -> Installed:
    """Check a kit against what the box has, then install it into the box's ``keys`` folder.

    Parameters
    ----------
    kit : Kit
        What custody sent.
    keys : Path
        The folder with ``node.key``; after the first kit also ``ca.pem``.
    expected_fingerprint : str, optional
        SHA-256 of the authority's certificate as the custodian read it out.
    today : date
        The UTC day for which the bundle must hold a key.

    Raises
    ------
    ConfigurationError
        Unsigned, altered, outdated, of another authority, or certifying another key.
    """
    found = fingerprint(kit.ca_pem)
    if expected_fingerprint is not None and found != expected_fingerprint.replace(":", "").lower():
        raise ConfigurationError(
            f"the authority's fingerprint is {found}, not the one you gave",
            where="bundle",
            remedy="ask the custodian; somebody may have changed the bundle",
        )
    known = keys / "ca.pem"
    if known.exists() and fingerprint(read_bounded(known, max_bytes=64 * 1024)) != found:
        raise ConfigurationError(
            "comes from another authority than this box belongs to",
            where="bundle",
            remedy="a box that changes hands is made anew: noisewatch init NODE --bundle FILE",
        )
    day_keys = DayKeys.from_signed(kit.bundle, kit.bundle_p7s, authority_pem=kit.ca_pem, where="bundle")
    _refuse_outdated(day_keys, keys, authority_pem=kit.ca_pem, today=today)
    if kit.node_pem:
        _refuse_foreign_certificate(kit, keys)
    write_atomic(known, kit.ca_pem, mode=0o644)
    # the signature first: between the two writes the old bundle does not verify, and the box refuses to seal
    write_atomic(keys / "bundle.json.p7s", kit.bundle_p7s, mode=0o644)
    write_atomic(keys / "bundle.json", kit.bundle, mode=0o644)
    if kit.node_pem:
        write_atomic(keys / "node.pem", kit.node_pem, mode=0o644)
    return Installed(day_keys, (keys / "node.pem").exists(), found)


def prepare(node: Path, *, name: str) -> bytes:
    """Make a new box's key, store and folders; return its certificate signing request in PEM.

    Raises
    ------
    ConfigurationError
        The folder has keys or a store already.
    """
    for part in ("keys", "store", "log", "calibration"):
        if (node / part).exists():
            raise ConfigurationError("is there already", where=node / part, remedy="name a new folder")
        make_folder(node / part)
    private = ec.generate_private_key(ec.SECP256R1())
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomic(node / "keys" / "node.key", secret)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(private, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)
    write_atomic(node / "keys" / "node.csr", pem, mode=0o644)
    Store.create(node / "store")
    return pem


def start_log(node: Path) -> None:
    """Begin the box's log once custody certified its key."""
    if not (node / "log" / "node.jsonl").exists():
        EventLog.open(node / "log" / "node.jsonl", signer=NodeSigner.from_folder(node / "keys"))


def read_request(path: Path) -> tuple[str, ec.EllipticCurvePublicKey]:
    """Return the name and the public key of a box's signing request, after its own signature was checked.

    Raises
    ------
    UsageError
        It is not a signing request of a box.
    """
    try:
        request = certificates.read_request(read_bounded(path, max_bytes=64 * 1024))
    except ValueError as error:
        raise UsageError("is not a certificate signing request", where=path) from error
    key = request.public_key()
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(names) != 1 or not request.is_signature_valid:
        raise UsageError("is not a signing request of a box", where=path)
    return str(names[0].value), key


def _refuse_outdated(new: DayKeys, keys: Path, *, authority_pem: bytes, today: date) -> None:
    if today not in new.days:
        remedy = "ask the custodian for a new bundle"
        raise ConfigurationError(
            f"holds no day key for {today.isoformat()}: outdated", where="bundle", remedy=remedy
        )
    if not (keys / "bundle.json").exists():
        return
    # the present one may be of an older form, which this kit is to replace
    if new.issued_at < DayKeys.issued_at_of(keys / "bundle.json", authority_pem):
        raise ConfigurationError(
            f"was issued on {jsonform.utc_text(new.issued_at)}, before the one that is here",
            where="bundle",
            remedy="take the newest bundle: an old one may name keys of people who left",
        )


def _refuse_foreign_certificate(kit: Kit, keys: Path) -> None:
    try:
        certificate, authority = (certificates.read_pem(pem) for pem in (kit.node_pem, kit.ca_pem))
    except ValueError as error:
        raise ConfigurationError("is not a certificate in PEM", where="bundle") from error
    if not certificates.is_issued_by(certificate, authority):
        raise ConfigurationError("the box's certificate is not of this authority", where="bundle")
    private = serialization.load_pem_private_key(read_secret(keys / "node.key"), password=None)
    if certificate.public_key() != private.public_key() or role_of(certificate) != ROLE_NODE:
        raise ConfigurationError(
            "certifies another box's key",
            where="bundle",
            remedy="use the bundle made from this box's node.csr",
        )
