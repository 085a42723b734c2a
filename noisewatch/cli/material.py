"""What the analyst's commands train on beside recordings: synthetic clips and officers' verdicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from noisewatch.cli.output import progress_line, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from noisewatch.evidence.evaluation_report import Street
    from noisewatch.recognition.recipe import Judgement
    from noisewatch.recognition.tables import Table
    from noisewatch.recognition.verdict import Verdict


def synthetic_table(clips_per_kind: int, processes: int, feature_set: str) -> Table | None:
    """Make the synthetic training clips, kinds beside each other; None where none are wanted."""
    from functools import reduce

    import joblib

    from noisewatch.recognition.tables import Table
    from noisewatch.simulation.library import kinds

    if clips_per_kind == 0:
        return None
    running = joblib.Parallel(n_jobs=processes, return_as="generator")(
        joblib.delayed(_synthetic_kind)(kind, clips_per_kind, feature_set) for kind in kinds()
    )
    tables: list[Table] = []
    for done, made in enumerate(running, start=1):
        tables.append(made)
        progress_line("kinds of synthetic clips", done, len(kinds()))
    return reduce(Table.joined, tables)


def _synthetic_kind(kind: str, clips: int, feature_set: str) -> Table:
    """Make the clips of one kind and their features; the work of one process."""
    from noisewatch.recognition.synthetic import synthetic_sounds
    from noisewatch.recognition.tables import table_of_sounds
    from noisewatch.simulation.library import synthetic_clip

    def maker(kind: str, seed: int, rate_hz: int, seconds: float) -> tuple[NDArray[np.float32], str]:
        samples, truth = synthetic_clip(kind, seed=seed, rate_hz=rate_hz, seconds=seconds)
        return samples, truth.label

    made = synthetic_sounds([kind], clips_per_kind=clips, maker=maker)
    return table_of_sounds(made, feature_set)


def judged_by(
    how: str | Path,
    corpus: Path,
    *,
    signature: str,
    jobs: int,
    copies: int,
    synthetic: Callable[[], Table | None] | None,
    feature_set: str,
) -> Judgement:
    """Let a signature judge a corpus: "fixed", "out-of-fold", "out-of-source", or by the split of a file.

    Synthetic clips are made only once the split is known to hold.
    """
    from noisewatch.recognition.corpus import read_manifest
    from noisewatch.recognition.recipe import judge_signature
    from noisewatch.recognition.split import judge_split, read_split

    if isinstance(how, Path):
        read_split(how, corpus, read_manifest(corpus))
    made = None if synthetic is None else synthetic()
    if isinstance(how, Path):
        return judge_split(
            corpus,
            how,
            signature=signature,
            jobs=jobs,
            synthetic=made,
            progress=progress_line,
            feature_set=feature_set,
        )
    return judge_signature(
        corpus,
        signature=signature,
        how=how,
        jobs=jobs,
        copies=copies,
        synthetic=made,
        progress=progress_line,
        feature_set=feature_set,
    )


def read_verdicts(path: Path) -> list[Verdict]:
    """Read the verdicts of a custody folder, of its folder of verdicts, or of one file."""
    from noisewatch.errors import MissingInputError
    from noisewatch.evidence import verdicts

    if path.is_file():
        return [verdicts.read_one(path)]
    folder = path / "verdicts" if (path / "verdicts").is_dir() else path
    if not folder.is_dir():
        raise MissingInputError("there are no verdicts", where=path)
    return verdicts.read(folder)


def verdict_table(path: Path | None, feature_set: str) -> Table | None:
    """Return the verdicts as rows to learn from; refuse a feature set that they do not hold."""
    from noisewatch.errors import UsageError
    from noisewatch.recognition.verdict import verdict_table as rows_of
    from noisewatch.recognition.voicefree import NAME

    if path is None:
        return None
    if feature_set != NAME:
        raise UsageError(
            f"verdicts hold voice-free features, not {feature_set!r}", remedy=f"add --feature-set {NAME}"
        )
    given = read_verdicts(path)
    table = rows_of(given)
    say(f"{len(given)} verdicts, {len(table.clips)} of them decided, with features and no trial")
    return table


def street_of(given: list[Verdict], corpus: Path, *, version: str) -> Street:
    """Return yield by month, and drift, of what officers said; features only where the verdicts hold them.

    Parameters
    ----------
    given : list of Verdict
        Trial ones are left out.
    corpus : Path
        What the signature was trained on; its features are computed, or taken from the cache.
    version : str
        Of the signature: verdicts of other versions say nothing of its yield.
    """
    import os

    import numpy as np

    from noisewatch.evidence.evaluation_report import Street
    from noisewatch.recognition.corpus import read_manifest
    from noisewatch.recognition.tables import default_cache, table_of_corpus
    from noisewatch.recognition.verdict import drift, feature_shift, yield_by_month
    from noisewatch.recognition.verdict import verdict_table as rows_of
    from noisewatch.recognition.voicefree import NAME, voice_free_names

    told = sorted((item for item in given if not item.is_trial), key=lambda item: item.day)
    of_version = [item for item in told if item.version == version]
    middle = len(told) // 2
    moved = drift([i.figures for i in told[:middle]], [i.figures for i in told[middle:]]) if middle else []
    heard = rows_of(told).features
    shifts = []
    if len(heard):
        made = table_of_corpus(
            read_manifest(corpus),
            jobs=os.cpu_count() or 1,
            cache=default_cache(),
            progress=progress_line,
            feature_set=NAME,
        )
        loud = made.loud_rows()
        means = [
            made.features[loud & (made.clip_of == index)].mean(axis=0) for index in range(len(made.clips))
        ]
        shifts = feature_shift(voice_free_names(), np.array(means), heard)
    return Street(yield_by_month(of_version), moved, shifts)
