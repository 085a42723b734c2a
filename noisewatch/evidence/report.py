"""The report of a package: a PDF that a judge reads without help, whose bytes depend on the event alone.

It repeats what ``event.json`` says; that file, signed by the box, stays the authority.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace
from numpy.typing import NDArray
from PIL import Image

from noisewatch.evidence.attributed import attribution_of, box_at, mark, sentence, still_at_s
from noisewatch.evidence.summary import summary
from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord, ScoredWindow

_DARK, _GREY, _RED, _BLUE = (25, 25, 25), (105, 105, 105), (176, 0, 32), (0, 82, 130)
_LABEL_MM = 36.0
_STILL_MM = 101.0
#: Of the first page: what, and how loud.
_BOLD_ROWS = (0, 3)
_MAX_WINDOWS = 40


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What a report shows: the record and its bytes, the clip's name and hash, the still and the plots."""

    record: EventRecord
    event_json: bytes
    clip_name: str
    clip_sha256: str
    levels_sha256: str
    still: NDArray[Any] | None
    levels_png: bytes
    spectrogram_png: bytes


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
    page = _Page(parts.record, words)
    _first_page(page, parts, words)
    page.add_page()
    _plot(page, "levels", parts.levels_png, words)
    _plot(page, "spectrogram", parts.spectrogram_png, words)
    _decision(page, parts.record, words)
    _treatment(page, parts, words)
    _verification(page, parts, words)
    return bytes(page.output())


class _Page(FPDF):
    """A4 with a head and a foot on each page."""

    def __init__(self, record: EventRecord, words: Words) -> None:
        super().__init__(format="A4")
        self._record = record
        self._words = words
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            self.add_font("DejaVu", style, fonts / name)
        self.add_font("Mono", "", fonts / "DejaVuSansMono.ttf")
        self.set_margins(16, 14, 16)
        self.set_auto_page_break(auto=True, margin=18)
        self.set_title(f"{words('title')} {record.event.id}")
        self.set_lang(words.language)
        self.set_creator("noisewatch")
        self.set_producer("noisewatch")
        self.set_creation_date(record.captured_at)
        self.alias_nb_pages()
        self.add_page()

    def header(self) -> None:
        """Print what this is and, on every page, that it is a trial or no evidence."""
        self.set_font("DejaVu", "", 8)
        self.set_text_color(*_GREY)
        self.cell(0, 4, f"noisewatch · {self._words('event')} {self._record.event.id}", align="R")
        self.ln(5)
        if self._record.is_trial:
            self.banner(self._words("trial"))
        elif not self._record.is_evidence:
            self.banner(self._words("not_evidence", why="; ".join(self._record.not_evidence_because)))

    def footer(self) -> None:
        """Print the page's number and what readings are."""
        self.set_y(-14)
        self.set_font("DejaVu", "", 7)
        self.set_text_color(*_GREY)
        self.multi_cell(150, 3.4, self._words("indication"), new_x=XPos.RIGHT, new_y=YPos.TOP)
        self.cell(0, 3.4, self._words("page", number=self.page_no(), total="{nb}"), align="R")

    def banner(self, text: str) -> None:
        """Print a warning that nobody can overlook."""
        self.set_fill_color(*_RED)
        self.set_text_color(255, 255, 255)
        self.set_font("DejaVu", "B", 9)
        self.multi_cell(0, 6, text, fill=True, align="C", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(2)

    def heading(self, text: str, *, room_mm: float = 30.0) -> None:
        """Print a heading, on the next page where less than ``room_mm`` is left below it."""
        if self.will_page_break(room_mm):
            self.add_page()
        self.ln(2)
        self.set_font("DejaVu", "B", 11.5)
        self.set_text_color(*_BLUE)
        self.multi_cell(0, 6.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def text_block(self, text: str, *, size: float = 9.0, grey: bool = False) -> None:
        """Print a paragraph."""
        self.set_font("DejaVu", "", size)
        self.set_text_color(*(_GREY if grey else _DARK))
        self.multi_cell(0, size * 0.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def row(self, label: str, text: str, *, bold: bool = False) -> None:
        """Print a label and what it says beside it."""
        self.set_font("DejaVu", "", 9)
        self.set_text_color(*_GREY)
        top = self.get_y()
        self.multi_cell(_LABEL_MM, 5, label, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        below_label = self.get_y()
        self.set_xy(self.l_margin + _LABEL_MM, top)
        self.set_font("DejaVu", "B" if bold else "", 9.5)
        self.set_text_color(*_DARK)
        self.multi_cell(0, 5, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(max(self.get_y(), below_label) + 0.8)

    def code(self, text: str) -> None:
        """Print a command or a hash as it is."""
        self.set_font("Mono", "", 7.6)
        self.set_text_color(*_DARK)
        self.multi_cell(0, 4.2, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(0.6)


def _first_page(page: _Page, parts: ReportParts, words: Words) -> None:
    record = parts.record
    page.set_font("DejaVu", "B", 18)
    page.set_text_color(*_DARK)
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


def _still(page: _Page, parts: ReportParts, words: Words) -> None:
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
    page.image(_jpeg(still), x=page.l_margin, w=shown_mm)


def _jpeg(picture: NDArray[Any]) -> io.BytesIO:
    """Return a picture as JPEG in memory; a still is to look at, the clip is the proof."""
    image = Image.fromarray(picture)
    image.thumbnail((960, 960))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=88)
    buffer.seek(0)
    return buffer


def _plot(page: _Page, name: str, data: bytes, words: Words) -> None:
    page.heading(words(f"{name}_title"), room_mm=98)
    page.image(io.BytesIO(data), w=page.epw)
    page.text_block(words(f"{name}_caption"), size=8, grey=True)


def _decision(page: _Page, record: EventRecord, words: Words) -> None:
    event = record.event
    page.heading(words("decision"), room_mm=60 + 4.6 * min(len(event.windows), 20))
    page.row(words("signature"), f"{event.signature} {event.version}")
    page.code(f"SHA-256 {event.signature_sha256}")
    page.text_block(f"{words('own_words')} {event.why}. {event.behaviour_why}".rstrip())
    page.text_block(words("windows"), size=8, grey=True)
    header = ("window", "probability", "loud_enough", "other_source", "match")
    rows = [[words(key) if key != "loud_enough" else f"LAFmax dB · {words(key)}" for key in header]]
    rows += [_window_row(window, record.clip.start_s, words) for window in shown_windows(event.windows)]
    page.set_font("DejaVu", "", 8)
    page.set_text_color(*_DARK)
    with page.table(
        rows=rows,
        col_widths=(24, 30, 34, 24, 16),
        text_align=("LEFT", "RIGHT", "RIGHT", "LEFT", "LEFT"),
        line_height=4.4,
        gutter_width=2,
        headings_style=FontFace(emphasis="BOLD", fill_color=(235, 240, 245)),
        borders_layout="HORIZONTAL_LINES",
    ):
        pass
    page.ln(2)


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


def _treatment(page: _Page, parts: ReportParts, words: Words) -> None:
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
    terms = [
        f"{term.get('name')} {words.number(float(term.get('standard_uncertainty_db', 0)), 2)}"
        for term in record.uncertainty
    ]
    if terms:
        page.row(words("uncertainty"), "; ".join(terms))
    page.row(words("software"), record.software)


def _clock(record: EventRecord, words: Words) -> str:
    clock = record.clock
    source = words.named("clock", clock.source)
    if clock.source == "file":
        return source
    parts = [source, words("clock_synchronised" if clock.synchronised else "clock_free")]
    if clock.bound_s is not None:
        parts.append(words("clock_bound", bound=words.number(clock.bound_s, 2)))
    return ", ".join(parts)


def _verification(page: _Page, parts: ReportParts, words: Words) -> None:
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
