"""What of an exhaust survives the treatment, for bench/privacy.py: level, track, revs, backfires, signature.

Treated as the box does: with the seconds that the shipped signature matched. Held-out groups of the corpus
never trained it, so that their figures are out of sample; the others are marked as trained on.

Denominators: the firing frequency counts in frames of 0.25 s whose reference track has a confidence of 0.5 or
more; printed beside it: of these, the frames in recognised seconds, and those of a confidence of 0.9. Revs
are the tops of the level by 5 dB, as ``driving`` counts them; backfires are those that were found before.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from passby_package import make_package_passby
from privacy_voices import CORPUS, RATE_HZ, load
from scipy.signal import find_peaks

from noisewatch.acoustics.firing import decimate_for_analysis, firing_track
from noisewatch.acoustics.impulse import backfires, impulsiveness
from noisewatch.acoustics.meter import Meter
from noisewatch.privacy.recognised import Span
from noisewatch.privacy.speech import METHOD, destroy_voices
from noisewatch.recognition.corpus import is_held_out, read_manifest
from noisewatch.recognition.decision import treated_probability
from noisewatch.recognition.driving import level_steps
from noisewatch.recognition.score import file_probability, score_samples, veto_of
from noisewatch.recognition.signature import Signature, load_signature
from noisewatch.simulation.engine import backfire
from noisewatch.simulation.library import synthetic_clip

Array = NDArray[np.float64]
SIGNATURE = load_signature(Path(__file__).resolve().parent.parent / "signatures" / "exhaust")
NEAR, IN_PLACE_S, TOP_DB = 0.03, 0.25, 5.0
OTHERS = ("voice", "speech", "music", "rail", "engine_other", "tools_garden", "aircraft")


@dataclass(frozen=True, slots=True)
class Pair:
    """One sound before and after, and where the signature matched before."""

    before: Array
    after: Array
    spans: tuple[Span, ...]
    probability: float


def recognised_spans(wave: Array, signature: Signature = SIGNATURE) -> tuple[tuple[Span, ...], float]:
    """Return the seconds in which the signature matches, as a node's windows say, and its probability."""
    scores = score_samples(signature, wave, rate_hz=RATE_HZ)
    spans = tuple(
        (score.start_sample / RATE_HZ, score.end_sample / RATE_HZ)
        for score in scores
        if score.probability >= signature.opening and veto_of(score, signature) is None
    )
    return spans, file_probability(scores)


def as_sealed(wave: Array, signature: Signature = SIGNATURE) -> Pair:
    """Return a sound with what the box would seal of it."""
    spans, probability = recognised_spans(wave, signature)
    samples = wave.astype(np.float32)[np.newaxis]
    after = destroy_voices(samples, rate_hz=RATE_HZ, entropy=os.urandom(32), recognised=spans).samples[0]
    return Pair(wave, after.astype(np.float64), spans, probability)


def levels_db(wave: Array) -> tuple[float, float]:
    """Return LAeq and LAFmax."""
    meter = Meter(rate_hz=RATE_HZ)
    frames = [*meter.push(wave.astype(np.float32)), *meter.finish()]
    laeq = 10.0 * np.log10(np.mean([10.0 ** (frame.laeq_db / 10.0) for frame in frames]))
    return float(laeq), max(frame.lafmax_db for frame in frames)


def print_levels(what: str, pairs: list[Pair]) -> None:
    """Print the worst changes of LAeq and LAFmax."""
    change = np.array([np.subtract(levels_db(pair.after), levels_db(pair.before)) for pair in pairs])
    worst = np.abs(change).max(axis=0)
    print(
        f"{what}: worst |dLAeq| {worst[0]:.2f} dB, worst |dLAFmax| {worst[1]:.2f} dB of {len(pairs)}",
        flush=True,
    )


def track_counts(pairs: Sequence[Pair]) -> list[tuple[str, int, int]]:
    """Return in how many frames the firing frequency stayed within 3 %, of how many, by how sure it was."""
    near, confidence, is_known = (np.zeros(0) for _ in range(3))
    for pair in pairs:
        one, two = (firing_track(wave, rate_hz=RATE_HZ) for wave in (pair.before, pair.after))
        inside = [any(start <= at < end for start, end in pair.spans) for at in one.time_s]
        near = np.append(near, np.abs(two.candidate_hz / one.candidate_hz - 1.0) < NEAR)
        confidence, is_known = np.append(confidence, one.confidence), np.append(is_known, inside)
    return [
        (f"firing frequency within 3 % ({name})", int(near[chosen].sum()), int(chosen.sum()))
        for name, chosen in (
            ("confidence >= 0.5", confidence >= 0.5),
            ("confidence >= 0.5, recognised", (confidence >= 0.5) & (is_known > 0)),
            ("confidence >= 0.9, recognised", (confidence >= 0.9) & (is_known > 0)),
        )
    ]


def tops_s(wave: Array) -> Array:
    """Return when the level has a top of 5 dB or more."""
    time_s, level_db = level_steps(decimate_for_analysis(wave, RATE_HZ))
    tops, _ = find_peaks(level_db, prominence=TOP_DB, distance=3)
    return time_s[tops]


def top_counts(pairs: Sequence[Pair]) -> list[tuple[str, int, int]]:
    """Return how many tops of the level (revs) stayed in place, of how many."""
    stayed = total = 0
    for pair in pairs:
        after = tops_s(pair.after)
        for at_s in tops_s(pair.before):
            total += 1
            stayed += bool(after.size) and float(np.abs(after - at_s).min()) <= IN_PLACE_S
    return [(f"tops of the level (revs) in place to {IN_PLACE_S} s", stayed, total)]


def print_counts(what: str, counts: Sequence[tuple[str, int, int]]) -> None:
    """Print what stayed, of how many."""
    for name, stayed, total in counts:
        print(f"{what}: {name}: {stayed} of {total} = {stayed / max(total, 1):.1%}", flush=True)


def print_backfires(waves: list[Array], seed: int) -> None:
    """Print how many bangs that were found before are found in place after."""
    found_before = found_after = 0
    for case, wave in enumerate(waves):
        bang = backfire(np.random.default_rng([seed, case]), rate_hz=RATE_HZ)
        at = int((1.0 + 0.3 * case) * RATE_HZ)
        loud = wave.copy()
        part = loud[at : at + bang.size]
        part += bang[: part.size] * (2.0 * np.abs(wave).max() / np.abs(bang).max())
        pair = as_sealed(loud)
        hits = []
        for sound in (pair.before, pair.after):
            moment = backfires(impulsiveness(sound, rate_hz=RATE_HZ)).value
            hits.append(moment is not None and abs(moment - at / RATE_HZ) <= IN_PLACE_S)
        found_before += hits[0]
        found_after += hits[0] and hits[1]
    print(
        f"backfires in place to {IN_PLACE_S} s: {found_after} of the {found_before} found before", flush=True
    )


def print_matches(what: str, pairs: list[Pair]) -> None:
    """Print how many clips that matched before still match, as they are and scored as treated."""
    matched = [pair.probability >= SIGNATURE.threshold for pair in pairs]
    after = [recognised_spans(pair.after)[1] for pair in pairs]
    for name, said in (
        ("as they are", after),
        ("scored as treated", [treated_probability(probability) for probability in after]),
    ):
        again = [probability >= SIGNATURE.threshold for probability in said]
        held = sum(was and now for was, now in zip(matched, again, strict=True))
        print(
            f"{what}: {SIGNATURE.name} {SIGNATURE.version} matches {held} of {sum(matched)} treated clips "
            f"that matched before, {name}, and {sum(again) - held} of {len(pairs) - sum(matched)} others",
            flush=True,
        )


def print_exhaust(seed: int, clips: int = 18) -> None:
    """Print every figure, on simulated sounds and on as many of the corpus's exhausts and other sounds."""
    print(f"{METHOD}, signature {SIGNATURE.name} {SIGNATURE.version} {SIGNATURE.sha256[:12]}", flush=True)
    passes = [
        make_package_passby(
            np.random.default_rng([seed, case]), snr_db=(20, 10, 0)[case % 3],
            ramp_per_s=(0.0, 0.02, 0.05)[case // 3 % 3], rate_hz=RATE_HZ,
        ).samples.astype(np.float64)
        for case in range(clips)
    ]  # fmt: skip
    pairs = [as_sealed(wave) for wave in passes]
    _print_all("simulated passes", pairs)
    print_backfires(passes, seed)
    kinds = ("motorcycle-revving", "car-revving", "sport-exhaust")
    made = [
        synthetic_clip(kinds[i % 3], seed=seed + i, rate_hz=RATE_HZ, seconds=10.0)[0].astype(np.float64)
        for i in range(clips)
    ]
    _print_all("simulated exhausts, two thirds revved", [as_sealed(wave) for wave in made])
    if not (CORPUS / "manifest.csv").exists():
        print("no corpus: recordings were not tried")
        return
    rows = read_manifest(CORPUS)
    rng = np.random.default_rng(seed)
    held_out = [row for row in rows if row.label == "exhaust" and is_held_out(row.group)]
    trained = [row for row in rows if row.label == "exhaust" and not is_held_out(row.group)]
    others = [row for row in rows if row.label in OTHERS and is_held_out(row.group)]
    for what, chosen in (
        ("corpus exhausts, held out", held_out),
        ("corpus exhausts, trained on", [trained[i] for i in rng.permutation(len(trained))[:clips]]),
        ("corpus, other sounds, held out", [others[i] for i in rng.permutation(len(others))[: 2 * clips]]),
    ):
        sounds = [load(row.path)[: 10 * RATE_HZ] for row in chosen]
        found = [as_sealed(wave) for wave in sounds if wave.size >= RATE_HZ]
        if "other" in what:
            print_matches(what, found)
        else:
            _print_all(what, found)


def _print_all(what: str, pairs: list[Pair]) -> None:
    print_matches(what, pairs)
    print_levels(what, pairs)
    print_counts(what, [*track_counts(pairs), *top_counts(pairs)])


def main() -> None:
    """Print the figures without the rest of bench/privacy.py."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=20_261_122)
    parser.add_argument("--clips", type=int, default=18, help="sounds of each sort")
    arguments = parser.parse_args()
    begun = time.process_time()
    print_exhaust(arguments.seed, arguments.clips)
    print(f"{time.process_time() - begun:.0f} s of one core")


if __name__ == "__main__":
    main()
