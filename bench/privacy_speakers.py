"""Who speaks beside an exhaust, as a box seals it: equal error rates of a speaker encoder over mixes.

    NOISEWATCH_RESEMBLYZER=weights.npz python bench/privacy_speakers.py [--rounds N]

Each voice of ``bench/privacy_voices.py`` that was recorded is mixed with a simulated sport exhaust at +10,
0 and -10 dB (voice against exhaust), then treated with the seconds that the shipped signature matched, as a
node does. Printed: the encoder's equal error rate on the untouched mix, on the sealed sound, and across;
means of some rounds, each with other exhausts and other entropy: one round moves by five points either way.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import privacy_voices
from privacy import with_exhaust
from privacy_exhaust import as_sealed
from privacy_judges import equal_error_rate, speaker_embedding
from privacy_voices import RATE_HZ

from noisewatch.privacy.speech import METHOD

SEED = 100


def main() -> None:
    """Print one line per ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4, help="mixes and treatments of each voice")
    rounds = parser.parse_args().rounds
    embed = speaker_embedding()
    if embed is None:
        sys.exit("name the weights of Resemblyzer: NOISEWATCH_RESEMBLYZER=weights.npz")
    # made voices would be told apart by their machine
    privacy_voices._FLITE = privacy_voices._FESTIVAL = ()
    people = privacy_voices.speakers()
    who = [(group, speaker) for group, speaker, _ in people]
    print(f"{METHOD}, {len(set(who))} speakers, {len(people)} clips, {rounds} rounds")
    for ratio_db in (10.0, 0.0, -10.0):
        found, inside = [], []
        for turn in range(rounds):
            seeds = range(SEED + 1000 * turn, SEED + 1000 * turn + len(people))
            mixes = [
                with_exhaust(wave, ratio_db, seed) for seed, (_, _, wave) in zip(seeds, people, strict=True)
            ]
            pairs = [as_sealed(mix) for mix in mixes]
            before = np.array([embed(mix) for mix in mixes])
            after = np.array([embed(pair.after) for pair in pairs])
            inside += [_share(pair.spans, pair.before.size / RATE_HZ) for pair in pairs]
            sides = ((before, before), (after, after), (before, after))
            found.append([equal_error_rate(who, one, other, is_cosine=True) for one, other in sides])
        words = [
            f"{name} {np.mean(rates):.1%} ({min(rates):.1%} to {max(rates):.1%})"
            for name, rates in zip(("untouched", "sealed", "across"), zip(*found, strict=True), strict=True)
        ]
        print(
            f"{ratio_db:+3.0f} dB: {', '.join(words)}; recognised {np.mean(inside):.0%} of the time",
            flush=True,
        )


def _share(spans: tuple[tuple[float, float], ...], duration_s: float) -> float:
    grid_s = np.arange(0.0, duration_s, 0.01)
    return float(np.mean([any(a <= t < b for a, b in spans) for t in grid_s])) if grid_s.size else 0.0


if __name__ == "__main__":
    main()
