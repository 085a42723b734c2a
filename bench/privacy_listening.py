"""Let recognisers hear each clip in each way, one line of JSON each, and sum the lines up with intervals.

One line holds what one clip, made in one way (untouched, treated over an exhaust, attacked, ...), gave to
every judge. Lines are appended as they come and a run that was stopped goes on where it was, so that a run
of hours can be cut at any moment and its figures be had.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from privacy_judges import Recogniser, content_found, intelligibility, word_errors, words
from privacy_voices import Spoken

Array = NDArray[np.float64]
#: A way to make a sound from a clip; the number is a seed that is the clip's own.
Way = Callable[[Spoken, int], Array]
#: A recogniser counts for a voice where its WER on the untouched sound alone is at most this; of other voices
#: it counts for the single clips of which it mishears no more.
COUNTS_TO_WER = 0.40
LIMITS = {"words_wrong": 0.95, "content_words": 0.02, "stoi": 0.55, "estoi": 0.20}
UNTOUCHED = "untouched, alone"
_DRAWS = 2000


def listen(
    clips: Iterable[Spoken],
    ways: Mapping[str, Way],
    judges: Mapping[str, tuple[Recogniser, frozenset[str]]],
    *,
    record: Path,
    method: str,
) -> None:
    """Append what every judge makes of every clip in every way that is not in the record yet.

    What is untouched does not depend on the method; the rest is heard anew when the method has changed.
    """
    done = {_key(row) for row in read(record)}
    for clip in clips:
        name = f"{clip.language} {clip.speaker}: {clip.text[:60]}"
        number = zlib.crc32(name.encode()) % 100_000
        for way, make in ways.items():
            key = (name, way, None if way.startswith("untouched") else method)
            if key in done:
                continue
            sound = make(clip, number)
            row = {"clip": name, "language": clip.language, "sex": clip.sex, "speaker": clip.speaker}
            row |= {"way": way, "method": method, **_heard(clip, sound, judges, is_mix="untouched," in way)}
            with record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read(record: Path) -> list[dict[str, Any]]:
    """Return the lines of a record; none where there is none yet."""
    if not record.exists():
        return []
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


def _key(row: Mapping[str, Any]) -> tuple[str, str, str | None]:
    return row["clip"], row["way"], None if row["way"].startswith("untouched") else row["method"]


def _heard(
    clip: Spoken, sound: Array, judges: Mapping[str, tuple[Recogniser, frozenset[str]]], *, is_mix: bool
) -> dict[str, Any]:
    size = min(clip.samples.size, sound.size)
    stoi, estoi = intelligibility(clip.samples[:size], sound[:size])
    found: dict[str, str] = {}
    # of an untouched mix only its STOI is a limit; what recognisers make of it is not asked
    for name, (hear, languages) in {} if is_mix and clip.samples is not sound else judges.items():
        if clip.language in languages:
            found[name] = hear(sound, clip.language)
    return {"stoi": stoi, "estoi": estoi, "said": clip.text, "heard": found}


def scored(row: Mapping[str, Any], judge: str) -> tuple[int, int, int, int]:
    """Return wrong words, words said, content words found and content words said of one judge and line."""
    said, heard = words(row["said"]), words(row["heard"][judge])
    return word_errors(said, heard), len(said), *content_found(said, heard)


def counting(rows: Iterable[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Return (judge, language, sex) of the voices of which at most 40 % is misheard untouched."""
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row, judge, wrong, said in _heard_untouched(rows):
        sums[judge, row["language"], row["sex"]][0] += wrong
        sums[judge, row["language"], row["sex"]][1] += said
    return {key for key, (wrong, said) in sums.items() if wrong <= COUNTS_TO_WER * said}


def counting_clips(rows: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return (judge, clip) of the clips of which at most 40 % is misheard untouched."""
    heard = _heard_untouched(rows)
    return {(judge, row["clip"]) for row, judge, wrong, said in heard if wrong <= COUNTS_TO_WER * said}


def _heard_untouched(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str, int, int]]:
    """Yield each line of untouched sound with a judge, its wrong words and the words said."""
    for row in rows:
        if row["way"] == UNTOUCHED:
            for judge in row["heard"]:
                wrong, said, *_ = scored(row, judge)
                yield row, judge, wrong, said


def summary(rows: Sequence[Mapping[str, Any]], *, seed: int = 1) -> list[dict[str, Any]]:
    """Return one figure per way, judge and language, each with a 95 % interval of drawing clips anew."""
    rng, counts, figures = np.random.default_rng(seed), counting(rows), []
    clips = counting_clips(rows)
    by_way: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_way[row["way"]].append(row)
    for way, ones in by_way.items():
        for measure in ("stoi", "estoi"):
            values = np.array([one[measure] for one in ones])
            means = values[rng.integers(0, values.size, (_DRAWS, values.size))].mean(axis=1)
            figures.append(_figure(way, measure, values.mean(), means, ones, worst=float(values.max())))
        tables: dict[tuple[str, str, bool], list[tuple[int, ...]]] = defaultdict(list)
        for one in ones:
            for judge in one["heard"]:
                does_count = (judge, one["language"], one["sex"]) in counts or (judge, one["clip"]) in clips
                tables[judge, one["language"], does_count].append(scored(one, judge))
        for (judge, language, does_count), table in sorted(tables.items()):
            wrong, said, found, content = np.array(table).T
            drawn = rng.integers(0, wrong.size, (_DRAWS, wrong.size))
            more = {"judge": judge, "language": language, "counts": does_count}
            for measure, over, under in (("words_wrong", wrong, said), ("content_words", found, content)):
                under_all = max(int(under.sum()), 1)
                rates = over[drawn].sum(axis=1) / np.maximum(under[drawn].sum(axis=1), 1)
                figure = _figure(way, measure, over.sum() / under_all, rates, table)
                figures.append(figure | more | {"of": f"{over.sum()}/{under_all}"})
    return figures


def _figure(
    way: str, measure: str, value: float, drawn: Array, ones: Sequence[Any], **more: float
) -> dict[str, Any]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "way": way,
        "measure": measure,
        "value": round(float(value), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "clips": len(ones),
        **{key: round(number, 4) for key, number in more.items()},
    }


def misses(figures: Iterable[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each limit that is not kept, in words; STOI of a mix of 0 or -10 dB is compared with the mix."""
    found = []
    for one in figures:
        if one["way"].startswith(("untouched", "control")) or not one.get("counts", True):
            continue
        limit, value = LIMITS[one["measure"]], one.get("worst", one["value"])
        is_kept = value >= limit if one["measure"] == "words_wrong" else value <= limit
        if one["measure"].endswith("stoi") and one["way"] in ("treated, +0 dB", "treated, -10 dB"):
            is_kept = not _clearer_than_before(rows, one["way"], one["measure"])
        if not is_kept:
            who = f" {one['judge']}, {one['language']}" if "judge" in one else ""
            found.append(f"{one['way']}:{who} {one['measure']} {value:.3f} (limit {limit})")
    return found


def _clearer_than_before(rows: Sequence[Mapping[str, Any]], way: str, measure: str) -> list[str]:
    mixes = {row["clip"]: row[measure] for row in rows if row["way"] == way.replace("treated", "untouched")}
    return [
        row["clip"]
        for row in rows
        if row["way"] == way and row["clip"] in mixes and row[measure] > mixes[row["clip"]]
    ]


def printed(figures: Iterable[Mapping[str, Any]]) -> str:
    """Return the figures as lines of text."""
    lines = []
    for one in figures:
        who = f"{one['judge']}, {one['language']}" if "judge" in one else ""
        note = "" if one.get("counts", True) else "  (does not count)"
        span = f"{one['low']:.3f} to {one['high']:.3f}"
        extra = f" {one['of']}" if "of" in one else f" worst {one['worst']:.3f}"
        lines.append(
            f"{one['way']:40s} {who:24s} {one['measure']:13s} {one['value']:.3f} ({span}){extra}"
            f"  {one['clips']} clips{note}"
        )
    return "\n".join(lines)
