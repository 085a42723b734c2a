"""A split of one's own: how a signature does on the folds that an analyst, or a collection, names."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from noisewatch.errors import InputError, MissingInputError
from noisewatch.recognition.corpus import Recording, read_manifest, refuse_shared_groups
from noisewatch.recognition.recipe import Judgement, calibrated, settings_for
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.recognition.tables import Table, default_cache, table_of_corpus
from noisewatch.recognition.training import (
    OutOfFold,
    Settings,
    class_names,
    logits_of_parts,
)
from noisewatch.recognition.wishes import claimed

Progress = Callable[[str, int, int], None]


def read_split(path: Path, corpus: Path, recordings: Sequence[Recording]) -> dict[str, str]:
    """Read a table with ``path`` and ``fold`` of every recording, and return the fold of each group.

    Raises
    ------
    MissingInputError
        There is no such file.
    InputError
        A column or a recording is missing, there is one fold only, or a group is in two folds.
    """
    if not path.is_file():
        raise MissingInputError("not found", where=path)
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            if not {"path", "fold"} <= set(reader.fieldnames or ()):
                raise InputError("needs the columns path and fold", where=path)
            rows = [(row["path"], row["fold"]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a table in UTF-8 ({error})", where=path) from error
    fold_of_path = {(corpus / name).resolve(): fold for name, fold in rows if name and fold}
    groups_of: dict[str, set[str]] = {}
    for recording in recordings:
        fold = fold_of_path.get(recording.path.resolve())
        if fold is None:
            raise InputError(f"names no fold of {recording.path.name!r}", where=path)
        groups_of.setdefault(fold, set()).add(recording.group)
    if len(groups_of) < 2:
        raise InputError("names one fold alone: nothing is left to train on", where=path)
    for fold, groups in groups_of.items():
        others = (group for name, found in groups_of.items() if name != fold for group in found)
        refuse_shared_groups(groups, others)
    return {group: fold for fold, groups in groups_of.items() for group in groups}


def out_of_split(
    table: Table,
    settings: Settings,
    fold_of_group: Mapping[str, str],
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> OutOfFold:
    """Score every corpus clip by a model that never heard its fold; synthetic clips train.

    Raises
    ------
    InputError
        There are augmented copies: what is mixed into them may come from another fold.
    """
    if any(clip.origin == "augmented" for clip in table.clips):
        raise InputError("augmented copies mix groups", remedy="judge a split of your own on originals alone")
    names = sorted(set(fold_of_group.values()))
    rows = np.array([i for i, clip in enumerate(table.clips) if clip.origin == "corpus"], dtype=np.int64)
    folds = np.array([names.index(fold_of_group[table.clips[i].group]) for i in rows], dtype=np.int64)
    present = [int(fold) for fold in np.unique(folds)]
    inside = [rows[folds == fold] for fold in present]
    everything = np.arange(len(table.clips))
    parts = [(np.setdiff1d(everything, clips), clips) for clips in inside]
    logits = np.zeros((rows.size, len(class_names(settings.own))))
    found = logits_of_parts(table, parts, settings, jobs=jobs, progress=progress)
    for fold, of_fold in zip(present, found, strict=True):
        logits[folds == fold] = of_fold
    return OutOfFold(rows, logits, folds)


def judge_split(
    corpus: Path,
    split: Path,
    *,
    signature: str,
    jobs: int = 1,
    synthetic: Table | None = None,
    settings: Settings | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    feature_set: str | None = None,
) -> Judgement:
    """Let a signature, trained anew for each fold of a split, judge every clip of a corpus.

    Parameters
    ----------
    split : Path
        A table as :func:`read_split` takes it; it is checked before any sound is read.
    corpus, signature, jobs, synthetic, settings, cache, progress, feature_set
        As in :func:`noisewatch.recognition.recipe.judge_signature`.
    """
    loaded = load_signature(find_signature(signature))
    recordings = read_manifest(corpus)
    fold_of_group = read_split(split, corpus, recordings)
    wanted = feature_set or loaded.feature_set
    table = table_of_corpus(
        recordings, jobs=jobs, cache=cache or default_cache(), progress=progress, feature_set=wanted
    )
    table = claimed(table if synthetic is None else table.joined(synthetic), loaded)
    chosen = replace(settings or settings_for(wanted), own=loaded.name)
    scores = out_of_split(table, chosen, fold_of_group, jobs=jobs, progress=progress)
    judged, threshold = calibrated(table, scores, chosen)
    return Judgement(loaded.name, loaded.version, "out-of-split", threshold, tuple(judged))
