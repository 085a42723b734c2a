"""The recipe of a signature: from a corpus folder to a signature folder, and its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from noisewatch.recognition import embedding
from noisewatch.recognition.cardlines import material_lines, setting_lines, source_rows
from noisewatch.recognition.corpus import Recording, is_held_out, read_manifest
from noisewatch.recognition.evaluation import Judged, Street, evaluate
from noisewatch.recognition.folder import Wish, model_card, write_signature
from noisewatch.recognition.model import expit
from noisewatch.recognition.signature import Signature, find_signature, load_signature
from noisewatch.recognition.sources import out_of_source
from noisewatch.recognition.tables import Table, default_cache, table_of_corpus
from noisewatch.recognition.training import (
    OutOfFold,
    Settings,
    calibration,
    chosen_threshold,
    class_names,
    clip_logits,
    out_of_fold,
    scored_origins,
    train,
)
from noisewatch.recognition.wishes import claimed

Progress = Callable[[str, int, int], None]

#: Settings of the feature sets that need others than :class:`Settings` has by default.
SETTINGS: dict[str, Settings] = {
    embedding.NAME: Settings(hidden=(64,), weight_decay=5.0, networks=1, boostings=0, tree_share=0.0)
}

#: What every card says beside the limits that the signature's own keys name.
COMMON_LIMITS = (
    "Most exhaust recordings are close to the tail-pipe, many are clipped; streets are farther away.",
    "No recording is from a Dutch street; the roadside recordings come from one site.",
    "The same people chose corpus, synthetic clips and settings; another street will shift the threshold.",
)
EXHAUST = Wish(
    name="exhaust",
    version="0.5.0",
    description="Any nuisance exhaust: sport, motorcycle, moped, quad; passing, revving, backfiring.",
    limits=(
        "Quads, mopeds and true pass-bys are hardly in the corpus: what the model knows of them is "
        "synthetic, and no figure here says how well it does on real ones.",
        "Idling motorcycles and clips under two seconds are lost most often; two-stroke tools, idling "
        "lorries, vacuum cleaners and distorted street music are mistaken most often.",
    ),
)


def train_exhaust(corpus: Path, *, out: Path, version: str, **options: Any) -> dict[str, Any]:
    """Train the exhaust signature; options as in :func:`train_signature`."""
    return train_signature(corpus, out=out, wish=replace(EXHAUST, version=version), **options)


def train_signature(
    corpus: Path,
    *,
    out: Path,
    wish: Wish,
    jobs: int = 1,
    copies: int = 1,
    synthetic: Table | None = None,
    settings: Settings | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a signature on a corpus and write its folder.

    Groups whose name hashes to a multiple of ten never enter.

    Parameters
    ----------
    corpus : Path
        Folder with ``manifest.csv``.
    out : Path
        Signature folder to write.
    wish : Wish
        What the signature shall be, and which recordings are its own.
    jobs, copies : int
        Processes, and augmented copies of each recording.
    synthetic : Table, optional
        Features of synthetic clips; each is a group of its own.
    settings : Settings, optional
        Of the networks; ``own`` is set to the signature's name.
    cache : Path, optional
        Folder of cached features; the user's own by default.
    progress : callable, optional
        Called with a word, how many are done, and how many there are.

    Returns
    -------
    dict
        The out-of-fold figures that stand in the card.
    """
    recordings = [row for row in read_manifest(corpus) if not is_held_out(row.group)]
    table = _material(recordings, copies, jobs, synthetic, cache, progress, wish.feature_set)
    chosen = settings or settings_for(wish.feature_set)
    return train_on(table, recordings, out=out, wish=wish, settings=chosen, jobs=jobs, progress=progress)


def train_on(
    table: Table,
    recordings: Sequence[Recording],
    *,
    out: Path,
    wish: Wish,
    settings: Settings,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a signature on the table of some recordings, so that several can share one; write its folder."""
    chosen = replace(settings, own=wish.name)
    own_table = claimed(table, wish)
    scores = out_of_fold(own_table, chosen, jobs=jobs, progress=progress)
    trained = train(own_table, chosen, scores)
    figures = evaluate(
        judged_out_of_fold(own_table, scores, trained.probabilities[:, 0], own=wish.name),
        threshold=trained.threshold,
    )
    card = model_card(
        wish,
        trained=trained,
        figures=figures,
        corpus=source_rows(recordings, wish),
        materials=material_lines(own_table, recordings, wish),
        settings=setting_lines(
            chosen,
            is_recorded="synthetic" not in scored_origins(own_table, wish.name),
            feature_set=table.feature_set,
        ),
        limits=(*wish.limits, *COMMON_LIMITS),
    )
    write_signature(out, wish=wish, trained=trained, card=card)
    return figures


def evaluate_signature(
    corpus: Path,
    *,
    signature: str,
    is_fixed: bool,
    jobs: int = 1,
    copies: int = 0,
    synthetic: Table | None = None,
    street: Street | None = None,
    draws: int = 500,
    settings: Settings | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a signature on a corpus, as it is or by training anew in each fold.

    Returns
    -------
    dict
        Figures of design section 11, and ``how``: "fixed" or "out-of-fold".
    """
    how = "fixed" if is_fixed else "out-of-fold"
    judgement = judge_signature(
        corpus,
        signature=signature,
        how=how,
        jobs=jobs,
        copies=copies,
        synthetic=synthetic,
        settings=settings,
        cache=cache,
        progress=progress,
    )
    return judgement.figures(street=street, draws=draws)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a signature says of every clip of a corpus, and how it was asked."""

    signature: str
    version: str
    how: str
    threshold: float
    judged: tuple[Judged, ...]

    def figures(self, *, street: Street | None = None, draws: int = 500) -> dict[str, Any]:
        """Return the figures of design section 11, with ``signature`` and ``how``."""
        found = evaluate(self.judged, threshold=self.threshold, street=street, draws=draws)
        return {"signature": self.signature, "how": self.how, **found}


def judge_signature(
    corpus: Path,
    *,
    signature: str,
    how: str,
    jobs: int = 1,
    copies: int = 0,
    synthetic: Table | None = None,
    settings: Settings | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    feature_set: str | None = None,
) -> Judgement:
    """Let a signature judge every clip of a corpus.

    Parameters
    ----------
    how : str
        "fixed": as it is; "out-of-fold": by networks that never heard the clip's group; "out-of-source": by
        networks that never heard its source, trained without augmented copies, which mix sources.
    corpus, signature, jobs, copies, synthetic, settings, cache, progress
        As in :func:`evaluate_signature`.
    feature_set : str, optional
        What the folds are trained on, instead of the signature's own; not where ``how`` is "fixed".
    """
    loaded = load_signature(find_signature(signature))
    recordings = read_manifest(corpus)
    is_fresh = how == "out-of-fold"
    wanted = feature_set or loaded.feature_set
    table = _material(recordings, copies if is_fresh else 0, jobs, synthetic, cache, progress, wanted)
    table = claimed(table, loaded)
    chosen = replace(settings or settings_for(wanted), own=loaded.name)
    if how == "fixed":
        judged, threshold = judged_fixed(table, loaded), loaded.threshold
    else:
        leave_out = out_of_fold if is_fresh else out_of_source
        scores = leave_out(table, chosen, jobs=jobs, progress=progress)
        judged, threshold = calibrated(table, scores, chosen)
    return Judgement(loaded.name, loaded.version, how, threshold, tuple(judged))


def judged_out_of_fold(
    table: Table,
    scores: OutOfFold,
    probabilities: np.ndarray[Any, Any],
    called: Sequence[str] | None = None,
    own: str = "exhaust",
) -> list[Judged]:
    """Pair the out-of-fold probabilities, and the most probable classes, with what the clips are."""
    names = called or [""] * len(scores.rows)
    clips = (table.clips[i] for i in scores.rows)
    return [
        Judged(clip.label, clip.group, clip.source, clip.class_name == own, float(probability), name)
        for clip, probability, name in zip(clips, probabilities, names, strict=True)
    ]


def judged_fixed(table: Table, signature: Signature) -> list[Judged]:
    """Score every clip of a table by a signature as it is; the table's clips count as it claims them."""
    from threadpoolctl import threadpool_limits

    model = signature.model
    table = claimed(table, signature)
    with threadpool_limits(limits=1):
        logits = clip_logits(table, np.arange(len(table.clips)), model)
    probabilities = expit(model.slope * logits + model.intercept)
    called = [model.classes[i] for i in probabilities.argmax(axis=1)]
    return [
        Judged(
            clip.label, clip.group, clip.source, clip.class_name == signature.name, float(probability), name
        )
        for clip, probability, name in zip(table.clips, probabilities[:, 0], called, strict=True)
    ]


def calibrated(table: Table, scores: OutOfFold, settings: Settings) -> tuple[list[Judged], float]:
    """Calibrate out-of-fold scores as training would, and choose the threshold."""
    names = class_names(settings.own)
    labels = np.array([names.index(table.clips[i].class_name) for i in scores.rows])
    slope, intercept = calibration(scores.logits, labels, len(names))
    probabilities = expit(slope * scores.logits + intercept)
    called = [names[i] for i in probabilities.argmax(axis=1)]
    threshold = chosen_threshold(table, probabilities[:, 0], labels == 0, settings)
    judged = judged_out_of_fold(table, scores, probabilities[:, 0], called, settings.own)
    return judged, threshold


def settings_for(feature_set: str) -> Settings:
    """Return what suits a feature set: an embedding is told apart by few layers, the full set by more."""
    return SETTINGS.get(feature_set, Settings())


def _material(
    recordings: Sequence[Recording],
    copies: int,
    jobs: int,
    synthetic: Table | None,
    cache: Path | None,
    progress: Progress | None,
    feature_set: str,
) -> Table:
    table = table_of_corpus(
        recordings,
        copies=copies,
        jobs=jobs,
        cache=cache or default_cache(),
        progress=progress,
        feature_set=feature_set,
    )
    return table if synthetic is None else table.joined(synthetic)
