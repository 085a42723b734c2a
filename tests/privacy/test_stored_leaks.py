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

from noisewatch.acoustics.meter import Meter
from noisewatch.evidence.levels import LevelTable, levels_to_csv, read_levels
from noisewatch.recognition.voicefree import ROWS_PER_S, voice_free_features, voice_free_names
from noisewatch.simulation.voices import SPEAKERS, speak

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from privacy_attacks import band_vectors, from_bands, vectors_of_rows

Array = NDArray[np.float64]
RATE_HZ, SECONDS = 16_000, 8
MOST_STOI, MOST_ESTOI = 0.55, 0.20


@pytest.fixture(scope="module")
def voice() -> Array:
    rng = np.random.default_rng(5)
    parts = [speak(rng, SPEAKERS[turn % 2], duration_s=2.0, rate_hz=RATE_HZ) for turn in range(SECONDS // 2)]
    wave = np.concatenate(parts)
    return np.asarray(wave * (0.05 / np.sqrt(np.mean(wave**2))))


def stored_levels(wave: Array) -> LevelTable:
    meter = Meter(rate_hz=RATE_HZ)
    frames = [*meter.push(wave.astype(np.float32)), *meter.finish()]
    return read_levels(levels_to_csv(frames, clip_start_sample=0))


def stored_rows(wave: Array) -> list[list[float]]:
    """Rows as ``node.behaving.voice_free`` rounds them."""
    seconds = wave.reshape(-1, RATE_HZ)
    return [[round(float(value), 2) for value in voice_free_features(second)] for second in seconds]


def rebuilt(vectors: Array, table: LevelTable, *, step_s: float) -> Array:
    """The best that is known: the level of each second gives its bands their height, A and C their course."""
    levels = {name: np.nan_to_num(values, nan=-20.0) for name, values in table.levels_db.items()}
    energy = 10.0 ** (levels["laeq_db"] / 10.0)
    steps = np.array_split(energy, len(vectors)) if len(vectors) <= energy.size else None
    scaled = vectors if steps is None else vectors * np.array([[step.mean()] for step in steps])
    return from_bands(
        scaled, rate_hz=RATE_HZ, step_s=step_s, levels_db=levels["laeq_db"], levels_c_db=levels["lceq_db"]
    )


def leaks(clean: Array, heard: Array) -> bool:
    size = min(clean.size, heard.size)
    pair = clean[:size], heard[:size]
    return stoi(*pair, RATE_HZ) > MOST_STOI or stoi(*pair, RATE_HZ, extended=True) > MOST_ESTOI


def test_levels_and_voice_free_rows_of_a_record_give_no_speech_back(voice: Array) -> None:
    vectors = vectors_of_rows(stored_rows(voice), voice_free_names(), rate_hz=RATE_HZ)
    assert vectors.shape[0] == SECONDS * ROWS_PER_S
    assert not leaks(voice, rebuilt(vectors, stored_levels(voice), step_s=1.0))


def test_levels_alone_give_no_speech_back(voice: Array) -> None:
    flat = np.ones((1, band_vectors(voice, rate_hz=RATE_HZ, step_s=1.0).shape[1]))
    assert not leaks(voice, rebuilt(flat, stored_levels(voice), step_s=float(SECONDS)))


def test_control_a_record_with_bands_every_20_ms_is_caught(voice: Array) -> None:
    vectors = band_vectors(voice, rate_hz=RATE_HZ, step_s=0.02)
    assert leaks(voice, rebuilt(vectors, stored_levels(voice), step_s=0.02))
