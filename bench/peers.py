"""Peers in one table: level only, octave template, YAMNet's classes and embedding, voice-free, shipped.

All judge the same clips of the corpus, trained ones by the same folds of whole buckets of groups; AUROC,
average precision and recall at 1 % false positives with 95 % intervals by group bootstrap. Where both are
asked for, the last line says what the voice-free set loses against the full one, in the same draws of groups.
YAMNet needs `noisewatch models fetch yamnet` (or NOISEWATCH_MODELS); its five road classes were chosen on
such recordings, which flatters it. Tables and out-of-fold scores are kept under NOISEWATCH_CACHE by what they
were made of, so that a second run takes seconds.

    python bench/peers.py [CORPUS] [--tables level,octave,classes,yamnet,voice-free,full] [--jobs 2]
        [--copies 1] [--synthetic 30] [--draws 500]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import inspect
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisewatch import simulation
from noisewatch.cli.material import synthetic_table
from noisewatch.recognition import decision, embedding, model, training, trees
from noisewatch.recognition.corpus import bucket_folds, default_corpus, read_manifest
from noisewatch.recognition.evaluation import Judged, Ranked, Street, evaluate, group_draws
from noisewatch.recognition.features import FEATURE_SET
from noisewatch.recognition.featuresets import feature_set
from noisewatch.recognition.recipe import EXHAUST, settings_for
from noisewatch.recognition.tables import Clip, Table, code_sha256, default_cache, table_of_corpus
from noisewatch.recognition.wishes import claimed

FIGURES = ("auroc", "average_precision", "recall_at_fpr_0_01")
FOLDS = 5
#: What `--tables` may name.
KEYS = ("level", "octave", "classes", "yamnet", "voice-free", "full")
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
    return np.array([decision.pooled(windows[table.clip_of == i]) for i in corpus])


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


def trained(table: Table, options: argparse.Namespace) -> NDArray[np.float64]:
    """Return out-of-fold log odds of each recording, as `signatures evaluate` makes them; kept on disk."""
    settings = replace(settings_for(table.feature_set), folds=FOLDS)
    code = b"".join(
        Path(inspect.getfile(module)).read_bytes() for module in (training, trees, model, decision)
    )
    path = kept_at(
        "scores", hashlib.sha256(code).hexdigest(), settings, table_key(options, table.feature_set)
    )
    if not path.is_file():
        scores = training.out_of_fold(table, settings, jobs=options.jobs)
        keep(path, logits=scores.logits)
    with np.load(path, allow_pickle=False) as stored:
        return np.asarray(stored["logits"][:, 0])


def tables(name: str, options: argparse.Namespace) -> Table:
    """Return the corpus, its copies and synthetic clips in one feature set, unclear recordings left out."""
    path = kept_at("table", table_key(options, name))
    if not path.is_file():
        made = table_of_corpus(
            read_manifest(options.corpus),
            copies=options.copies,
            jobs=options.jobs,
            cache=default_cache(),
            feature_set=name,
        )
        extra = synthetic_table(options.synthetic, options.jobs, name)
        whole = made if extra is None else made.joined(extra)
        described = json.dumps([asdict(clip) for clip in whole.clips])
        keep(
            path,
            features=whole.features,
            levels_db=whole.levels_db,
            clip_of=whole.clip_of,
            clips=np.array(described),
        )
    with np.load(path, allow_pickle=False) as stored:
        clips = tuple(Clip(**clip) for clip in json.loads(str(stored["clips"])))
        whole = Table(stored["features"], stored["levels_db"], stored["clip_of"], clips, name)
    return claimed(whole, EXHAUST)


def table_key(options: argparse.Namespace, name: str) -> str:
    """Return what a table is made of: recordings, code of the features and of the simulator, counts."""
    digest = hashlib.sha256((options.corpus / "manifest.csv").read_bytes())
    for path in sorted(Path(simulation.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"{name} {code_sha256(name)} {options.copies} {options.synthetic} {digest.hexdigest()}"


def kept_at(kind: str, *made_of: object) -> Path:
    """Return the file of a table or of scores, named by what it is made of."""
    digest = hashlib.sha256(repr(made_of).encode()).hexdigest()
    return default_cache().parent / "bench" / f"{kind}-{digest}.npz"


def keep(path: Path, **arrays: Any) -> None:
    """Write arrays under another name first, so that a run that is stopped leaves no half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    np.savez(temporary, **arrays)
    temporary.replace(path)


def ranked(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring scores between 0 and 1, in the same order: the calibration's bins ask for that."""
    rank = np.argsort(np.argsort(scores, kind="stable")) / scores.size
    return np.asarray(rank if np.unique(scores).size == scores.size else 1 / (1 + np.exp(-scores / 10)))


def loss(
    table: Table, poorer: NDArray[np.float64], richer: NDArray[np.float64], draws: int
) -> dict[str, list[float]]:
    """Return by how much the poorer scores fall short, with intervals: each draw of groups judges both."""
    street = Street()
    clips = judged(table, poorer)
    own = np.array([clip.is_own for clip in clips])
    both = [Ranked.of(scores, own, 0.5) for scores in (poorer, richer)]

    def difference(weights: NDArray[np.float64]) -> list[float]:
        low, high = (one.figures(weights, street) for one in both)
        return [high[key] - low[key] for key in FIGURES]

    at = difference(np.ones(own.size))
    drawn = np.array([difference(weights) for weights in group_draws(clips, draws, 0)])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {
        key: [round(float(value), 3) for value in row]
        for key, row in zip(FIGURES, zip(at, low, high, strict=True), strict=True)
    }


def rows(options: argparse.Namespace) -> Iterator[tuple[str, str, Table, NDArray[np.float64]]]:
    """Yield the rows that are asked for: key, name, table, scores."""
    wanted = options.tables
    if {"level", "octave", "voice-free"} & wanted:
        plain = tables("voice-free-1", options)
        if "level" in wanted:
            yield "level", "level only", plain, level_only(plain)
        if "octave" in wanted:
            yield "octave", "octave template", plain, octave_template(plain)
        if "voice-free" in wanted:
            yield "voice-free", "voice-free-1", plain, trained(plain, options)
    if {"classes", "yamnet"} & wanted:
        heard = tables(embedding.NAME, options)
        if "classes" in wanted:
            yield "classes", "YAMNet class Motorcycle", heard, yamnet_classes(heard, ["Motorcycle"])
            yield "classes", "YAMNet five road classes", heard, yamnet_classes(heard, ROAD_CLASSES)
        if "yamnet" in wanted:
            yield "yamnet", "YAMNet embedding (yamnet-1)", heard, trained(heard, options)
    if "full" in wanted:
        full = tables(FEATURE_SET, options)
        yield "full", f"exhaust as shipped ({FEATURE_SET})", full, trained(full, options)


def main() -> None:
    """Measure the peers and print the table, one JSON line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", type=Path, default=default_corpus())
    parser.add_argument("--tables", default=",".join(KEYS), help="rows wanted, with commas")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--copies", type=int, default=1, help="augmented copies, of trained ones")
    parser.add_argument("--synthetic", type=int, default=30, help="synthetic clips of each kind")
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args()
    options.tables = set(options.tables.split(","))
    if unknown := options.tables - set(KEYS):
        parser.error(f"--tables: {', '.join(sorted(unknown))} is none of {', '.join(KEYS)}")
    found = {}
    for key, peer, table, scores in rows(options):
        figures = evaluate(judged(table, ranked(scores)), threshold=0.5, draws=options.draws)
        row = {
            name: [round(figures[k], 3) for k in (name, f"{name}_low", f"{name}_high")] for name in FIGURES
        }
        print(json.dumps({"peer": peer, **row}), flush=True)
        found[key] = table, scores
    if {"voice-free", "full"} <= set(found):
        lost = loss(found["full"][0], found["voice-free"][1], found["full"][1], options.draws)
        print(json.dumps({"peer": "what voice-free loses", **lost}), flush=True)


if __name__ == "__main__":
    main()
