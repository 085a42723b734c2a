"""Draw docs/demo.png from a finished demo: what was there, what was heard, what the box said.

make demo && .venv/bin/python scripts/demo_picture.py demo docs/demo.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import av
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import soundfile

from noisewatch.acoustics.meter import Meter
from noisewatch.evidence.custody import open_custody
from noisewatch.evidence.told import documents

LABELS = {
    "sport-exhaust": "sport exhaust",
    "motorcycle-revving": "motorcycle revs",
    "motorcycle-pass": "motorcycle",
    "siren": "siren",
    "voices": "two people talk",
    "van-pass": "van",
    "car-pass": "car",
}


def still(movie: Path, at_s: float) -> np.ndarray:
    """Return the picture at a second of the street."""
    with av.open(str(movie)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= at_s:
                return frame.to_ndarray(format="rgb24")
    raise SystemExit(f"{movie}: no picture at {at_s} s")


def main() -> None:
    """Draw the picture."""
    demo, target = Path(sys.argv[1]), Path(sys.argv[2])
    truth = json.loads((demo / "street" / "truth.json").read_text())
    records = [record["event"] for record in documents(demo / "node", open_custody(demo / "custody"))]
    samples, rate_hz = soundfile.read(str(demo / "street" / "street.flac"), dtype="float32")
    meter = Meter(rate_hz=rate_hz, bands=True)
    frames = meter.push(samples[:, 0] * np.float32(truth["pascal_per_unit"]))
    time_s = np.array([frame.end_sample / rate_hz for frame in frames])
    bands_db = np.array([frame.bands_db for frame in frames]).T

    figure, (picture, levels, bands) = plt.subplots(
        3, 1, figsize=(10, 9.2), height_ratios=(2.4, 2, 1.6), layout="constrained"
    )
    loudest = max(truth["events"], key=lambda event: event["lafmax_db"])
    picture.imshow(still(demo / "street" / "street.mp4", loudest["closest_s"])[150:620])
    picture.set_axis_off()
    levels.plot(time_s, [frame.laf_db for frame in frames], color="#0072b2", linewidth=1.2)
    levels.axhline(80, color="#999999", linewidth=0.8, linestyle="--")
    levels.text(0.3, 80.6, "gate 80 dB", fontsize=8, color="#666666")
    for record in records:
        start_s, end_s = record["onset_sample"] / rate_hz, record["end_sample"] / rate_hz
        levels.axvspan(start_s, end_s, color="#d55e00", alpha=0.25)
        levels.text(
            (start_s + end_s) / 2,
            100.5,
            f"event\n{record['lafmax_db']:.0f} dB, p {record['probability']:.2f}",
            ha="center",
            va="top",
            fontsize=8,
            color="#a04000",
        )
    for number, event in enumerate(truth["events"]):
        levels.text(
            event["closest_s"],
            47.0 + 4.0 * (number % 2),
            LABELS[event["kind"]],
            rotation=25,
            fontsize=8,
            ha="center",
            color="#444444",
        )
    levels.set(ylabel="LAF in dB", ylim=(45, 102), xlim=(0, time_s[-1]))
    bands.imshow(
        bands_db,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, time_s[-1], -16.5, 13.5),
        vmin=25,
        vmax=90,
    )
    bands.set_yticks([-15, -9, -3, 3, 9], ["31.5", "125", "500", "2 k", "8 k"])
    bands.set(xlabel="seconds", ylabel="one-third octave in Hz")
    figure.savefig(target, dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    main()
