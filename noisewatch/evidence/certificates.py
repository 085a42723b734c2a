"""Certificates and signing requests that somebody else wrote: what is no such thing is a ``ValueError``.

``cryptography`` reads lazily and has exceptions of its own for what a damaged or hostile certificate says of
itself: an unknown version, an algorithm or a curve that it does not know. Everything that is used of a
certificate here is read at once, and all of that is one error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.utils import CryptographyDeprecationWarning

One = TypeVar("One", x509.Certificate, x509.CertificateSigningRequest)

#: What reading something that is no certificate may raise.
_UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm)


def read_pem(data: bytes) -> x509.Certificate:
    """Read one certificate in PEM.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> read_pem(b"-----BEGIN CERTIFICATE-----")
    Traceback (most recent call last):
    ValueError: not a certificate
    """
    return _whole(lambda: [x509.load_pem_x509_certificate(data)])[0]


def read_pems(data: bytes) -> list[x509.Certificate]:
    """Read all certificates of a text in PEM, one at least; ``ValueError`` where one is none."""
    return _whole(lambda: x509.load_pem_x509_certificates(data))


def read_der(data: bytes) -> x509.Certificate:
    """Read one certificate in DER; ``ValueError`` where it is none."""
    return _whole(lambda: [x509.load_der_x509_certificate(data)])[0]


def read_request(data: bytes) -> x509.CertificateSigningRequest:
    """Read a certificate signing request in PEM; ``ValueError`` where it is none."""
    return _whole(lambda: [x509.load_pem_x509_csr(data)])[0]


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether one certificate was signed by the holder of another and names it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _whole(read: Callable[[], list[One]]) -> list[One]:
    with warnings.catch_warnings():
        # what it still reads with a warning, such as a serial number below one, RFC 5280 forbids
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        try:
            found = read()
            for one in found:
                _look_at(one)
        except (*_UNREADABLE, CryptographyDeprecationWarning) as error:
            raise ValueError("not a certificate") from error
    return found


def _look_at(one: x509.Certificate | x509.CertificateSigningRequest) -> None:
    """Have all that is used of it read."""
    one.subject.rfc4514_string()
    one.public_key()
    if isinstance(one, x509.Certificate):
        _ = (one.issuer, one.not_valid_before_utc, one.not_valid_after_utc)
    else:
        _ = one.is_signature_valid
    # the last part is a string of whole bytes: bits declared as unused would be another spelling of the same
    if not one.public_bytes(serialization.Encoding.DER).endswith(b"\0" + one.signature):
        raise ValueError("the signature is not one of whole bytes")
