"""The plots of a package: right figures, same bytes."""

from __future__ import annotations

import dataclasses

import made_up
import numpy as np
import pytest

from noisewatch.acoustics.firing import firing_track
from noisewatch.evidence import levels, motion_plot, plots
from noisewatch.evidence.words import Words

RATE_HZ = 48_000


def tone(*, hz: float, rms_pa: float, seconds: float = 2.0) -> np.ndarray:
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (np.sqrt(2) * rms_pa * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


@pytest.mark.parametrize("hz", [63.0, 250.0, 1000.0, 4000.0])
def test_a_tone_of_one_pascal_shows_94_db_in_its_band(hz: float) -> None:
    time_s, edges_hz, levels_db = plots.band_levels(
        tone(hz=hz, rms_pa=1.0), rate_hz=RATE_HZ, pascal_per_unit=1.0
    )
    middle = levels_db[:, np.searchsorted(time_s, 1.0)]
    loudest = int(np.argmax(middle))
    assert edges_hz[max(0, loudest - 1)] <= hz <= edges_hz[min(loudest + 2, edges_hz.size - 1)]
    total_db = 10 * np.log10(np.sum(10 ** (middle / 10)))
    assert total_db == pytest.approx(93.98, abs=0.1)


def test_full_scale_is_scaled_to_pascal() -> None:
    sound = tone(hz=500.0, rms_pa=0.1)
    _, _, one = plots.band_levels(sound, rate_hz=RATE_HZ, pascal_per_unit=1.0)
    _, _, twenty = plots.band_levels(sound, rate_hz=RATE_HZ, pascal_per_unit=20.0)
    assert np.max(twenty) - np.max(one) == pytest.approx(20 * np.log10(20), abs=1e-6)


def test_the_spectrogram_spans_the_whole_sound() -> None:
    sound = tone(hz=500.0, rms_pa=0.1, seconds=10.0)
    time_s, _, levels_db = plots.band_levels(sound, rate_hz=RATE_HZ, pascal_per_unit=1.0)
    assert time_s[0] <= 0.0
    assert time_s[-1] >= 9.97
    assert time_s.size == levels_db.shape[1] + 1


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_a_sound_of_hardly_any_samples_still_makes_a_plot(samples: int) -> None:
    png = plots.plot_spectrogram(
        np.zeros(samples, np.float32), rate_hz=RATE_HZ, pascal_per_unit=None, words=Words("en")
    )
    assert png.startswith(b"\x89PNG")


def test_the_same_event_gives_the_same_bytes_and_names_no_software() -> None:
    table = levels.read_levels(made_up.make_levels())
    record = made_up.make_record(b"clip", b"levels")
    first, second = (plots.plot_levels(table, record, Words("nl")) for _ in range(2))
    assert first == second
    assert b"matplotlib" not in first.lower()


def engine(*, hz: float, seconds: float = 4.0) -> np.ndarray:
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (0.1 * np.cos(2 * np.pi * hz * time_s) ** 15).astype(np.float32)


def test_an_engine_is_drawn_and_silence_says_that_none_is_heard() -> None:
    record = made_up.make_record(b"clip", b"levels")
    sounds = (engine(hz=60.0), engine(hz=90.0), np.zeros(RATE_HZ * 4, np.float32), np.zeros(10, np.float32))
    drawn = [motion_plot.plot_engine(sound, record, Words("en"), rate_hz=RATE_HZ) for sound in sounds]
    assert len(set(drawn)) == 3
    assert drawn[2] == drawn[3]
    assert drawn[0] == motion_plot.plot_engine(sounds[0], record, Words("en"), rate_hz=RATE_HZ)


def test_slowing_the_sound_keeps_the_track() -> None:
    wave, slow_hz = motion_plot.slowed(engine(hz=60.0), RATE_HZ)
    track = firing_track(wave, rate_hz=slow_hz)
    assert slow_hz == 4000
    assert np.nanmedian(track.firing_hz) == pytest.approx(60.0, rel=0.01)


def test_where_the_vehicle_was_is_drawn_from_the_signed_boxes_alone() -> None:
    table = levels.read_levels(made_up.make_levels())
    record = made_up.make_record(b"clip", b"levels")
    boxes = [[5.0 + 0.04 * step, 0.02 * step, 0.4, 0.1, 0.1] for step in range(20)]
    said = {"kind": "one vehicle", "n_vehicles": 1, "probability": 0.99, "direction": "to the right"}
    named = dataclasses.replace(record, statements={"attribution": {**said, "boxes": boxes}})
    one, none = (motion_plot.plot_vehicle(table, this, Words("fr")) for this in (named, record))
    assert one != none
    assert all(png.startswith(b"\x89PNG") and b"matplotlib" not in png.lower() for png in (one, none))
