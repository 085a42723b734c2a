"""The plots of a package: level history and spectrogram, as PNG whose bytes depend on the event alone."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from noisewatch.evidence.levels import LevelTable
from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord

REFERENCE_PA = 20e-6
DPI = 150
#: Of every plot of a package.
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
}
#: Colours that differ in print and for colour-blind readers (Okabe and Ito 2008); so do widths and styles.
_LINES = (
    ("laf_db", "LAF", "#0072b2", 2.0, "-"),
    ("lceq_db", "LCeq", "#e69f00", 1.2, "-"),
    ("lcpeak_db", "LCpeak", "#999999", 1.0, "--"),
)
_BANDS_PER_OCTAVE = 12
_RANGE_DB = 60.0


def plot_levels(table: LevelTable, record: EventRecord, words: Words) -> bytes:
    """Return the level history: LAF, LCeq and LCpeak over the clip, the event shaded, the peak marked."""
    clip_start_s = record.clip.start_s
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(height_in=2.9)
        for column, label, colour, width, style in _LINES:
            axes.plot(table.end_s, table.levels_db[column], style, color=colour, linewidth=width, label=label)
        axes.axvspan(
            max(0.0, record.event.onset_s - clip_start_s),
            min(record.clip.duration_s, record.event.end_s - clip_start_s),
            color="#0072b2",
            alpha=0.08,
            linewidth=0,
        )
        axes.axvline(record.event.peak_s - clip_start_s, color="#333333", linestyle=":", linewidth=1.2)
        axes.set_xlim(0.0, record.clip.duration_s)
        axes.set_xlabel(words("time_axis"))
        axes.set_ylabel(words("level_axis"))
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return to_png(figure)


def plot_spectrogram(
    sound: NDArray[np.float32], *, rate_hz: int, pascal_per_unit: float | None, words: Words
) -> bytes:
    """Return the spectrogram of a clip's sound in twelfths of an octave.

    Parameters
    ----------
    sound : ndarray, float32, shape (n,)
        Channel 0, full scale 1.0.
    rate_hz : int
        Its rate.
    pascal_per_unit : float, optional
        Pascal of full scale; with it the colours are dB re 20 µPa, else dB re full scale.
    words : Words
        The language of the axes.
    """
    time_s, edges_hz, levels_db = band_levels(sound, rate_hz=rate_hz, pascal_per_unit=pascal_per_unit)
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(height_in=3.2)
        axes.grid(visible=False)
        top_db = float(np.max(levels_db))
        mesh = axes.pcolormesh(
            time_s, edges_hz, levels_db, vmin=top_db - _RANGE_DB, vmax=top_db, cmap="magma", rasterized=True
        )
        axes.set_xlim(0.0, max(sound.size / rate_hz, 0.1))
        axes.set_yscale("log")
        ticks_hz = [
            hz for hz in (31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000) if hz < edges_hz[-1]
        ]
        axes.set_yticks(ticks_hz, [f"{hz:g}" for hz in ticks_hz])
        axes.minorticks_off()
        axes.set_ylim(edges_hz[0], edges_hz[-1])
        axes.set_xlabel(words("time_axis"))
        axes.set_ylabel(words("frequency_axis"))
        figure.colorbar(mesh, ax=axes, label=words("band_level"), pad=0.015)
        return to_png(figure)


def band_levels(
    sound: NDArray[np.float32], *, rate_hz: int, pascal_per_unit: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return time edges (s), band edges (Hz) and levels (dB, shape (bands, times)) in twelfths of an octave.

    Bands narrower than a line of the transform share the nearest line's density.
    """
    size = 8192
    # silence on both sides, so that the first and the last moment have a column too
    padded = np.pad(sound, (size // 2, size // 2 + max(0, size - sound.size)))
    hop = max(rate_hz // 40, padded.size // 1000)
    # by hand: importing scipy.signal would take longer than the whole report
    window = np.hanning(size + 1)[:-1]
    starts = np.arange(0, padded.size - size + 1, hop)
    centre_s = (starts + size / 2) / rate_hz
    density = np.empty((size // 2 + 1, starts.size))
    for column, start in enumerate(starts):
        density[:, column] = np.abs(np.fft.rfft(padded[start : start + size] * window)) ** 2
    density *= 2.0 / (rate_hz * np.sum(window**2))
    count = int(np.floor(_BANDS_PER_OCTAVE * np.log2(min(16_000, 0.45 * rate_hz) / 25.0)))
    edges_hz = 25.0 * 2.0 ** (np.arange(count + 1) / _BANDS_PER_OCTAVE)
    step_hz = rate_hz / size
    running = np.vstack([np.zeros(density.shape[1]), np.cumsum(density, axis=0) * step_hz])
    # the running sum is read between lines, so that narrow bands take their share of one
    positions = edges_hz / step_hz + 0.5
    whole = np.minimum(positions.astype(int), len(running) - 2)
    share = (positions - whole)[:, None]
    at_edges = running[whole] * (1 - share) + running[whole + 1] * share
    energy = np.diff(at_edges, axis=0)
    scale = (pascal_per_unit / REFERENCE_PA) ** 2 if pascal_per_unit else 1.0
    levels_db = 10 * np.log10(np.maximum(energy * scale, 1e-14))
    half_s = (centre_s[1] - centre_s[0]) / 2 if centre_s.size > 1 else 0.5
    time_s = np.append(centre_s - half_s, centre_s[-1] + half_s) - size / 2 / rate_hz
    return time_s, edges_hz, levels_db


def new_figure(*, height_in: float) -> tuple[Figure, matplotlib.axes.Axes]:
    """Return a figure as wide as a page, and its axes."""
    figure = Figure(figsize=(7.6, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def to_png(figure: Figure) -> bytes:
    """Return a figure as PNG that names no software and no date."""
    buffer = io.BytesIO()
    # no software, no date: the same event gives the same bytes
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
