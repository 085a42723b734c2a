"""The pages of a report: A4 with a head and a foot, and the few shapes of text that stand on them."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from noisewatch.evidence.words import Words
from noisewatch.records import EventRecord

DARK, GREY, RED, BLUE = (25, 25, 25), (105, 105, 105), (176, 0, 32), (0, 82, 130)
#: Lines of tables.
RULE = (200, 205, 210)
_LABEL_MM = 36.0


class Page(FPDF):
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
        self.set_text_color(*GREY)
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
        self.set_text_color(*GREY)
        self.multi_cell(150, 3.4, self._words("indication"), new_x=XPos.RIGHT, new_y=YPos.TOP)
        self.cell(0, 3.4, self._words("page", number=self.page_no(), total="{nb}"), align="R")

    def banner(self, text: str) -> None:
        """Print a warning that nobody can overlook."""
        self.set_fill_color(*RED)
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
        self.set_text_color(*BLUE)
        self.multi_cell(0, 6.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def text_block(self, text: str, *, size: float = 9.0, grey: bool = False) -> None:
        """Print a paragraph."""
        self.set_font("DejaVu", "", size)
        self.set_text_color(*(GREY if grey else DARK))
        self.multi_cell(0, size * 0.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def row(self, label: str, text: str, *, bold: bool = False) -> None:
        """Print a label and what it says beside it, both on one page."""
        if self.will_page_break(16):
            self.add_page()
        self.set_font("DejaVu", "", 9)
        self.set_text_color(*GREY)
        top = self.get_y()
        self.multi_cell(_LABEL_MM, 5, label, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        below_label = self.get_y()
        self.set_xy(self.l_margin + _LABEL_MM, top)
        self.set_font("DejaVu", "B" if bold else "", 9.5)
        self.set_text_color(*DARK)
        self.multi_cell(0, 5, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(max(self.get_y(), below_label) + 0.8)

    def code(self, text: str) -> None:
        """Print a command or a hash as it is."""
        self.set_font("Mono", "", 7.6)
        self.set_text_color(*DARK)
        self.multi_cell(0, 4.2, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(0.6)
