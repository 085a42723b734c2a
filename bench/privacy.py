"""How well voices are destroyed and how well an exhaust survives: every figure of issue 6, points 2 and 6.

    python bench/privacy.py [--speech] [--attacks] [--levels] [--speakers] [--exhaust] [--seed N]

Without a flag all parts run (half an hour on one core with every judge). Which recordings and judges are
needed, and where they come from: ``privacy_voices.py`` and ``privacy_judges.py`` beside this file. A judge
that is not there is named as missing, never counted as fooled.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from privacy_attacks import ATTACKS, band_vectors, from_bands, with_code_and_entropy
from privacy_exhaust import print_exhaust
from privacy_judges import (
    cepstra,
    content_found,
    equal_error_rate,
    intelligibility,
    pitch,
    recognisers,
    speaker_embedding,
    word_errors,
    words,
)
from privacy_voices import RATE_HZ, Spoken, speakers, spoken_clips

from noisewatch.privacy.bandnoise import Recipe
from noisewatch.privacy.level import a_weighted, fast_energy
from noisewatch.privacy.speech import METHOD, destroy_voices
from noisewatch.simulation.library import synthetic_clip

Array = NDArray[np.float64]
SNR_DB = (None, 10.0, 0.0, -10.0)
COUNTS_BELOW_WER = 0.40


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


class Tally:
    """Word errors, content words and intelligibility, summed per row of a table."""

    def __init__(self) -> None:
        self.errors: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.clear: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.judges = recognisers()
        self.counting: dict[tuple[str, str], bool] = {}

    def listen(self, row: str, clip: Spoken, wave: Array, *, judges: tuple[str, ...] | None = None) -> None:
        """Let every recogniser of the clip's language that counts hear the sound."""
        said = words(clip.text)
        for name, (hear, languages) in self.judges.items():
            if clip.language not in languages or (judges is not None and name not in judges):
                continue
            heard = words(hear(wave, clip.language))
            wrong, (found, content) = word_errors(said, heard), content_found(said, heard)
            for key in ((row, f"{name}, {clip.language}"), (row, name)):
                for place, value in enumerate((wrong, len(said), found, content)):
                    self.errors[key][place] += value

    def clarity(self, row: str, clean: Array, wave: Array) -> None:
        """Add STOI and ESTOI against the clean voice."""
        size = min(clean.size, wave.size)
        self.clear[row].append(intelligibility(clean[:size], wave[:size]))

    def show(self) -> None:
        """Print the table."""
        for row, values in self.clear.items():
            mean, worst = np.mean(values, axis=0), np.max(values, axis=0)
            print(f"{row:44s} STOI {mean[0]:.2f} (worst {worst[0]:.2f})  ESTOI {mean[1]:.2f} "
                  f"(worst {worst[1]:.2f})  {len(values)} clips", flush=True)  # fmt: skip
        for (row, name), (wrong, said, found, content) in self.errors.items():
            print(f"{row:44s} {name:22s} WER {wrong / said:6.1%}  content words {found}/{content} "
                  f"= {found / max(content, 1):.1%}", flush=True)  # fmt: skip


def print_speech(clips: list[Spoken], seed: int) -> None:
    """Print what recognisers and STOI find, alone and against exhaust."""
    print("a recogniser counts for a language where its WER on the untouched sound alone is 40 % or less")
    for snr_db in SNR_DB:
        tally = Tally()
        where = "alone" if snr_db is None else f"{snr_db:+.0f} dB"
        for number, clip in enumerate(clips):
            mix = with_exhaust(clip.samples, snr_db, seed + number)
            sealed = treated(mix)
            tally.clarity(f"untouched, {where}", clip.samples, mix)
            tally.clarity(f"treated, {where}", clip.samples, sealed)
            if snr_db is None:
                tally.listen(f"untouched, {where}", clip, mix)
            tally.listen(f"treated, {where}", clip, sealed)
        tally.show()


def print_attacks(clips: list[Spoken]) -> None:
    """Print what the known attacks get out of treated speech alone."""
    tally = Tally()
    for clip in clips:
        entropy = os.urandom(32)
        sealed = treated(clip.samples, entropy)
        for name, attack in ATTACKS.items():
            got = attack(sealed, RATE_HZ)
            tally.clarity(f"attack: {name}", clip.samples, got)
            tally.listen(f"attack: {name}", clip, got)
        got = with_code_and_entropy(sealed, RATE_HZ, entropy)
        tally.clarity("attack: code and entropy (never kept)", clip.samples, got)
        tally.listen("attack: code and entropy (never kept)", clip, got)
        control = treated(clip.samples, recipe=Recipe(window_s=0.05, blur_octaves=0.0, colour_db=0.0))
        tally.clarity("control: window of 0.05 s (must leak)", clip.samples, control)
        tally.listen("control: window of 0.05 s (must leak)", clip, control)
    tally.show()


def print_levels(clips: list[Spoken]) -> None:
    """Print what is got from levels every 125 ms and band vectors of 1 s, and of 20 ms as a control."""
    tally = Tally()
    for clip in clips:
        fast = fast_energy(a_weighted(clip.samples, rate_hz=RATE_HZ), rate_hz=RATE_HZ)
        levels_db = 10.0 * np.log10(fast[:: RATE_HZ // 8] + 1e-12)
        for step_s, row in ((1.0, "LAF 125 ms and bands 1 s"), (0.02, "control: bands 20 ms (must leak)")):
            vectors = band_vectors(clip.samples, rate_hz=RATE_HZ, step_s=step_s)
            levels = levels_db if step_s == 1.0 else None
            got = from_bands(vectors, rate_hz=RATE_HZ, step_s=step_s, levels_db=levels)
            tally.clarity(row, clip.samples, got)
            tally.listen(row, clip, got)
    tally.show()


def print_speakers() -> None:
    """Print equal error rates: untouched, treated against treated, untouched against treated."""
    people = speakers()
    who = [(group, speaker) for group, speaker, _ in people]
    before = [wave for _, _, wave in people]
    after = [treated(wave) for wave in before]
    embed = speaker_embedding()
    judges = {"MFCC statistics": cepstra, "pitch statistics": pitch}
    if embed is not None:
        judges = {"Resemblyzer": embed, **judges}
    print(f"{len(set(who))} speakers, {len(who)} clips")
    for name, judge in judges.items():
        untouched, sealed = (np.array([judge(wave) for wave in waves]) for waves in (before, after))
        is_cosine = name == "Resemblyzer"
        if not is_cosine:
            untouched, sealed = ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9) for x in (untouched, sealed))
        pairs = {
            "untouched": (untouched, untouched),
            "treated": (sealed, sealed),
            "cross": (untouched, sealed),
        }
        rates = {key: equal_error_rate(who, a, b, is_cosine=is_cosine) for key, (a, b) in pairs.items()}
        print(f"{name:18s} EER " + ", ".join(f"{key} {rate:.1%}" for key, rate in rates.items()), flush=True)


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for part in ("speech", "attacks", "levels", "speakers", "exhaust"):
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--seed", type=int, default=20_261_122)
    parser.add_argument(
        "--clips", type=int, default=1000, help="no more clips than this of each language and sex"
    )
    arguments = parser.parse_args()
    everything = not any(
        getattr(arguments, part) for part in ("speech", "attacks", "levels", "speakers", "exhaust")
    )
    clips, seen = [], defaultdict(int)
    for clip in spoken_clips():
        seen[clip.language, clip.sex] += 1
        clips += [clip] if seen[clip.language, clip.sex] <= arguments.clips else []
    languages = sorted({clip.language for clip in clips})
    print(f"{METHOD}: {len(clips)} clips, {len({clip.speaker for clip in clips})} voices, {languages}")
    print(f"recognisers: {sorted(recognisers()) or 'none installed'}", flush=True)
    begun = time.process_time()
    destroy_voices(
        np.random.default_rng(1).standard_normal((1, 480_000)).astype(np.float32),
        rate_hz=48_000, entropy=os.urandom(32),
    )  # fmt: skip
    print(f"10 s at 48 kHz treated in {time.process_time() - begun:.2f} s of one core", flush=True)
    if everything or arguments.speech:
        print_speech(clips, arguments.seed)
    if everything or arguments.attacks:
        print_attacks(clips)
    if everything or arguments.levels:
        print_levels(clips)
    if everything or arguments.speakers:
        print_speakers()
    if everything or arguments.exhaust:
        print_exhaust(treated, arguments.seed)


if __name__ == "__main__":
    main()
