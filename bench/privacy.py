"""How well voices are destroyed and how well an exhaust survives: every figure of issue 6, points 2 and 6.

    python bench/privacy.py [--alone] [--speech] [--attacks] [--levels] [--speakers] [--exhaust] [--seed N]
        [--record FILE] [--figures FILE] [--clips N] [--without RECOGNISER]

``--alone`` is the part of ``--speech`` without an exhaust. Without a flag all parts run (hours on one core
with every judge: give ``--record``, stop when you like, and go on later). ``--figures`` writes what
``noisewatch privacy dpia`` quotes. Which recordings and judges are needed, and where they come from:
``privacy_voices.py`` and ``privacy_judges.py`` beside this file. A judge that is not there is named as
missing, never counted as fooled.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from privacy_attacks import (
    ATTACKS,
    band_vectors,
    from_stored,
    stored_levels,
    stored_rows,
    vectors_of_rows,
    with_code_and_entropy,
)
from privacy_exhaust import as_sealed, print_exhaust
from privacy_figures import write_figures
from privacy_judges import cepstra, equal_error_rate, pitch, recognisers, speaker_embedding
from privacy_listening import UNTOUCHED, Way, counting, listen, misses, printed, read, summary
from privacy_voices import RATE_HZ, Spoken, speakers, spoken_clips

from noisewatch.privacy.bandnoise import Recipe
from noisewatch.privacy.speech import METHOD, destroy_voices
from noisewatch.simulation.library import synthetic_clip

Array = NDArray[np.float64]
SNR_DB = (None, 10.0, 0.0, -10.0)
PARTS = ("alone", "speech", "attacks", "levels", "speakers", "exhaust")


def treated(wave: Array, entropy: bytes | None = None, recipe: Recipe | None = None) -> Array:
    """Return one channel as the box would seal it."""
    options = {} if recipe is None else {"recipe": recipe}
    drawn = os.urandom(32) if entropy is None else entropy
    samples = wave.astype(np.float32)[np.newaxis]
    return destroy_voices(samples, rate_hz=RATE_HZ, entropy=drawn, **options).samples[0].astype(np.float64)


def with_exhaust(voice: Array, snr_db: float | None, seed: int) -> Array:
    """Return the voice over a passing simulated exhaust of a ratio of RMS, or alone."""
    if snr_db is None:
        return voice
    engine, _ = synthetic_clip("sport-exhaust", seed=seed, rate_hz=RATE_HZ, seconds=voice.size / RATE_HZ)
    gain = np.sqrt(np.mean(voice**2) / np.mean(engine**2)) * 10.0 ** (-snr_db / 20.0)
    return np.asarray(voice + gain * engine[: voice.size])


def speech_ways(seed: int) -> dict[str, Way]:
    """Return the sound alone and against exhaust, untouched and treated."""

    def untouched(clip: Spoken, number: int, *, snr_db: float | None) -> Array:
        return with_exhaust(clip.samples, snr_db, seed + number)

    def sealed(clip: Spoken, number: int, *, snr_db: float | None) -> Array:
        return as_sealed(with_exhaust(clip.samples, snr_db, seed + number)).after

    ways: dict[str, Way] = {}
    for snr_db in SNR_DB:
        where = "alone" if snr_db is None else f"{snr_db:+.0f} dB"
        ways[f"untouched, {where}"] = partial(untouched, snr_db=snr_db)
        ways[f"treated, {where}"] = partial(sealed, snr_db=snr_db)
    return ways


def attack_ways() -> dict[str, Way]:
    """Return what the known attacks get out of treated speech alone, and a build that leaks."""

    def attacked(clip: Spoken, number: int, *, name: str) -> Array:
        del number
        return ATTACKS[name](treated(clip.samples), RATE_HZ)

    def undone(clip: Spoken, number: int) -> Array:
        del number
        entropy = os.urandom(32)
        return with_code_and_entropy(treated(clip.samples, entropy), RATE_HZ, entropy)

    def averaged(clip: Spoken, number: int) -> Array:
        del number
        return np.asarray(np.mean([treated(clip.samples) for _ in range(6)], axis=0))

    def leaking(clip: Spoken, number: int) -> Array:
        del number
        return treated(clip.samples, recipe=Recipe(window_s=0.05, blur_octaves=0.0, colour_db=0.0))

    ways: dict[str, Way] = {f"attack: {name}": partial(attacked, name=name) for name in ATTACKS}
    ways["attack: code and entropy (never kept)"] = undone
    ways["attack: mean of six treatments"] = averaged
    return ways | {"control: window of 0.05 s (must leak)": leaking}


def level_ways() -> dict[str, Way]:
    """Return sound made again from all that is stored of an event, and from finer bands as a control."""

    def rebuilt(clip: Spoken, number: int, *, step_s: float) -> Array:
        del number
        wave = clip.samples[: clip.samples.size // RATE_HZ * RATE_HZ]
        table = stored_levels(wave, RATE_HZ)
        if step_s == 1.0:
            vectors = vectors_of_rows(stored_rows(wave, RATE_HZ), rate_hz=RATE_HZ)
        else:
            vectors = band_vectors(wave, rate_hz=RATE_HZ, step_s=step_s)
        return from_stored(vectors, table, rate_hz=RATE_HZ, step_s=step_s)

    return {
        "stored: levels and voice-free rows": partial(rebuilt, step_s=1.0),
        "control: bands 20 ms (must leak)": partial(rebuilt, step_s=0.02),
    }


def print_speakers(*, rounds: int = 1) -> dict[str, dict[str, float]]:
    """Print equal error rates: untouched, treated against treated, untouched against treated."""
    people = speakers()
    who = [(group, speaker) for group, speaker, _ in people]
    before = [wave for _, _, wave in people]
    embed = speaker_embedding()
    judges = {"MFCC statistics": cepstra, "pitch statistics": pitch}
    if embed is not None:
        judges = {"Resemblyzer": embed, **judges}
    print(f"{len(set(who))} speakers, {len(who)} clips, {rounds} treatments of each")
    found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in judges}
    for _ in range(rounds):
        after = [treated(wave) for wave in before]
        for name, judge in judges.items():
            untouched, sealed = (np.array([judge(wave) for wave in waves]) for waves in (before, after))
            is_cosine = name == "Resemblyzer"
            if not is_cosine:
                untouched, sealed = _standardised(untouched), _standardised(sealed)
            pairs = {
                "untouched": (untouched, untouched),
                "treated": (sealed, sealed),
                "cross": (untouched, sealed),
            }
            for key, (a, b) in pairs.items():
                found[name][key].append(equal_error_rate(who, a, b, is_cosine=is_cosine))
    means = {
        name: {key: float(np.mean(values)) for key, values in rates.items()} for name, rates in found.items()
    }
    for name, rates in found.items():
        texts = [f"{key} {np.mean(v):.1%} ({min(v):.1%} to {max(v):.1%})" for key, v in rates.items()]
        print(f"{name:18s} EER " + ", ".join(texts), flush=True)
    return {"people": {"speakers": len(set(who)), "clips": len(who), "rounds": rounds}, **means}


def _standardised(values: Array) -> Array:
    return np.asarray((values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9))


def picked(most: int) -> list[Spoken]:
    """Return the clips that are installed, of each language and sex no more than asked, in turns."""
    by_kind: dict[tuple[str, str], list[Spoken]] = defaultdict(list)
    for clip in spoken_clips():
        by_kind[clip.language, clip.sex].append(clip)
    kinds = [clips[:most] for clips in by_kind.values()]
    longest = max((len(clips) for clips in kinds), default=0)
    return [clips[turn] for turn in range(longest) for clips in kinds if turn < len(clips)]


def print_heard(arguments: argparse.Namespace, asked: set[str], record: Path) -> None:
    """Let the judges hear every clip in every way that was asked for, and print the sums."""
    clips = picked(arguments.clips)
    judges = {name: judge for name, judge in recognisers().items() if name not in arguments.without}
    languages = sorted({clip.language for clip in clips})
    print(f"{METHOD}: {len(clips)} clips, {len({clip.speaker for clip in clips})} voices, {languages}")
    print(f"recognisers: {sorted(judges) or 'none installed'}", flush=True)
    spoken = speech_ways(arguments.seed)
    alone = {name: way for name, way in spoken.items() if name.endswith("alone")}
    ways = spoken if "speech" in asked else alone if "alone" in asked else {UNTOUCHED: spoken[UNTOUCHED]}
    more = (attack_ways() if "attacks" in asked else {}) | (level_ways() if "levels" in asked else {})
    for number, clip in enumerate(clips):  # clip by clip: a run that is stopped has heard some in every way
        each = ways | (more if number // 8 % arguments.thin == 0 else {})
        listen([clip], each, judges, record=record, method=METHOD)
    counts = sorted(counting(read(record)))
    print(f"count, as they have at most 40 % WER on the untouched sound alone: {counts}", flush=True)


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--seed", type=int, default=20_261_122)
    parser.add_argument("--clips", type=int, default=1000, help="at most this many of each language and sex")
    parser.add_argument("--without", action="append", default=[], help="leave this recogniser out")
    parser.add_argument("--thin", type=int, default=1, help="attacks and levels in every so manieth turn")
    parser.add_argument("--record", type=Path, help="keep what was heard here, and go on from it")
    parser.add_argument("--figures", type=Path, help="write the figures here as JSON, from the record")
    parser.add_argument("--rounds", type=int, default=3, help="treatments of each speaker's clip")
    arguments = parser.parse_args()
    asked = {part for part in PARTS if getattr(arguments, part)} or set(PARTS)
    begun = time.process_time()
    destroy_voices(
        np.random.default_rng(1).standard_normal((1, 480_000)).astype(np.float32),
        rate_hz=48_000, entropy=os.urandom(32),
    )  # fmt: skip
    print(f"10 s at 48 kHz treated in {time.process_time() - begun:.2f} s of one core", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        record = arguments.record or Path(folder) / "record.jsonl"
        if asked & {"alone", "speech", "attacks", "levels"}:
            print_heard(arguments, asked, record)
        rows = [row for row in read(record) if row["way"].startswith("untouched") or row["method"] == METHOD]
        figures = summary(rows)
        print(printed(figures))
        for miss in misses(figures, rows):
            print(f"MISSED {miss}")
        eer = print_speakers(rounds=arguments.rounds) if "speakers" in asked else None
        if arguments.figures:
            write_figures(arguments.figures, figures, misses(figures, rows), eer, method=METHOD)
    if "exhaust" in asked:
        print_exhaust(arguments.seed)


if __name__ == "__main__":
    main()
