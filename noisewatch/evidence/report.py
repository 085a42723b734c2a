"""The report of a package: a PDF that a judge reads without help, whose bytes depend on the event alone.

It repeats what ``event.json`` says; that file, signed by the box, stays the authority.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace
from numpy.typing import NDArray
from PIL import Image

from noisewatch.evidence.attributed import attribution_of, box_at, mark, sentence, still_at_s, to_jpeg
from noisewatch.evidence.contents import CALIBRATION, CARD
from noisewatch.evidence.report_page import DARK, RULE, Page
from noisewatch.evidence.summary import summary
from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord, ScoredWindow

_STILL_MM = 101.0
#: Of the first page: what, and how loud.
_BOLD_ROWS = (0, 3)
_MAX_WINDOWS = 40


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What a report shows: the record and its bytes, the clip's name and hash, the still and the plots.

    ``plots`` are PNG by the name under which ``templates/report.toml`` has their title and caption;
    ``enclosed`` are the paths of what else the package holds.
    """

    record: EventRecord
    event_json: bytes
    clip_name: str
    clip_sha256: str
    levels_sha256: str
    still: NDArray[Any] | None
    plots: Mapping[str, bytes]
    enclosed: frozenset[str] = frozenset()


def make_report(parts: ReportParts, words: Words) -> bytes:
    """Return the report as PDF.

    Parameters
    ----------
    parts : ReportParts
        What it shows.
    words : Words
        Its language.

    Returns
    -------
    bytes
        The same bytes for the same event and language: dates come from the event, no producer is named.
    """
    page = Page(parts.record, words)
    _first_page(page, parts, words)
    page.add_page()
    for name, data in parts.plots.items():
        _plot(page, name, data, words)
    _decision(page, parts.record, words)
    _budget(page, parts.record, words)
    _treatment(page, parts, words)
    _enclosed(page, parts, words)
    _verification(page, parts, words)
    return bytes(page.output())


def _first_page(page: Page, parts: ReportParts, words: Words) -> None:
    record = parts.record
    page.set_font("DejaVu", "B", 18)
    page.set_text_color(*DARK)
    page.cell(0, 10, words("title"), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(1)
    for number, (label, text) in enumerate(summary(record, words)):
        page.row(label, text, bold=number in _BOLD_ROWS)
    is_marked = parts.still is not None and box_at(attribution_of(record), still_at_s(record)) is not None
    vehicle = sentence(record, words, is_marked=is_marked)
    if vehicle is not None:
        page.row(words("attribution"), vehicle)
    page.heading(words("what_not"), room_mm=20)
    page.text_block(f"{words('indication')} {words('what_not_more')}")
    for reason in record.not_evidence_because if record.is_trial else ():
        if not reason.startswith("trial"):  # the banner says that already
            page.text_block(f"• {reason}", size=8, grey=True)
    _still(page, parts, words)
    _kept(page, record, words)


def _kept(page: Page, record: EventRecord, words: Words) -> None:
    """Say what was and was not kept; of a record whose voices were not treated it may not be said."""
    if record.privacy.get("voices", "none") == "none":
        return
    page.heading(words("kept"), room_mm=26)
    page.text_block(words("kept_yes"), size=8.5)
    page.text_block(words("kept_no"), size=8.5)


def _still(page: Page, parts: ReportParts, words: Words) -> None:
    record = parts.record
    shown_s = still_at_s(record)
    later_s = shown_s - (record.event.peak_s - record.clip.start_s)
    title = words("still")
    if later_s:
        side = "still_after" if later_s > 0 else "still_before"
        title = words(side, seconds=words.number(abs(later_s)))
    page.heading(title, room_mm=_STILL_MM + 12)
    if parts.still is None:
        page.text_block(words("no_still"))
        return
    still = mark(parts.still, attribution_of(record), at_s=shown_s)
    height, width = still.shape[:2]
    shown_mm = min(page.epw, _STILL_MM * width / height)
    page.image(io.BytesIO(to_jpeg(still)), x=page.l_margin, w=shown_mm)


def _plot(page: Page, name: str, data: bytes, words: Words) -> None:
    with Image.open(io.BytesIO(data)) as image:
        high_mm = page.epw * image.height / image.width
    page.heading(words(f"{name}_title"), room_mm=high_mm + 22)
    page.image(io.BytesIO(data), w=page.epw)
    page.text_block(words(f"{name}_caption"), size=8, grey=True)


def _decision(page: Page, record: EventRecord, words: Words) -> None:
    event = record.event
    page.heading(words("decision"), room_mm=60 + 4.6 * min(len(event.windows), 20))
    page.row(words("signature"), f"{event.signature} {event.version}")
    page.code(f"SHA-256 {event.signature_sha256}")
    page.text_block(f"{words('own_words')} {event.why}. {event.behaviour_why}".rstrip())
    page.text_block(words("windows"), size=8, grey=True)
    header = ("window", "probability", "loud_enough", "other_source", "match")
    rows = [[words(key) if key != "loud_enough" else f"LAFmax dB · {words(key)}" for key in header]]
    rows += [_window_row(window, record.clip.start_s, words) for window in shown_windows(event.windows)]
    _table(page, rows, widths=(24, 30, 34, 24, 16), align=("LEFT", "RIGHT", "RIGHT", "LEFT", "LEFT"))


def shown_windows(windows: Sequence[ScoredWindow]) -> list[ScoredWindow]:
    """Return the windows that a report prints: all, or the matching and likeliest of too many."""
    if len(windows) <= _MAX_WINDOWS:
        return list(windows)
    best = sorted(windows, key=lambda window: (window.match, window.probability), reverse=True)[:_MAX_WINDOWS]
    return sorted(best, key=lambda window: window.start_s)


def _window_row(window: ScoredWindow, clip_start_s: float, words: Words) -> list[str]:
    start, end = (words.number(edge_s - clip_start_s) for edge_s in (window.start_s, window.end_s))
    return [
        f"{start} – {end}",
        words.number(window.probability, 2),
        f"{words.number(window.lafmax_db)} · {words('yes' if window.gate else 'no')}",
        words("none") if window.vetoed_by is None else window.vetoed_by,
        words("yes" if window.match else "no"),
    ]


def _treatment(page: Page, parts: ReportParts, words: Words) -> None:
    record = parts.record
    page.heading(words("treatment"))
    for key in ("voices", "bystanders"):
        said = str(record.privacy.get(key, record.privacy.get("method", "none")))
        page.row(words(key), words("untreated") if said == "none" else said)
        if key == "voices" and said != "none":
            page.text_block(words("voices_plain"), size=8.0)
    mask = record.privacy.get("mask") or {}
    points = [tuple(point) for point in mask.get("carriageway", ())] if isinstance(mask, dict) else []
    whole = not points or set(points) == {(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)}
    page.row(words("mask"), words("mask_whole" if whole else "mask_polygon"))
    is_original = parts.clip_name == "original.mp4"
    page.row(words("copy"), words("copy_original" if is_original else "copy_viewing"))
    samples, frames = (record.losses.get(key, 0) for key in ("samples", "frames"))
    page.row(words("losses"), words("losses_value", samples=samples, frames=frames))
    page.row(words("clock"), _clock(record, words))
    page.row(
        words("calibration"), str(record.calibration.get("sentence", record.calibration.get("state", "–")))
    )
    page.row(words("software"), record.software)


def _budget(page: Page, record: EventRecord, words: Words) -> None:
    terms = [term for term in record.uncertainty if float(term.get("standard_uncertainty_db", 0)) > 0]
    if not terms:
        return
    page.heading(words("budget"), room_mm=30 + 4.6 * len(terms))
    page.text_block(words("budget_caption"), size=8, grey=True)
    rows = [[words("term"), "dB", words("term_source")]]
    rows += [
        [
            str(term.get("name")),
            words.number(float(term["standard_uncertainty_db"]), 2),
            str(term.get("source", "")),
        ]
        for term in terms
    ]
    _table(page, rows, widths=(34, 12, 90), align=("LEFT", "RIGHT", "LEFT"))


def _enclosed(page: Page, parts: ReportParts, words: Words) -> None:
    page.heading(words("enclosed"), room_mm=36)
    held = {"enclosed_calibration": CALIBRATION, "enclosed_signature": CARD}
    keys = [key for key, name in held.items() if name in parts.enclosed]
    for key in ("enclosed_tables", "enclosed_stills", *keys):
        page.text_block(f"• {words(key)}", size=8.5)


def _table(
    page: Page, rows: Sequence[Sequence[str]], *, widths: tuple[int, ...], align: tuple[str, ...]
) -> None:
    page.set_font("DejaVu", "", 8)
    page.set_text_color(*DARK)
    page.set_draw_color(*RULE)
    with page.table(
        rows=rows,
        col_widths=widths,
        text_align=align,
        line_height=4.4,
        gutter_width=2,
        headings_style=FontFace(emphasis="BOLD", fill_color=(235, 240, 245)),
        borders_layout="HORIZONTAL_LINES",
    ):
        pass
    page.ln(2)


def _clock(record: EventRecord, words: Words) -> str:
    clock = record.clock
    source = words.named("clock", clock.source)
    if clock.source == "file":
        return source
    parts = [source, words("clock_synchronised" if clock.synchronised else "clock_free")]
    if clock.bound_s is not None:
        parts.append(words("clock_bound", bound=words.number(clock.bound_s, 2)))
    return ", ".join(parts)


def _verification(page: Page, parts: ReportParts, words: Words) -> None:
    page.heading(words("verify"), room_mm=60)
    page.text_block(words("verify_text"))
    page.code("sh verify.sh TRUST PACKAGE\nnoisewatch clips verify PACKAGE --trust TRUST")
    hashes = (
        ("sha_clip", parts.clip_sha256),
        ("sha_levels", parts.levels_sha256),
        ("sha_event", hashlib.sha256(parts.event_json).hexdigest()),
    )
    for key, digest in hashes:
        page.text_block(words(key), size=8, grey=True)
        page.code(digest)
