"""Everything below ``data/`` that an export makes from a record, its clip and its levels.

Bytes depend on the event and the language of the report alone: no date, name or case of an export.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from noisewatch.evidence import contents, film, motion_plot, plots, references, report, tables
from noisewatch.evidence.attributed import attribution_of, box_at, mark, still_at_s, to_jpeg
from noisewatch.evidence.levels import read_levels
from noisewatch.evidence.request import Found
from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord


def make_payload(
    found: Found, *, clip: bytes, clip_name: str, levels: bytes, words: Words, node: Path
) -> tuple[dict[str, bytes], list[str]]:
    """Return report, plots, stills, tables and references by their path, and what is not at hand.

    Parameters
    ----------
    found : Found
        The event, its record, and the record's bytes as the box signed them.
    clip, levels : bytes
        The clip that is exported, and ``levels.csv``, both in the clear.
    clip_name : str
        "clip.mp4" or "original.mp4".
    words : Words
        The language of report and plots; nothing else depends on it.
    node : Path
        The node's folder or what was pulled from it, for the calibration and the signature's card.

    Raises
    ------
    InputError
        The clip is no film, or the levels are no table.
    """
    record = found.record
    table = read_levels(levels)
    seen = film.read_film(clip, still_at_s=still_at_s(record))
    part = contents.CLIPS[f"data/{clip_name}"]
    drawn = {
        "levels": plots.plot_levels(table, record, words),
        "vehicle": motion_plot.plot_vehicle(table, record, words),
        "engine": motion_plot.plot_engine(seen.sound, record, words, rate_hz=seen.rate_hz),
        "spectrogram": plots.plot_spectrogram(
            seen.sound, rate_hz=seen.rate_hz, pascal_per_unit=_scale(record, part), words=words
        ),
    }
    files, missing = references.of_event(record, node)
    files |= _stills(record, clip, seen)
    shown = report.ReportParts(
        record=record,
        event_json=found.signed,
        clip_name=clip_name,
        clip_sha256=hashlib.sha256(clip).hexdigest(),
        levels_sha256=hashlib.sha256(levels).hexdigest(),
        still=seen.still,
        plots=drawn,
        enclosed=frozenset(files),
    )
    files |= {f"data/plots/{name}.png": data for name, data in drawn.items()}
    files[contents.WINDOWS] = tables.windows_csv(record)
    files[contents.UNCERTAINTY] = tables.uncertainty_csv(record)
    files[contents.REPORT] = report.make_report(shown, words)
    return files, missing


def _scale(record: EventRecord, part: str) -> float | None:
    """Return the pascal of a clip's full scale, where its description says it."""
    said = next(
        (media.description.get("pascal_per_unit") for media in record.media if media.name == part), None
    )
    return float(said) if isinstance(said, int | float) else None


def _stills(record: EventRecord, clip: bytes, seen: film.Film) -> dict[str, bytes]:
    """Return the picture at the loudest moment, and the one with the named vehicle's box and direction."""
    if seen.still is None:
        return {}
    shown_s, loudest_s = still_at_s(record), record.event.peak_s - record.clip.start_s
    loudest = seen.still if shown_s == loudest_s else film.read_still(clip, still_at_s=loudest_s)
    stills = {} if loudest is None else {contents.STILL: to_jpeg(loudest)}
    said = attribution_of(record)
    if box_at(said, shown_s) is not None:
        stills[contents.MARKED_STILL] = to_jpeg(mark(seen.still, said, at_s=shown_s))
    return stills
