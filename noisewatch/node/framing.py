"""One message over a pipe: a JSON header and raw bytes behind it, bounded and checked; never pickle.

::

    b"NWF1"  |  header length, 4 bytes  |  payload length, 8 bytes  |  header, JSON  |  payload

The header names the parts of the payload in order, with their sizes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, NoReturn

MAGIC = b"NWF1"
PREFIX = struct.Struct(">4sIQ")
#: The header lists some thousand packets; boxes of a vehicle come back in it.
MAX_HEADER_BYTES = 8 * 1024 * 1024
#: Ten seconds of eight channels and of the largest picture that the ring holds.
MAX_PAYLOAD_BYTES = 512 * 1024 * 1024

Bytes = bytes | bytearray | memoryview


class FramingError(ValueError):
    """What came is no whole message."""


def pack(header: Mapping[str, Any], parts: Mapping[str, Bytes]) -> bytes:
    """Return a message.

    Parameters
    ----------
    header : mapping
        Plain values that JSON can carry; no NaN. The key "parts" is taken.
    parts : mapping of str to bytes
        Raw bytes by name.

    Raises
    ------
    ValueError
        The header cannot be written as JSON, or the message is too large.

    Examples
    --------
    >>> unpack(pack({"what": "greeting"}, {"text": b"hello"}))
    ({'what': 'greeting'}, {'text': b'hello'})
    """
    sizes = {name: memoryview(data).nbytes for name, data in parts.items()}
    listed = {**header, "parts": list(sizes.items())}
    text = json.dumps(listed, allow_nan=False, ensure_ascii=True).encode()
    size = sum(sizes.values())
    _check_sizes(len(text), size)
    return b"".join([PREFIX.pack(MAGIC, len(text), size), text, *parts.values()])


def unpack(message: Bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the header and the parts of one whole message.

    Raises
    ------
    FramingError
        It is not one message and nothing else.
    """
    view = memoryview(message).cast("B")
    if len(view) < PREFIX.size:
        raise FramingError(f"{len(view)} bytes are no message")
    header_bytes, payload_bytes = _sizes(bytes(view[: PREFIX.size]))
    if len(view) != PREFIX.size + header_bytes + payload_bytes:
        raise FramingError(f"{len(view)} bytes are not the message that was announced")
    body = view[PREFIX.size :]
    return _parsed(bytes(body[:header_bytes]), body[header_bytes:])


def read(stream: BinaryIO) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read one message from a stream and return its header and parts; raises as ``unpack``."""
    header_bytes, payload_bytes = _sizes(_exactly(stream, PREFIX.size))
    text = _exactly(stream, header_bytes)
    return _parsed(text, memoryview(_exactly(stream, payload_bytes)))


def _sizes(prefix: bytes) -> tuple[int, int]:
    magic, header_bytes, payload_bytes = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise FramingError("no message begins here")
    _check_sizes(header_bytes, payload_bytes)
    return header_bytes, payload_bytes


def _check_sizes(header_bytes: int, payload_bytes: int) -> None:
    if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise FramingError(f"a message of {header_bytes} and {payload_bytes} bytes is too large")


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise FramingError(f"the message ends after {len(data)} of {count} bytes")
    return data


def _parsed(text: bytes, payload: memoryview) -> tuple[dict[str, Any], dict[str, bytes]]:
    try:
        header = json.loads(text, parse_constant=_refuse_constant)
        sizes = [(str(name), int(size)) for name, size in header.pop("parts")]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise FramingError("the header is not one") from error
    if any(size < 0 for _, size in sizes) or sum(size for _, size in sizes) != len(payload):
        raise FramingError("the parts do not fill the payload")
    parts: dict[str, bytes] = {}
    first = 0
    for name, size in sizes:
        if name in parts:
            raise FramingError(f"the part '{name}' comes twice")
        parts[name] = bytes(payload[first : first + size])
        first += size
    return header, parts


def _refuse_constant(name: str) -> NoReturn:
    raise FramingError(f"{name} is no number")
