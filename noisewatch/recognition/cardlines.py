"""What a card says of the material that a signature was trained on, and of how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noisewatch.recognition.corpus import Recording
from noisewatch.recognition.decision import CLEAREST
from noisewatch.recognition.features import FEATURE_SET
from noisewatch.recognition.featuresets import ABOUT
from noisewatch.recognition.folder import Wish
from noisewatch.recognition.synthetic import FIRST_SEED
from noisewatch.recognition.tables import Table
from noisewatch.recognition.training import SYNTHETIC_THRESHOLD, Settings, scored_origins
from noisewatch.recognition.wishes import is_claimed


def source_rows(recordings: Sequence[Recording], wish: Wish) -> list[dict[str, Any]]:
    """Return clips, own clips, groups and licences by source."""
    rows = []
    for source in sorted({row.source for row in recordings}):
        of_source = [row for row in recordings if row.source == source]
        rows.append(
            {
                "source": source,
                "clips": len(of_source),
                "own": len(own_recordings(of_source, wish)),
                "groups": len({row.group for row in of_source}),
                "licence": "; ".join(sorted({row.licence for row in of_source})),
            }
        )
    return rows


def own_recordings(recordings: Sequence[Recording], wish: Wish) -> list[Recording]:
    """Return the recordings that a signature claims."""
    return [
        row
        for row in recordings
        if is_claimed(row.label, row.sublabel, labels=wish.labels, sublabels=wish.sublabels)
    ]


def material_lines(table: Table, recordings: Sequence[Recording], wish: Wish) -> list[str]:
    """Return sentences on what trained; ``table`` is the one that the signature claimed its clips in."""
    origins = {origin: sum(c.origin == origin for c in table.clips) for origin in ("augmented", "synthetic")}
    made = sum(clip.origin == "synthetic" and clip.class_name == wish.name for clip in table.clips)
    own = own_recordings(recordings, wish)
    groups, own_groups = len({row.group for row in recordings}), len({row.group for row in own})
    lines = [
        f"{len(recordings)} recordings of {groups} groups, {len(own)} of them its own ({own_groups} "
        "groups), for training and measuring under the text-and-data-mining exception, none is in here",
        "left out: every group whose name has SHA-256 modulo 10 = 0; they feed `bench/street_mix.py`",
        f"{origins['augmented']} augmented copies (speed, response, bandwidth, pass-by, reflections, other "
        "sounds, bed, clipping)",
        f"{origins['synthetic']} synthetic clips of noisewatch's own simulator, {made} of them its own, "
        f"seeds from {FIRST_SEED}",
    ]
    if wish.sublabels:
        lines.insert(1, f"its own: {', '.join(wish.sublabels)}; other exhausts are a competing class")
    if wish.unclear:
        lines.insert(1, f"left out, because nobody can say whether they are: {', '.join(wish.unclear)}")
    told = [clip for clip in table.clips if clip.origin == "verdict"]
    if told:
        yes = sum(clip.class_name == wish.name for clip in told)
        lines.append(
            f"{len(told)} verdicts of officers, {yes} of them its own: one row of voice-free features each, "
            "none of them measured on"
        )
    if "synthetic" in scored_origins(table, wish.name):
        lines.append(
            "**no recording of it is in the corpus: every figure below is on synthetic clips of the "
            "simulator that also trained it (other seeds), against real recordings of everything else**"
        )
    return lines


def setting_lines(settings: Settings, *, is_recorded: bool, feature_set: str = FEATURE_SET) -> list[str]:
    """Return sentences on features, networks, folds and threshold; whether recordings are its own."""
    return [
        f"features: `{feature_set}`, {ABOUT[feature_set]}",
        f"all classes: mean of {settings.networks} scikit-learn MLPClassifier, layers {settings.hidden}, "
        f"alpha {settings.weight_decay}, {settings.epochs} epochs, seed {settings.seed}",
        f"its own class: {settings.tree_share:.0%} of the log odds from {settings.boostings} x "
        f"{settings.trees} boosted trees (HistGradientBoostingClassifier), the rest from the networks",
        f"windows within {settings.within_db:g} dB of their clip's loudest teach; for the trees those of one "
        "group count as the root of their number together",
        f"folds: {settings.folds}, of whole buckets of groups",
        f"probability of a file or event: mean log odds of its {CLEAREST} clearest windows; calibrated "
        "(Platt) on that figure out of fold",
        f"threshold: the lowest that {100 * settings.false_positive_rate:g} % of the other clips reach out "
        + ("of fold at most" if is_recorded else f"of fold at most, and at least {SYNTHETIC_THRESHOLD}"),
    ]
