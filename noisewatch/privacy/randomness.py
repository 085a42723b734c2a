"""Random numbers from one draw of the system's entropy, by a hash that cannot be run backwards.

A seed of a common generator can be found again from what it produced; an extendable-output hash (SHAKE256,
FIPS 202) cannot. Every use has its own name, so that one stream says nothing of another.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def uniform(entropy: bytes, purpose: str, count: int) -> NDArray[np.float64]:
    """Return numbers from 0 to 1 (1 excluded), shape (count,), for one purpose.

    Examples
    --------
    >>> first, second = uniform(bytes(32), "phases", 4), uniform(bytes(32), "colour", 4)
    >>> bool(np.any(first != second)), bool(np.all(first < 1.0))
    (True, True)
    """
    drawn = hashlib.shake_256(entropy + b"|" + purpose.encode()).digest(4 * count)
    return np.asarray(np.frombuffer(drawn, dtype="<u4") / 2.0**32)


def normal(entropy: bytes, purpose: str, count: int) -> NDArray[np.float64]:
    """Return numbers of mean 0 and standard deviation 1, shape (count,), by Box and Muller's method."""
    pairs = uniform(entropy, purpose, 2 * count).reshape(2, count)
    radius = np.sqrt(-2.0 * np.log(1.0 - pairs[0]))
    return np.asarray(radius * np.cos(2.0 * np.pi * pairs[1]))
