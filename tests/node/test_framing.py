"""Messages to and from the sealing child: whole or refused."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noisewatch.node import framing

NAMES = st.text(st.characters(codec="ascii"), min_size=1, max_size=8)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(NAMES.filter(lambda n: n != "parts"), PLAIN), st.dictionaries(NAMES, st.binary()))
def test_what_is_packed_comes_out_again(header: dict[str, object], parts: dict[str, bytes]) -> None:
    message = framing.pack(header, parts)
    assert framing.unpack(message) == (header, parts)
    assert framing.read(io.BytesIO(message)) == (header, parts)


@settings(deadline=None)
@given(st.integers(0, 200))
def test_a_message_that_is_cut_short_is_refused(count: int) -> None:
    message = framing.pack({"kind": "original"}, {"samples": b"1234", "pictures": b"56"})
    with pytest.raises(framing.FramingError):
        framing.read(io.BytesIO(message[: min(count, len(message) - 1)]))


def packed(text: bytes, payload: bytes = b"") -> bytes:
    return framing.PREFIX.pack(framing.MAGIC, len(text), len(payload)) + text + payload


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"x" * 64,
        packed(b"{}"),
        packed(b"[]"),
        packed(b'{"parts": [["a", 5]]}', b"1234"),
        packed(b'{"parts": [["a", -1], ["b", 5]]}', b"1234"),
        packed(b'{"parts": [["a", 2], ["a", 2]]}', b"1234"),
        packed(b'{"parts": [], "level": NaN}'),
        framing.PREFIX.pack(framing.MAGIC, 2**31, 0),
        framing.PREFIX.pack(framing.MAGIC, 2, 2**62) + b"{}",
        packed(json.dumps({"parts": []}).encode()) + b"more",
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(framing.FramingError):
        framing.unpack(message)


def test_a_header_with_nan_is_not_packed() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        framing.pack({"level": float("nan")}, {})
