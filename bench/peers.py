"""Peers in one table: level only, octave template, YAMNet's classes and embedding, voice-free, shipped.

All judge the same clips of the corpus, trained ones by the same folds of whole buckets of groups; AUROC,
average precision and recall at 1 % false positives with 95 % intervals by group bootstrap. It also says
what the voice-free set loses against the full one. YAMNet needs `noisewatch models fetch yamnet` (or
NOISEWATCH_MODELS); its five road classes were chosen on such recordings, which flatters it.

    python bench/peers.py [CORPUS] [--jobs 2] [--synthetic 30] [--draws 500]
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisewatch.cli.material import synthetic_table
from noisewatch.recognition import embedding
from noisewatch.recognition.corpus import bucket_folds, default_corpus, read_manifest
from noisewatch.recognition.decision import pooled
from noisewatch.recognition.evaluation import Judged, evaluate
from noisewatch.recognition.features import FEATURE_SET
from noisewatch.recognition.featuresets import feature_set
from noisewatch.recognition.recipe import EXHAUST, settings_for
from noisewatch.recognition.tables import Table, default_cache, table_of_corpus
from noisewatch.recognition.training import out_of_fold
from noisewatch.recognition.wishes import claimed

FIGURES = ("auroc", "average_precision", "recall_at_fpr_0_01")
FOLDS = 5
#: The classes that the reference chose: the loudest of them says how much a sound is of an engine on a road.
ROAD_CLASSES = (
    "Accelerating, revving, vroom",
    "Motorcycle",
    "Car",
    "Engine starting",
    "Motorboat, speedboat",
)


def judged(table: Table, scores: NDArray[np.float64]) -> list[Judged]:
    """Pair one score for each recording with what the recording is; scores need order only."""
    clips = [clip for clip in table.clips if clip.origin == "corpus"]
    return [
        Judged(c.label, c.group, c.source, c.class_name == "exhaust", float(s))
        for c, s in zip(clips, scores, strict=True)
    ]


def by_clip(table: Table, windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each recording's five clearest windows."""
    corpus = [i for i, clip in enumerate(table.clips) if clip.origin == "corpus"]
    return np.array([pooled(windows[table.clip_of == i]) for i in corpus])


def level_only(table: Table) -> NDArray[np.float64]:
    """Return the level of each recording's loudest second; recordings are not calibrated."""
    loudest = np.full(len(table.clips), -np.inf)
    np.maximum.at(loudest, table.clip_of, table.levels_db)
    return loudest[[i for i, clip in enumerate(table.clips) if clip.origin == "corpus"]]


def octave_template(table: Table) -> NDArray[np.float64]:
    """Return the likeness of one-third octaves to the mean exhaust's of the other folds (cosine)."""
    bands = [i for i, name in enumerate(feature_set(table.feature_set).names) if "_band_" in name]
    spectra = 10 ** (table.features[:, bands].astype(np.float64) / 20)
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    is_own = np.array([clip.class_name == "exhaust" for clip in table.clips])
    folds = bucket_folds([clip.group for clip in table.clips], is_own.tolist(), folds=FOLDS)
    likeness = np.zeros(len(spectra))
    loud = table.loud_rows()
    for fold in range(FOLDS):
        inside = folds[table.clip_of] == fold
        template = spectra[~inside & loud & is_own[table.clip_of]].mean(axis=0)
        likeness[inside] = spectra[inside] @ template / np.linalg.norm(template)
    return by_clip(table, likeness)


def yamnet_classes(table: Table, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the highest of YAMNet's own scores among some classes, untrained; from the embedding."""
    folder = embedding.models_folder()
    with (folder / "yamnet_class_map.csv").open(newline="") as stream:
        index = [int(row["index"]) for row in csv.DictReader(stream) if row["display_name"] in names]
    weights, bias = embedding.load_embedder(folder / embedding.FILE).answers()
    return by_clip(table, (table.features @ weights[index].T + bias[index]).max(axis=1).astype(np.float64))


def trained(table: Table, jobs: int) -> NDArray[np.float64]:
    """Return out-of-fold log odds of each recording, as `signatures evaluate` makes them."""
    scores = out_of_fold(table, replace(settings_for(table.feature_set), folds=FOLDS), jobs=jobs)
    return scores.logits[:, 0]


def tables(corpus: Path, name: str, *, copies: int, synthetic: int, jobs: int) -> Table:
    """Return the corpus, its copies and synthetic clips in one feature set, unclear recordings left out."""
    made = table_of_corpus(
        read_manifest(corpus), copies=copies, jobs=jobs, cache=default_cache(), feature_set=name
    )
    extra = synthetic_table(synthetic, jobs, name)
    return claimed(made if extra is None else made.joined(extra), EXHAUST)


def main() -> None:
    """Measure every peer and print the table, one JSON line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", type=Path, default=default_corpus())
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--copies", type=int, default=1, help="augmented copies, of trained ones")
    parser.add_argument("--synthetic", type=int, default=30, help="synthetic clips of each kind")
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args()

    def show(peer: str, table: Table, scores: NDArray[np.float64]) -> None:
        # log odds become figures between 0 and 1 so that the calibration's bins are defined; order stays
        rank = np.argsort(np.argsort(scores, kind="stable")) / scores.size
        rank = rank if np.unique(scores).size == scores.size else 1 / (1 + np.exp(-scores / 10))
        found = evaluate(judged(table, rank), threshold=0.5, draws=options.draws)
        row = {key: [round(found[k], 3) for k in (key, f"{key}_low", f"{key}_high")] for key in FIGURES}
        print(json.dumps({"peer": peer, **row}), flush=True)

    extra = {"copies": options.copies, "synthetic": options.synthetic, "jobs": options.jobs}
    plain = tables(options.corpus, "voice-free-1", **extra)
    show("level only", plain, level_only(plain))
    show("octave template", plain, octave_template(plain))
    heard = tables(options.corpus, embedding.NAME, **extra)
    show("YAMNet class Motorcycle", heard, yamnet_classes(heard, ["Motorcycle"]))
    show("YAMNet five road classes", heard, yamnet_classes(heard, ROAD_CLASSES))
    show("YAMNet embedding (yamnet-1)", heard, trained(heard, options.jobs))
    show("voice-free-1", plain, trained(plain, options.jobs))
    full = tables(options.corpus, FEATURE_SET, **extra)
    show(f"exhaust as shipped ({FEATURE_SET})", full, trained(full, options.jobs))


if __name__ == "__main__":
    main()
