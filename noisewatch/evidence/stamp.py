"""A time stamp of a third party over an officer's signature (RFC 3161), where custody configured one.

The stamp is over ``tagmanifest-sha256.txt.sig``, so it covers every byte of the package, and says no later
than when it was signed: an appointment that ended, a key that was stolen and a certificate that expired
afterwards change nothing of what was stamped before. Where the authority can't be reached the package goes
out without, and says that its stamp is pending; ``clips stamp`` completes it. Stock openssl checks it:
``openssl ts -verify -data F.sig -in F.tsr -CAfile tsa.pem``.
"""

from __future__ import annotations

import http.client
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    decode_timestamp_response,
)

from noisewatch.errors import AnswerIsNo, ConfigurationError, TryAgainError
from noisewatch.evidence import bagit, tools
from noisewatch.evidence.certificates import is_issued_by, read_der, read_pems
from noisewatch.evidence.durable import read_bounded, write_atomic

#: Where the authority's root stands in a package that has a stamp, or waits for one.
ROOT = "keys/tsa.pem"
#: Stamps are a few kilobytes; anything far larger is none.
MAX_BYTES = 256 * 1024
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class StampAuthority:
    """Where stamps come from: the address in ``stamp.toml`` and the root in ``trust/tsa.pem``."""

    url: str
    root_pem: bytes


def configured(custody_folder: Path) -> StampAuthority | None:
    """Return custody's stamp authority, or None where none is configured.

    Raises
    ------
    ConfigurationError
        ``stamp.toml`` is damaged, or its root is missing.
    """
    path = custody_folder / "stamp.toml"
    if not path.is_file():
        return None
    try:
        document = tomllib.loads(read_bounded(path, max_bytes=64 * 1024).decode())
        url = document["url"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise ConfigurationError("does not say where stamps come from", where=path) from error
    check_url(url, where=path)
    root = custody_folder / "trust" / "tsa.pem"
    if not root.is_file():
        raise ConfigurationError("is missing: stamps could not be checked", where=root)
    return StampAuthority(url, read_bounded(root, max_bytes=64 * 1024))


def check_url(url: object, *, where: str | Path) -> str:
    """Return an address that a request may go to; ``ConfigurationError`` for any other."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        remedy = 'write it as url = "https://…"; a stamp is checked by its root, so http will do'
        raise ConfigurationError("is not an address of a stamp authority", where=where, remedy=remedy)
    return str(url)


def request_stamp(signature: bytes, authority: StampAuthority) -> bytes:
    """Ask for a stamp over a signature and return it after it was checked.

    Raises
    ------
    TryAgainError
        The authority can't be reached, or refuses.
    AnswerIsNo
        It answered with something else than a stamp over these bytes.
    """
    query = (
        TimestampRequestBuilder()
        .data(signature)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    answer = _post(authority.url, query.as_bytes())
    response = _decode(answer)
    if response.status not in (0, 1):
        raise TryAgainError("the stamp authority refused", where=authority.url)
    if response.tst_info.nonce != query.nonce:
        raise AnswerIsNo("is a stamp for another request", where=authority.url)
    check_stamp(signature, answer, root_pem=authority.root_pem)
    return answer


def check_stamp(signature: bytes, stamp: bytes, *, root_pem: bytes) -> datetime:
    """Check a stamp against its root with openssl and return the moment that it states.

    Raises
    ------
    AnswerIsNo
        It is no stamp over these bytes by this authority, or not spelled as it was made.
    """
    response = _decode(stamp)
    try:
        moment = response.tst_info.gen_time.astimezone(UTC)
        is_own_spelling = response.as_bytes() == stamp
    except ValueError as error:
        raise AnswerIsNo("is not a time stamp") from error
    if not is_own_spelling:
        raise AnswerIsNo("is not spelled as a stamp authority writes it")
    done = tools.call(
        [
            *("openssl", "ts", "-verify", "-data", signature, "-in", stamp, "-CAfile", root_pem),
            *("-attime", str(int(moment.timestamp()))),
        ]
    )
    if done.returncode != 0 or not _are_trusted(response, root_pem):
        raise AnswerIsNo("is not a stamp over this signature by the authority that is trusted")
    return moment


def complete(package: Path, authority: StampAuthority) -> datetime:
    """Give a package the stamp that it waits for; return the moment that the stamp states.

    Raises
    ------
    ConfigurationError
        The package was made without a stamp authority, or has its stamp already.
    TryAgainError
        The authority can't be reached.
    """
    if not (package / ROOT).is_file():
        raise ConfigurationError("was made without a stamp authority", where=package)
    if (package / bagit.STAMP).exists():
        raise ConfigurationError("has its stamp", where=package)
    signature = read_bounded(package / bagit.SIGNATURE, max_bytes=MAX_BYTES)
    answer = request_stamp(signature, authority)
    write_atomic(package / bagit.STAMP, answer)
    return check_stamp(signature, answer, root_pem=authority.root_pem)


def _are_trusted(response: TimeStampResponse, root_pem: bytes) -> bool:
    """Tell whether each certificate in a stamp is a trusted root or issued by one that is there.

    openssl does not look at a certificate that it does not need, so a bit of it could differ unseen.
    """
    try:
        roots = read_pems(root_pem)
        carried = [read_der(one) for one in response.signed_data.certificates]
    except ValueError:
        return False
    return all(
        one in roots or any(is_issued_by(one, by) for by in (*roots, *carried) if by != one)
        for one in carried
    )


def _decode(answer: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(answer)
    except ValueError as error:
        raise AnswerIsNo("is not a time stamp") from error


def _post(url: str, query: bytes) -> bytes:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=TIMEOUT_S)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body=query, headers={"Content-Type": "application/timestamp-query"})
        response = connection.getresponse()
        answer = response.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        remedy = "run later: noisewatch clips stamp PACKAGE"
        raise TryAgainError("the stamp authority can't be reached", where=url, remedy=remedy) from error
    finally:
        connection.close()
    if response.status != 200 or len(answer) > MAX_BYTES:
        raise TryAgainError(f"the stamp authority answered {response.status}", where=url)
    return answer
