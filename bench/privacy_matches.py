"""Does the signature still match what it matched, once voices are destroyed: out of fold, all recordings.

    .venv/bin/python bench/privacy_matches.py                 # some ten minutes of a core
    .venv/bin/python bench/privacy_matches.py --rounds 1 --others 0

The recipe's five folds are trained anew, as ``signatures train`` does. Every exhaust of the corpus is judged
by the fold that never heard its group; so is its treated version, sealed with the seconds that this fold
matched, as a node does it. Held-out groups, which no fold heard, are judged by the shipped signature and
stand beside. Intervals: 95 %, Wilson, of the clips, not of their treatments; clips are taken for independent
(there are nearly as many groups as clips).

"As it is" compares with the signature's threshold; "scored as treated" is what ``signatures score`` says of
a clip beside its ``event.json``: it gives back :data:`noisewatch.recognition.decision.TREATED_LOG_ODDS`.

How much of a firing track could stay at best is printed beside it: the same frames of the untouched sound
with pink noise 20 and 10 dB below it, which is no treatment at all.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from privacy_exhaust import OTHERS, Pair, as_sealed, recognised_spans, top_counts, track_counts
from privacy_voices import CORPUS, RATE_HZ, load

from noisewatch.cli.material import synthetic_table
from noisewatch.privacy.speech import METHOD
from noisewatch.recognition.corpus import Recording, is_held_out, read_manifest
from noisewatch.recognition.decision import TREATED_LOG_ODDS, treated_probability
from noisewatch.recognition.model import expit, model_from_document
from noisewatch.recognition.recipe import EXHAUST, settings_for
from noisewatch.recognition.signature import Signature, load_signature
from noisewatch.recognition.tables import Table, default_cache, table_of_corpus
from noisewatch.recognition.training import (
    Folds,
    Settings,
    calibration,
    class_names,
    clip_logits,
    fit,
    folds_of,
    threshold_at,
)
from noisewatch.recognition.wishes import claimed

Array = NDArray[np.float64]
SHIPPED = load_signature(Path(__file__).resolve().parent.parent / "signatures" / "exhaust")
CLIP_S, SYNTHETIC_CLIPS = 10, 30


@dataclass(frozen=True, slots=True)
class Judges:
    """The signature of each fold, calibrated together, and the fold of each group."""

    signatures: tuple[Signature, ...]
    fold_of_group: Mapping[str, int]


def train_folds(recordings: Sequence[Recording], settings: Settings) -> Judges:
    """Train the recipe's folds on all but the held-out groups; their threshold is chosen as training does."""
    table = table_of_corpus(
        recordings, copies=1, jobs=1, cache=default_cache(), feature_set=SHIPPED.feature_set
    )
    made = synthetic_table(SYNTHETIC_CLIPS, 1, SHIPPED.feature_set)
    table = claimed(table if made is None else table.joined(made), EXHAUST)
    folds, names = folds_of(table, settings), class_names(settings.own)
    labels = np.array([names.index(table.clips[i].class_name) for i in folds.rows])
    documents, logits = _fitted(table, folds, settings)
    slope, intercept = calibration(logits, labels, len(names))
    probabilities = expit(slope * logits + intercept)[:, 0]
    threshold = threshold_at(probabilities, labels == 0, settings.false_positive_rate)
    signatures = tuple(
        replace(
            SHIPPED,
            model=model_from_document({**document, "slope": slope, "intercept": intercept}, where="fold"),
            threshold=threshold,
        )
        for document in documents
    )
    found = float(np.mean(probabilities[labels == 0] >= threshold))
    print(
        f"out of fold: threshold {threshold}, recall {found:.3f} of {(labels == 0).sum()} exhausts",
        flush=True,
    )
    return Judges(signatures, folds.of_group)


def _fitted(table: Table, folds: Folds, settings: Settings) -> tuple[list[dict[str, object]], Array]:
    documents = []
    logits = np.zeros((folds.rows.size, len(class_names(settings.own))))
    for fold in range(settings.folds):
        document = fit(table, np.flatnonzero(folds.of_clip != fold), settings)
        inside = folds.rows[folds.of_row == fold]
        logits[folds.of_row == fold] = clip_logits(table, inside, model_from_document(document, where="fold"))
        documents.append(document)
        print(f"fold {fold + 1} of {settings.folds} trained", flush=True)
    return documents, logits


@dataclass(frozen=True, slots=True)
class Judged:
    """One recording, sealed, with the signature that judges it and what it says after the treatment."""

    pair: Pair
    signature: Signature
    after: float

    @property
    def was_match(self) -> bool:
        """Whether the untouched sound matches."""
        return self.pair.probability >= self.signature.threshold

    def is_match(self, *, as_treated: bool) -> bool:
        """Whether the treated sound matches."""
        said = treated_probability(self.after) if as_treated else self.after
        return said >= self.signature.threshold


def judged(recordings: Sequence[Recording], judges: Judges) -> Iterator[Judged]:
    """Treat each recording with the seconds that its own judge matched, and judge it again."""
    for row in recordings:
        wave = load(row.path)[: CLIP_S * RATE_HZ]
        wave = np.pad(wave, (0, max(0, RATE_HZ - wave.size)))
        fold = judges.fold_of_group.get(row.group)
        signature = SHIPPED if fold is None else judges.signatures[fold]
        pair = as_sealed(wave, signature)
        yield Judged(pair, signature, recognised_spans(pair.after, signature)[1])


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927)."""
    if count == 0:
        return 0.0, 1.0
    z = 1.959964
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return float(centre - half), float(centre + half)


def print_kept(what: str, found: Sequence[Judged], *, rounds: int = 1) -> None:
    """Print how many of the matched still match, and what of an exhaust stays in place."""
    matched = [one for one in found if one.was_match]
    for name, as_treated in (("as it is", False), (f"scored as treated (+{TREATED_LOG_ODDS})", True)):
        kept = sum(one.is_match(as_treated=as_treated) for one in matched)
        low, high = wilson(kept / max(len(matched), 1), len(matched) / rounds)
        new = sum(one.is_match(as_treated=as_treated) for one in found if not one.was_match)
        print(
            f"{what}, {name}: {kept} of {len(matched)} treated clips that matched before match again = "
            f"{kept / max(len(matched), 1):.1%} [{low:.1%} to {high:.1%}]; of the "
            f"{len(found) - len(matched)} that did not, {new} do",
            flush=True,
        )
    pairs = [one.pair for one in matched]
    for name, hits, count in (*top_counts(pairs), *track_counts(pairs)):
        print(f"{what}, matched: {name}: {hits} of {count} = {hits / max(count, 1):.1%}", flush=True)


def print_repeatability(found: Sequence[Judged], seed: int) -> None:
    """Print how well the firing track repeats itself on the untouched sound under a little noise."""
    rng = np.random.default_rng(seed)
    matched = [one.pair for one in found if one.was_match]
    for below_db in (20.0, 10.0):
        pairs = [replace(pair, after=with_pink_noise(pair.before, below_db, rng)) for pair in matched]
        for name, hits, count in track_counts(pairs):
            what = f"untouched, pink noise {below_db:.0f} dB below: {name}"
            print(f"{what}: {hits} of {count} = {hits / max(count, 1):.1%}", flush=True)


def with_pink_noise(wave: Array, below_db: float, rng: np.random.Generator) -> Array:
    """Return a sound with pink noise so far below it."""
    spectrum = np.fft.rfft(rng.standard_normal(wave.size))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1)), wave.size)
    return np.asarray(wave + pink * np.sqrt(np.mean(wave**2) / np.mean(pink**2)) * 10.0 ** (-below_db / 20.0))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=3, help="treatments of each clip, each of other entropy"
    )
    parser.add_argument("--others", type=int, default=300, help="other sounds of the corpus")
    parser.add_argument("--seed", type=int, default=20_261_122)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    rows = read_manifest(CORPUS)
    trained = [row for row in rows if not is_held_out(row.group)]
    print(f"{METHOD}, recipe of {SHIPPED.name} {SHIPPED.version}", flush=True)
    judges = train_folds(trained, settings_for(SHIPPED.feature_set))
    exhausts = [row for row in trained if row.label == "exhaust"]
    found = [one for _ in range(options.rounds) for one in judged(exhausts, judges)]
    print_kept("out of fold", found, rounds=options.rounds)
    print_repeatability(found[: len(exhausts)], options.seed)
    held_out = [row for row in rows if row.label == "exhaust" and is_held_out(row.group)]
    again = [one for _ in range(options.rounds) for one in judged(held_out, judges)]
    print_kept("held out", again, rounds=options.rounds)
    rng = np.random.default_rng(options.seed)
    others = [row for row in trained if row.label in OTHERS]
    drawn = [others[i] for i in rng.permutation(len(others))[: options.others]]
    if drawn:
        print_kept("other sounds, out of fold", list(judged(drawn, judges)))


if __name__ == "__main__":
    main()
