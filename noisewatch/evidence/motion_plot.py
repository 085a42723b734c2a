"""Two plots of a package: how the engine's firing ran, and where the named vehicle was in the picture."""

from __future__ import annotations

import matplotlib
import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics.firing import ANALYSIS_HZ, HOP_S, firing_track
from noisewatch.evidence.attributed import attribution_of, sentence
from noisewatch.evidence.levels import LevelTable
from noisewatch.evidence.plots import STYLE, new_figure, to_png
from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord

_BLUE, _ORANGE, _GREY = "#0072b2", "#e69f00", "#333333"
#: An engine that is hardly heard has no track; a track of less than this says nothing.
SHORTEST_S = 0.5


def plot_engine(sound: NDArray[np.float32], record: EventRecord, words: Words, *, rate_hz: int) -> bytes:
    """Return the track of an engine's firing over the clip, as PNG; where none is clear it says so.

    Parameters
    ----------
    sound : ndarray, float32, shape (n,)
        Channel 0 of the clip, full scale 1.0. Voices are destroyed in it, the orders of an engine stay.
    record : EventRecord
        Its event and loudest moment are marked.
    words : Words
        The language.
    rate_hz : int
        Sample rate.
    """
    time_s = firing_hz = np.zeros(0)
    if sound.size >= rate_hz and float(np.abs(sound).max(initial=0.0)) > 0.0:
        wave, slow_hz = slowed(sound, rate_hz)
        track = firing_track(wave, rate_hz=slow_hz)
        time_s, firing_hz = track.time_s, track.firing_hz
    is_heard = np.count_nonzero(np.isfinite(firing_hz)) * HOP_S >= SHORTEST_S
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(height_in=2.1)
        _mark_event(axes, record)
        if is_heard:
            axes.plot(time_s, firing_hz, ".-", color=_BLUE, markersize=4, linewidth=1.6)
            highest_hz = float(np.nanmax(firing_hz))
            axes.set_ylim(0.0, 1.25 * highest_hz)
        else:
            axes.set_ylim(0.0, 1.0)
            axes.set_yticks([])
            _say(axes, words("engine_none"))
        axes.set_xlabel(words("time_axis"))
        axes.set_ylabel(words("engine_axis"))
        return to_png(figure)


def plot_vehicle(table: LevelTable, record: EventRecord, words: Words) -> bytes:
    """Return where the named vehicle was in the picture, left to right, under the level history, as PNG.

    Where no vehicle was named it says why not; nothing but the signed record is read.
    """
    boxes = np.array(attribution_of(record).get("boxes") or [], dtype=float).reshape(-1, 5)
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(height_in=2.4)
        _mark_event(axes, record)
        axes.set_xlabel(words("time_axis"))
        axes.set_ylabel(words("vehicle_axis"))
        axes.set_ylim(0.0, 100.0)
        axes.set_yticks([0, 25, 50, 75, 100])
        if boxes.size:
            order = np.argsort(boxes[:, 0])
            at_s, left, wide = boxes[order, 0], 100 * boxes[order, 1], 100 * boxes[order, 3]
            axes.fill_between(at_s, left, left + wide, color=_ORANGE, alpha=0.35, linewidth=0)
            axes.plot(at_s, left + wide / 2, ".-", color=_ORANGE, markersize=5, linewidth=1.4)
        else:
            _say(axes, sentence(record, words, is_marked=False) or words("vehicle_none"))
        level = axes.twinx()
        level.grid(visible=False)
        level.plot(table.end_s, table.levels_db["laf_db"], color=_BLUE, linewidth=1.2, alpha=0.8)
        level.set_ylabel(words("laf_axis"), color=_BLUE)
        level.spines["right"].set_visible(True)
        return to_png(figure)


def slowed(sound: NDArray[np.float32], rate_hz: int) -> tuple[NDArray[np.float64], int]:
    """Return sound at the rate of the analysis, and that rate; by hand, since scipy takes long to import."""
    step, rest = divmod(rate_hz, ANALYSIS_HZ)
    wave = sound.astype(np.float64)
    if rest or step < 2:
        return wave, rate_hz
    around = np.arange(-20 * step, 20 * step + 1)
    taps = np.sinc(0.9 * around / step) * np.hamming(around.size)
    return np.convolve(wave, taps / taps.sum(), mode="same")[::step], ANALYSIS_HZ


def _mark_event(axes: matplotlib.axes.Axes, record: EventRecord) -> None:
    """Shade the event, mark its loudest moment, and let the axis span the clip."""
    start_s = record.clip.start_s
    begin = max(0.0, record.event.onset_s - start_s)
    end = min(record.clip.duration_s, record.event.end_s - start_s)
    axes.axvspan(begin, end, color=_BLUE, alpha=0.08, linewidth=0)
    axes.axvline(record.event.peak_s - start_s, color=_GREY, linestyle=":", linewidth=1.2)
    axes.set_xlim(0.0, record.clip.duration_s)


def _say(axes: matplotlib.axes.Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", wrap=True, color=_GREY)
