"""C peak between samples: 0.1 dB at 8 kHz for any phase, across frame borders, the same from any blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisewatch.acoustics.levels import REFERENCE_PA
from noisewatch.acoustics.meter import Meter
from noisewatch.acoustics.peak import QUARTERS
from noisewatch.acoustics.stimuli import tone
from noisewatch.acoustics.weighting import sos


@settings(max_examples=40, deadline=None)
@given(phase=st.floats(0, 2 * np.pi), backend=st.sampled_from(["numba", "scipy"]))
def test_the_peak_of_an_8_khz_tone_is_right_for_any_phase(phase: float, backend: str) -> None:
    meter = Meter(rate_hz=48000, backend=backend)
    frame = meter.push(tone(8000.0, seconds=1.0, rate_hz=48000, phase=phase))[-1]
    assert frame.lcpeak_db - frame.lceq_db == pytest.approx(20 * np.log10(np.sqrt(2)), abs=0.02)


def test_reading_samples_alone_would_be_a_decibel_low() -> None:
    """The trap that interpolation is for."""
    samples = np.sin(2 * np.pi * np.arange(6000) / 6)
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-1.25, abs=0.01)


def upsampled_peak(sound: NDArray[np.float32]) -> float:
    """Truth: the C-weighted line interpolated 64 times by FFT."""
    from scipy.signal import resample, sosfilt

    line = sosfilt(sos("C", 48000), sound.astype(float))
    return float(np.abs(resample(line, 64 * len(line))).max())


@pytest.mark.parametrize("at", [6000 - k for k in range(-12, 25, 3)])
def test_one_cycle_of_8_khz_is_right_wherever_it_lies_to_a_frame_border(at: int) -> None:
    for share in (0.0, 0.25, 0.5, 0.75):
        n = np.arange(12000) - at - share
        cycle = n * 8000 / 48000
        # a smooth cycle: what an anti-aliased converter can deliver
        pulse = np.where(np.abs(cycle) < 3, np.sin(2 * np.pi * cycle) * np.cos(np.pi * cycle / 6) ** 4, 0.0)
        sound = pulse.astype(np.float32)
        frames = Meter(rate_hz=48000).push(sound)
        peak = REFERENCE_PA * 10 ** (max(f.lcpeak_db for f in frames) / 20)
        assert 20 * np.log10(peak / upsampled_peak(sound)) == pytest.approx(0.0, abs=0.1)


def test_each_interpolated_point_keeps_a_constant() -> None:
    np.testing.assert_allclose(QUARTERS.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("kind", ["silence", "square", "one sample", "faint noise", "tone"])
def test_both_cores_find_the_same_peak_also_where_every_point_is_a_crest(kind: str) -> None:
    n = np.arange(24000)
    sound = {
        "silence": np.zeros(24000),
        "square": np.sign(np.sin(2 * np.pi * n / 96 + 0.1)),
        "one sample": np.where(n == 7013, 1.0, 0.0),
        "faint noise": 1e-9 * np.random.default_rng(5).standard_normal(24000),
        "tone": np.sin(2 * np.pi * n / 6),
    }[kind].astype(np.float32)
    ours, theirs = (
        [frame.lcpeak_db for frame in Meter(rate_hz=48000, backend=name).push(sound)]
        for name in ("scipy", "numba")
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert len(ours) == 4
