"""The one file that holds an event's record and the box's signature over it, before it is encrypted.

A line with the form's name, two lengths of four bytes each (big-endian), the canonical JSON, the CMS
signature, then zeros up to a whole number of 4096 bytes, so that the length of the ciphertext tells little.
"""

from __future__ import annotations

from noisewatch.errors import InputError
from noisewatch.evidence.jsonform import MAX_BYTES

_MAGIC = b"noisewatch-record-1\n"
_LENGTH_BYTES = 4
_HEADER_BYTES = len(_MAGIC) + 2 * _LENGTH_BYTES
_BLOCK_BYTES = 4096
MAX_SIGNATURE_BYTES = 64 * 1024


def pack(signed: bytes, p7s: bytes) -> bytes:
    """Return the file's content.

    Examples
    --------
    >>> unpack(pack(b"{}", b"signature"))
    (b'{}', b'signature')
    >>> len(pack(b"{}", b"signature"))
    4096
    """
    lengths = b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") for part in (signed, p7s))
    content = _MAGIC + lengths + signed + p7s
    return content + bytes(-len(content) % _BLOCK_BYTES)


def unpack(content: bytes, *, where: str = "event.age") -> tuple[bytes, bytes]:
    """Return the record's bytes and the signature; ``InputError`` where it is no such file."""
    first = len(_MAGIC)
    lengths = [
        int.from_bytes(content[start : start + _LENGTH_BYTES], "big")
        for start in (first, first + _LENGTH_BYTES)
    ]
    is_whole = len(content) >= _HEADER_BYTES + sum(lengths)
    if not content.startswith(_MAGIC) or not is_whole or len(content) % _BLOCK_BYTES:
        raise InputError("does not hold a record and its signature", where=where)
    if lengths[0] > MAX_BYTES or lengths[1] > MAX_SIGNATURE_BYTES:
        raise InputError("holds a record that is too large", where=where)
    middle = _HEADER_BYTES + lengths[0]
    return content[_HEADER_BYTES:middle], content[middle : middle + lengths[1]]
