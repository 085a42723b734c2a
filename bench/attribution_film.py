"""Attribute the loudest moment of films, with CPU time: ``python bench/attribution_film.py FILM …``.

Without arguments: ten seconds of a drawn 720p street, for the time alone.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.attribution import Attribution, attribute
from noisewatch.capture.hearing import Heard, hear

CLIP_S, BEFORE_S = 10.0, 6.0


def sound_of(path: str) -> tuple[NDArray[np.float32], int]:
    """Return the film's first channel and its rate."""
    with av.open(path) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate)
        parts = [
            part.to_ndarray() for frame in container.decode(stream) for part in resampler.resample(frame)
        ]
        return np.concatenate(parts, axis=1).astype(np.float32), stream.rate


def pictures_of(path: str, start_s: float, end_s: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield the film's pictures of a span."""
    with av.open(path) as container:
        container.streams.video[0].thread_count = 1
        for frame in container.decode(container.streams.video[0]):
            if frame.time is not None and start_s <= frame.time < end_s:
                yield frame.time, frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def attribute_film(path: str) -> tuple[float, Attribution]:
    """Return the loudest moment and what attribution says of it."""
    wave, rate_hz = sound_of(path)
    step = rate_hz // 16
    energy = np.diff(wave[0])[: (wave.shape[1] - 1) // step * step].reshape(-1, step) ** 2
    peak_s = (float(np.argmax(energy.mean(axis=1))) + 0.5) / 16
    length_s = wave.shape[1] / rate_hz
    start_s = float(np.clip(peak_s - BEFORE_S, 0.0, max(0.0, length_s - CLIP_S)))
    first, last = round(start_s * rate_hz), round((start_s + CLIP_S) * rate_hz)
    heard = hear(wave[:, first:last], rate_hz=rate_hz, start_s=start_s, peak_s=peak_s)
    return peak_s, attribute(pictures_of(path, start_s, start_s + CLIP_S), heard=heard)


def drawn() -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield ten seconds of 720p with two vehicles, made before they are timed."""
    rng = np.random.default_rng(1)
    ground = cv2.GaussianBlur(rng.integers(60, 200, (720, 1280, 3)).astype(np.uint8), (0, 0), 9)
    for number in range(250):
        picture = ground.copy()
        for closest_s, row, way in ((6.0, 400, 1), (4.0, 300, -1)):
            left = round(640 + way * 640 * (number / 25 - closest_s)) - 90
            cv2.rectangle(picture, (left, row), (left + 180, row + 90), (30, 30, 30), -1)
        yield number / 25, picture


def main() -> int:
    """Print."""
    cv2.setNumThreads(1)
    for path in sys.argv[1:]:
        began = time.process_time()
        peak_s, said = attribute_film(path)
        print(
            f"{Path(path).name}: loudest at {peak_s:.1f} s: {said.short} ({said.probability:.2f}). {said.why}"
        )
        for box in said.boxes[:: max(1, len(said.boxes) // 4)]:
            print(f"    {box.time_s:6.2f} s  {box.x:.2f} {box.y:.2f} {box.width:.2f} {box.height:.2f}")
        print(f"    {time.process_time() - began:.2f} s of CPU, decoding included")
    if len(sys.argv) == 1:
        frames = list(drawn())
        began = time.process_time()
        said = attribute(iter(frames), heard=Heard(peak_s=6.0, closest_s=6.02, closest_scatter_s=0.1))
        spent = time.process_time() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"250 pictures of 720p: {spent:.2f} s of CPU; {said.short}; process {memory:.0f} MiB at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
