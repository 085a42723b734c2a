"""The box's side of sealing: it signs what it says, and encrypts what it keeps so that it cannot read it.

The box holds its own signing key (ECDSA P-256, certified by custody) and, in a bundle signed by custody, the
public day keys. Nothing here can decrypt, and nothing that can is imported by the node (``unseal.py`` is
custody's side).

Signatures are CMS ``SignedData`` (RFC 5652), detached, SHA-256, with the signer's certificate inside. Stock
openssl checks them: ``openssl cms -verify -binary -inform DER -in F.p7s -content F -CAfile ca.pem
-purpose any``.
Encryption is age v1 (C2SP age) to X25519 recipients.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyrage
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from noisewatch.errors import AnswerIsNo, ConfigurationError, InputError, MissingInputError
from noisewatch.evidence import cms, jsonform, recordfile
from noisewatch.evidence.certificates import read_pem
from noisewatch.evidence.durable import CREDENTIALS, read_bounded, read_secret

#: What a certificate of custody's authority is for; it stands in the subject's organisational unit.
ROLE_AUTHORITY = "noisewatch authority"
ROLE_NODE = "noisewatch node"
ROLE_CUSTODY_LOG = "noisewatch custody log"

#: The form of the bundle of public day keys; the first one named no key for records.
BUNDLE_SCHEMA = "noisewatch-bundle-2"
_OLD_BUNDLE_SCHEMA = "noisewatch-bundle-1"

NEW_BUNDLE_REMEDY = "ask the custodian for a new bundle and put it into keys/"


class NodeSigner:
    """Signs with a private key that only this user can read; made by ``from_folder`` or ``from_files``."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate

    @classmethod
    def from_folder(cls, keys_folder: Path) -> NodeSigner:
        """Load ``node.key`` and ``node.pem`` of a node's ``keys`` folder; raises as ``from_files``.

        A key that the service manager handed to this service counts before the one in the folder.
        """
        handed = Path(os.environ.get(CREDENTIALS) or keys_folder) / "node.key"
        key = handed if handed.exists() else keys_folder / "node.key"
        return cls.from_files(key, keys_folder / "node.pem")

    @classmethod
    def from_files(cls, key_path: Path, certificate_path: Path) -> NodeSigner:
        """Load a private key in PEM and its certificate.

        Raises
        ------
        PermissionRefusedError
            Others can read the key, it belongs to somebody else or it is a symbolic link.
        MissingInputError
            One of the files is not there.
        ConfigurationError
            A file is damaged, the key is not ECDSA P-256, or the certificate is for another key.
        """
        secret = read_secret(key_path)
        try:
            key = serialization.load_pem_private_key(secret, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationError("is not a private key in PEM", where=key_path) from error
        certificate = load_certificate(certificate_path)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigurationError("is not an ECDSA P-256 key", where=key_path)
        if certificate.public_key() != key.public_key():
            raise ConfigurationError(
                "is a certificate for another key",
                where=certificate_path,
                remedy=f"put the certificate of {key_path.name} there",
            )
        return cls(key, certificate)

    @property
    def name(self) -> str:
        """The common name in the certificate."""
        return cms.common_name(self.certificate)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign_detached(self, data: bytes) -> bytes:
        """Return a detached CMS signature in DER over exactly these bytes."""
        return sign_detached(data, key=self._key, certificate=self.certificate)


def sign_detached(data: bytes, *, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    """Return a detached CMS signature in DER: SHA-256, binary, certificate inside (RFC 5652)."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, key, hashes.SHA256())
    options = [
        pkcs7.PKCS7Options.DetachedSignature,
        pkcs7.PKCS7Options.Binary,
        pkcs7.PKCS7Options.NoCapabilities,
    ]
    return builder.sign(serialization.Encoding.DER, options)


def load_certificate(path: Path) -> x509.Certificate:
    """Load one certificate in PEM.

    Raises
    ------
    MissingInputError
        There is no such file.
    ConfigurationError
        It is not a certificate in PEM.
    """
    try:
        return read_pem(read_bounded(path, max_bytes=64 * 1024))
    except ValueError as error:
        raise ConfigurationError("is not a certificate in PEM", where=path) from error


def role_of(certificate: x509.Certificate) -> str:
    """Return what a certificate is for (``ROLE_…``), or an empty text."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return str(units[0].value) if len(units) == 1 else ""


@dataclass(frozen=True, slots=True)
class DayKey:
    """The public halves of one UTC day's keys: age recipients of officers, supervisors and custody's desk."""

    day: date
    officer: str
    supervisor: str
    records: str


@dataclass(frozen=True, slots=True)
class DayKeys:
    """The public day keys that custody signed, and for which custody the box collects."""

    custody: str
    is_trial: bool
    issued_at: datetime
    days: Mapping[date, DayKey]

    @classmethod
    def load_bundle(cls, path: Path, authority_pem: bytes, *, today: date | None = None) -> DayKeys:
        """Load ``bundle.json`` after its signature ``bundle.json.p7s`` has been verified.

        Parameters
        ----------
        path : Path
            The bundle; its signature lies beside it.
        authority_pem : bytes
            Certificate of custody's authority, which alone may sign a bundle.
        today : date, optional
            The UTC day for which there must be a key.

        Raises
        ------
        ConfigurationError
            Unsigned, altered, signed by another, not a bundle, or without a key for ``today``.
        """
        data = _read_or_refuse(path, "has no bundle of day keys")
        signature = _read_or_refuse(path.with_name(path.name + ".p7s"), "has no signature: unsigned")
        keys = cls.from_signed(data, signature, authority_pem=authority_pem, where=path)
        if today is not None and today not in keys.days:
            raise ConfigurationError(
                f"holds no day key for {today.isoformat()}: outdated", where=path, remedy=NEW_BUNDLE_REMEDY
            )
        return keys

    @classmethod
    def from_signed(
        cls, data: bytes, signature: bytes, *, authority_pem: bytes, where: str | Path = "bundle.json"
    ) -> DayKeys:
        """Read a bundle from bytes; raises ``ConfigurationError`` as ``load_bundle``."""
        _refuse_unsigned(data, signature, authority_pem=authority_pem, where=where)
        try:
            document = jsonform.bytes_to_document(data, where=where)
            if document["schema"] == _OLD_BUNDLE_SCHEMA:
                what = "names no keys for records: an older noisewatch made it"
                raise ConfigurationError(what, where=where, remedy=NEW_BUNDLE_REMEDY)
            return _parse_bundle(document)
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError("is not a bundle of day keys", where=where) from error

    @staticmethod
    def issued_at_of(path: Path, authority_pem: bytes) -> datetime:
        """Return when a bundle of any form was issued; raises ``ConfigurationError`` as ``load_bundle``."""
        data = _read_or_refuse(path, "has no bundle of day keys")
        signature = _read_or_refuse(path.with_name(path.name + ".p7s"), "has no signature: unsigned")
        _refuse_unsigned(data, signature, authority_pem=authority_pem, where=path)
        try:
            return jsonform.utc_moment(jsonform.bytes_to_document(data, where=path)["issued_at"])
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError("is not a bundle of day keys", where=path) from error

    def for_day(self, day: date) -> DayKey:
        """Return the keys of one UTC day; ``ConfigurationError`` where the bundle has none."""
        key = self.days.get(day)
        if key is None:
            raise ConfigurationError(
                f"there is no day key for {day.isoformat()}",
                where="keys/bundle.json",
                remedy=NEW_BUNDLE_REMEDY,
            )
        return key


def seal_viewing(data: bytes, key: DayKey) -> bytes:
    """Encrypt a viewing copy, or levels, to the day's officer key (age, binary)."""
    return encrypt(data, key.officer)


def seal_original(data: bytes, key: DayKey) -> bytes:
    """Encrypt an original to the day's officer key inside and the supervisor key outside."""
    return encrypt(encrypt(data, key.officer), key.supervisor)


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A signed record as the box keeps it: ciphertext, and the hash by which the log names the record."""

    ciphertext: bytes
    record_sha256: str


def seal_record(signed: bytes, p7s: bytes, key: DayKey) -> SealedRecord:
    """Encrypt a record with the box's signature over it, as one file that only custody's desk opens."""
    return SealedRecord(seal_for_desk(recordfile.pack(signed, p7s), key), hashlib.sha256(signed).hexdigest())


def seal_for_desk(data: bytes, key: DayKey) -> bytes:
    """Encrypt a record or a minute to the day's key for records, which custody's desk opens."""
    return encrypt(data, key.records)


def encrypt(data: bytes, *recipients: str, armored: bool = False) -> bytes:
    """Encrypt with age to X25519 recipients, each of which can open it alone.

    Raises
    ------
    ConfigurationError
        A recipient is not an age X25519 recipient.
    """
    try:
        keys = [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    except pyrage.RecipientError as error:
        raise ConfigurationError("is not an age recipient", where="day key") from error
    if armored:
        text: bytes = pyrage.encrypt(data, keys, armored=True)
        return text
    # streamed: a clip is neither copied on its way in nor grown on its way out
    sealed = io.BytesIO()
    pyrage.encrypt_io(io.BytesIO(data), sealed, keys)
    return sealed.getvalue()


def start_of_day(day: date) -> datetime:
    """Return 00:00 UTC of a day."""
    return datetime.combine(day, time(), tzinfo=UTC)


def _refuse_unsigned(data: bytes, signature: bytes, *, authority_pem: bytes, where: str | Path) -> None:
    try:
        authority = read_pem(authority_pem)
    except ValueError as error:
        raise ConfigurationError("is not a certificate in PEM", where="ca.pem") from error
    try:
        signer = cms.verify_detached(data, signature, authority_pem=authority_pem, at=datetime.now(UTC))
    except AnswerIsNo as error:
        raise ConfigurationError(
            f"the signature {error.what}", where=where, remedy=NEW_BUNDLE_REMEDY
        ) from error
    if signer != authority:
        # a node's certificate comes from the same authority, but may not name recipients
        raise ConfigurationError(
            "is not signed by custody's authority itself", where=where, remedy=NEW_BUNDLE_REMEDY
        )


def _read_or_refuse(path: Path, what: str) -> bytes:
    try:
        return read_bounded(path, max_bytes=jsonform.MAX_BYTES)
    except MissingInputError as error:
        raise ConfigurationError(what, where=path, remedy=NEW_BUNDLE_REMEDY) from error


def _parse_bundle(document: Mapping[str, Any]) -> DayKeys:
    if document["schema"] != BUNDLE_SCHEMA or not isinstance(document["trial"], bool):
        raise ValueError("not a bundle of a form that is known here")
    days: dict[date, DayKey] = {}
    for text, keys in document["days"].items():
        day = date.fromisoformat(text)
        for role in ("officer", "supervisor", "records"):
            try:
                pyrage.x25519.Recipient.from_str(keys[role])
            except pyrage.RecipientError as error:
                raise ValueError("a recipient is not one") from error
        days[day] = DayKey(day, str(keys["officer"]), str(keys["supervisor"]), str(keys["records"]))
    return DayKeys(
        custody=str(document["custody"]),
        is_trial=document["trial"],
        issued_at=jsonform.utc_moment(document["issued_at"]),
        days=days,
    )
