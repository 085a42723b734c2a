"""What of an event's record and levels could be made speech again: nothing, and a finer build is caught.

The attack has everything that is stored of an event's sound beside the treated clip: ``levels.csv`` as it is
written and read back (A and C every 125 ms), and the voice-free rows of the record, one a second.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pystoi import stoi

from noisewatch.recognition.voicefree import ROWS_PER_S
from noisewatch.simulation.voices import SPEAKERS, speak

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from privacy_attacks import band_vectors, from_stored, stored_levels, stored_rows, vectors_of_rows

Array = NDArray[np.float64]
RATE_HZ, SECONDS = 16_000, 8
MOST_STOI, MOST_ESTOI = 0.55, 0.20


@pytest.fixture(scope="module")
def voice() -> Array:
    rng = np.random.default_rng(5)
    parts = [speak(rng, SPEAKERS[turn % 2], duration_s=2.0, rate_hz=RATE_HZ) for turn in range(SECONDS // 2)]
    wave = np.concatenate(parts)
    return np.asarray(wave * (0.05 / np.sqrt(np.mean(wave**2))))


def leaks(clean: Array, heard: Array) -> bool:
    size = min(clean.size, heard.size)
    pair = clean[:size], heard[:size]
    return stoi(*pair, RATE_HZ) > MOST_STOI or stoi(*pair, RATE_HZ, extended=True) > MOST_ESTOI


def test_levels_and_voice_free_rows_of_a_record_give_no_speech_back(voice: Array) -> None:
    vectors = vectors_of_rows(stored_rows(voice, RATE_HZ), rate_hz=RATE_HZ)
    assert vectors.shape[0] == SECONDS * ROWS_PER_S
    got = from_stored(vectors, stored_levels(voice, RATE_HZ), rate_hz=RATE_HZ, step_s=1.0)
    assert not leaks(voice, got)


def test_levels_alone_give_no_speech_back(voice: Array) -> None:
    flat = np.ones((1, band_vectors(voice, rate_hz=RATE_HZ, step_s=1.0).shape[1]))
    got = from_stored(flat, stored_levels(voice, RATE_HZ), rate_hz=RATE_HZ, step_s=float(SECONDS))
    assert not leaks(voice, got)


@pytest.mark.parametrize("step_s", [0.25, 0.02])
def test_control_a_record_with_finer_bands_is_caught(voice: Array, step_s: float) -> None:
    vectors = band_vectors(voice, rate_hz=RATE_HZ, step_s=step_s)
    got = from_stored(vectors, stored_levels(voice, RATE_HZ), rate_hz=RATE_HZ, step_s=step_s)
    assert leaks(voice, got)
