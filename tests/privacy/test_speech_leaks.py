"""What an attacker gets out of a treated voice, and that a build which leaks is caught.

The voices are those of ``simulation.voices``: rhythm, pitch and formants of speech, no words. Words, people
and recognisers: ``bench/privacy.py``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pystoi import stoi
from scipy import signal

from noisewatch.privacy.bandnoise import Recipe
from noisewatch.privacy.level import a_weighted, fast_energy
from noisewatch.privacy.speech import destroy_voices
from noisewatch.simulation.library import synthetic_clip
from noisewatch.simulation.voices import SPEAKERS, speak

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from privacy_attacks import ATTACKS, band_vectors, from_bands, with_code_and_entropy

Array = NDArray[np.float64]
RATE_HZ = 10_000  # the rate at which STOI is defined
MOST_STOI, MOST_ESTOI = 0.55, 0.20


@pytest.fixture(scope="module")
def voice() -> Array:
    """Ten seconds of two voices."""
    rng = np.random.default_rng(4)
    parts = [speak(rng, SPEAKERS[turn % 2], duration_s=2.5, rate_hz=RATE_HZ) for turn in range(4)]
    wave = np.concatenate(parts)
    return np.asarray(wave * (0.05 / np.sqrt(np.mean(wave**2))))


def treated(wave: Array, entropy: bytes | None = None, recipe: Recipe | None = None) -> Array:
    samples = wave.astype(np.float32)[np.newaxis]
    sealed = destroy_voices(
        samples, rate_hz=RATE_HZ, entropy=entropy or os.urandom(32), recipe=recipe or Recipe()
    )
    return sealed.samples[0].astype(np.float64)


def clarity(clean: Array, heard: Array) -> tuple[float, float]:
    size = min(clean.size, heard.size)
    pair = clean[:size], heard[:size]
    return float(stoi(*pair, RATE_HZ)), float(stoi(*pair, RATE_HZ, extended=True))


def leaks(clean: Array, heard: Array) -> bool:
    found = clarity(clean, heard)
    return found[0] > MOST_STOI or found[1] > MOST_ESTOI


def test_a_voice_alone_is_not_intelligible(voice: Array) -> None:
    assert not leaks(voice, treated(voice))


def test_a_voice_over_noise_is_not_intelligible_and_never_clearer_than_before(voice: Array) -> None:
    street = np.random.default_rng(1).standard_normal(voice.size) * 0.05
    for snr_db, limit in ((10.0, MOST_STOI), (0.0, 1.0), (-10.0, 1.0)):
        mix = voice + street * 10.0 ** (-snr_db / 20.0)
        before, after = clarity(voice, mix), clarity(voice, treated(mix))
        assert after[0] <= min(before[0], limit), f"{snr_db} dB"


def test_a_voice_under_an_exhaust_that_was_recognised_throughout_is_not_intelligible(voice: Array) -> None:
    made, _ = synthetic_clip("sport-exhaust", seed=5, rate_hz=16_000, seconds=voice.size / RATE_HZ)
    engine = signal.resample_poly(made.astype(np.float64), 5, 8)
    mix = voice + engine[: voice.size] * np.sqrt(np.mean(voice**2) / np.mean(engine**2))
    samples = mix.astype(np.float32)[np.newaxis]
    sealed = destroy_voices(
        samples, rate_hz=RATE_HZ, entropy=os.urandom(32), recognised=[(0.0, voice.size / RATE_HZ)]
    ).samples[0]
    assert not leaks(voice, sealed.astype(np.float64))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_known_attack_gets_nothing(voice: Array, name: str) -> None:
    assert not leaks(voice, ATTACKS[name](treated(voice), RATE_HZ))


def test_even_the_code_with_its_entropy_gets_no_speech(voice: Array) -> None:
    """The entropy is never kept; were it, only the random colour would be undone."""
    entropy = os.urandom(32)
    assert not leaks(voice, with_code_and_entropy(treated(voice, entropy), RATE_HZ, entropy))


def test_the_mean_of_many_treatments_is_no_speech(voice: Array) -> None:
    mean = np.mean([treated(voice) for _ in range(6)], axis=0)
    assert not leaks(voice, mean)


def test_control_a_window_of_50_ms_is_caught(voice: Array) -> None:
    sharp = Recipe(window_s=0.05, blur_octaves=0.0, colour_db=0.0)
    assert leaks(voice, treated(voice, recipe=sharp))


def test_control_an_untouched_low_band_is_caught(voice: Array) -> None:
    low = signal.sosfiltfilt(signal.butter(8, 1000.0, fs=RATE_HZ, output="sos"), voice)
    assert leaks(voice, low + treated(voice - low))


def pitch_found(clean: Array, heard: Array) -> float:
    """Share of the voiced frames of 60 ms whose strongest period in the low band is the voice's own."""
    low = signal.butter(4, [70.0, 400.0], "bandpass", fs=RATE_HZ, output="sos")
    size, shortest, longest = 600, RATE_HZ // 300, RATE_HZ // 80
    periods, strength = [], []
    for wave in (clean, heard):
        filtered = signal.sosfiltfilt(low, wave)
        frames = filtered[: filtered.size // size * size].reshape(-1, size)
        spectra = np.abs(np.fft.rfft(frames, 2 * size, axis=1)) ** 2
        lags = np.fft.irfft(spectra, axis=1)
        periods.append(shortest + np.argmax(lags[:, shortest:longest], axis=1))
        strength.append(lags[:, shortest:longest].max(axis=1) / (lags[:, 0] + 1e-12))
    voiced = strength[0] > 0.6
    return float(np.mean(np.abs(periods[1] / periods[0] - 1.0)[voiced] < 0.04))


def test_the_pitch_of_the_speaker_is_gone(voice: Array) -> None:
    # two dozen voiced frames: one treatment hits by chance in 3 to 37 % of them, 16 in 15 % on average
    assert np.mean([pitch_found(voice, treated(voice)) for _ in range(8)]) < 0.3


def test_control_the_pitch_left_in_an_untouched_band_below_300_hz_is_caught(voice: Array) -> None:
    low = signal.sosfiltfilt(signal.butter(8, 300.0, fs=RATE_HZ, output="sos"), voice)
    assert pitch_found(voice, low + treated(voice - low)) > 0.5


def levels_of(wave: Array) -> Array:
    fast = fast_energy(a_weighted(wave, rate_hz=RATE_HZ), rate_hz=RATE_HZ)
    return np.asarray(10.0 * np.log10(fast[:: RATE_HZ // 8] + 1e-12))


def test_levels_every_125_ms_and_bands_every_second_give_no_speech_back(voice: Array) -> None:
    vectors = band_vectors(voice, rate_hz=RATE_HZ, step_s=1.0)
    got = from_bands(vectors, rate_hz=RATE_HZ, step_s=1.0, levels_db=levels_of(voice))
    assert not leaks(voice, got)


def test_control_bands_every_20_ms_are_caught(voice: Array) -> None:
    vectors = band_vectors(voice, rate_hz=RATE_HZ, step_s=0.02)
    assert leaks(voice, from_bands(vectors, rate_hz=RATE_HZ, step_s=0.02))
