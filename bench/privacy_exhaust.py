"""What of an exhaust survives the treatment, for bench/privacy.py: level, track, backfires, signature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from passby_package import make_package_passby
from privacy_voices import CORPUS, RATE_HZ, load

from noisewatch.acoustics.firing import firing_track
from noisewatch.acoustics.impulse import backfires, impulsiveness
from noisewatch.acoustics.meter import Meter
from noisewatch.recognition.corpus import read_manifest
from noisewatch.recognition.score import file_probability, score_samples
from noisewatch.recognition.signature import load_signature
from noisewatch.simulation.engine import backfire

Array = NDArray[np.float64]
Treat = Callable[[Array], Array]
PASSES, CLIPS = 18, 30


def levels_db(wave: Array) -> tuple[float, float]:
    """Return LAeq and LAFmax."""
    meter = Meter(rate_hz=RATE_HZ)
    frames = [*meter.push(wave.astype(np.float32)), *meter.finish()]
    laeq = 10.0 * np.log10(np.mean([10.0 ** (frame.laeq_db / 10.0) for frame in frames]))
    return float(laeq), max(frame.lafmax_db for frame in frames)


def print_exhaust(treated: Treat, seed: int) -> None:
    """Print how level, firing frequency, backfires and signature come through."""
    passes = [
        make_package_passby(
            np.random.default_rng([seed, case]), snr_db=(20, 10, 0)[case % 3],
            ramp_per_s=(0.0, 0.02, 0.05)[case // 3 % 3], rate_hz=RATE_HZ,
        ).samples.astype(np.float64)
        for case in range(PASSES)
    ]  # fmt: skip
    sealed = [treated(wave) for wave in passes]
    _print_levels("simulated passes", passes, sealed)
    _print_tracks("simulated passes", passes, sealed)
    _print_backfires(passes, treated, seed)
    if not (CORPUS / "manifest.csv").exists():
        print("no corpus: the signature was not tried")
        return
    rows = [row for row in read_manifest(CORPUS) if row.label == "exhaust"]
    picked = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))[:CLIPS]]
    sounds = [load(row.path)[: 10 * RATE_HZ] for row in picked]
    sounds = [wave for wave in sounds if wave.size >= 2 * RATE_HZ]
    answers = [treated(wave) for wave in sounds]
    _print_levels("corpus exhausts", sounds, answers)
    _print_tracks("corpus exhausts", sounds, answers)
    _print_signature(sounds, answers)


def _print_levels(what: str, before: list[Array], after: list[Array]) -> None:
    change = np.array([np.subtract(levels_db(b), levels_db(a)) for a, b in zip(before, after, strict=True)])
    worst = np.abs(change).max(axis=0)
    print(
        f"{what}: worst |dLAeq| {worst[0]:.2f} dB, worst |dLAFmax| {worst[1]:.2f} dB of {len(before)}",
        flush=True,
    )


def _print_tracks(what: str, before: list[Array], after: list[Array]) -> None:
    near, known = [], []
    for a, b in zip(before, after, strict=True):
        one, two = (firing_track(wave, rate_hz=RATE_HZ) for wave in (a, b))
        sure = one.confidence >= 0.5
        near += list(np.abs(two.candidate_hz / one.candidate_hz - 1.0)[sure] < 0.03)
        known.append(float(sure.mean()))
    print(f"{what}: firing frequency within 3 % in {np.mean(near):.1%} of {len(near)} frames of 0.25 s "
          f"where it was known before ({np.mean(known):.0%} of all)", flush=True)  # fmt: skip


def _print_backfires(passes: list[Array], treated: Treat, seed: int) -> None:
    found_before = found_after = 0
    for case, wave in enumerate(passes):
        bang = backfire(np.random.default_rng([seed, case]), rate_hz=RATE_HZ)
        at = int((1.0 + 0.3 * case) * RATE_HZ)
        loud = wave.copy()
        part = loud[at : at + bang.size]
        part += bang[: part.size] * (2.0 * np.abs(wave).max() / np.abs(bang).max())
        hits = []
        for sound in (loud, treated(loud)):
            found = backfires(impulsiveness(sound, rate_hz=RATE_HZ))
            moments = [found.value, *(other.value for other in found.alternatives)]
            hits.append(any(m is not None and abs(m - at / RATE_HZ) <= 0.25 for m in moments[:1]))
        found_before += hits[0]
        found_after += hits[0] and hits[1]
    print(f"backfires in place to 0.25 s: {found_after} of the {found_before} found before", flush=True)


def _print_signature(before: list[Array], after: list[Array]) -> None:
    signature = load_signature(Path(__file__).resolve().parent.parent / "signatures" / "exhaust")
    held = matched = 0
    for a, b in zip(before, after, strict=True):
        if file_probability(score_samples(signature, a, rate_hz=RATE_HZ)) >= signature.threshold:
            matched += 1
            held += file_probability(score_samples(signature, b, rate_hz=RATE_HZ)) >= signature.threshold
    print(f"signature {signature.name} {signature.version}: matches {held} of {matched} treated clips that "
          f"matched before (of {len(before)})", flush=True)  # fmt: skip
