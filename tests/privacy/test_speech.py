"""The treatment of sound: what comes out is noise of the same level, and nothing else of the input."""

from __future__ import annotations

import os

import numpy as np
import pytest
from numpy.typing import NDArray

from noisewatch.privacy.level import a_weighted
from noisewatch.privacy.speech import METHOD, destroy_voices

RATE_HZ = 16_000


def noise(channels: int = 1, seconds: float = 2.0) -> NDArray[np.float32]:
    wave = np.random.default_rng(5).standard_normal((channels, int(seconds * RATE_HZ)))
    return wave.astype(np.float32)


def test_shape_type_method_and_level_are_kept_in_every_channel() -> None:
    before = noise(2) * np.array([[0.1], [1.0]], dtype=np.float32)
    treated = destroy_voices(before, rate_hz=RATE_HZ, entropy=os.urandom(32))
    assert (treated.samples.shape, treated.samples.dtype) == (before.shape, np.float32)
    assert treated.method == METHOD
    for channel in range(2):
        weighted = [a_weighted(x[channel].astype(float), rate_hz=RATE_HZ) for x in (before, treated.samples)]
        assert np.std(weighted[1]) == pytest.approx(np.std(weighted[0]), rel=0.01)


def test_nothing_of_the_waveform_is_left() -> None:
    before = noise()
    after = destroy_voices(before, rate_hz=RATE_HZ, entropy=os.urandom(32)).samples
    spectrum = np.fft.rfft(before[0], 2 * before.size) * np.conj(np.fft.rfft(after[0], 2 * before.size))
    likeness = np.abs(np.fft.irfft(spectrum)).max() / np.sqrt(np.sum(before**2) * np.sum(after**2))
    assert likeness < 0.05


def test_silence_stays_silence() -> None:
    silent = np.zeros((1, RATE_HZ), dtype=np.float32)
    assert not destroy_voices(silent, rate_hz=RATE_HZ, entropy=os.urandom(32)).samples.any()


@pytest.mark.parametrize(
    ("samples", "rate_hz", "entropy"),
    [
        (noise()[0], RATE_HZ, bytes(32)),
        (noise().astype(np.float64), RATE_HZ, bytes(32)),
        (np.full((1, 100), np.nan, dtype=np.float32), RATE_HZ, bytes(32)),
        (noise(), 2000, bytes(32)),
        (noise(), RATE_HZ, bytes(16)),
    ],
)
def test_wrong_input_is_refused(samples: NDArray[np.float32], rate_hz: int, entropy: bytes) -> None:
    with pytest.raises(ValueError, match=r"float32|finite|rate|entropy"):
        destroy_voices(samples, rate_hz=rate_hz, entropy=entropy)
