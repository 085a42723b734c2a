"""A page for people loads nothing, runs nothing, and is the same for the same parts."""

from __future__ import annotations

import base64
import re

import matplotlib
import pytest
from matplotlib.figure import Figure as Plot

from noisewatch.evidence.page import PLOT_STYLE, picture, texts_of, whole_page


def drawn(words: str) -> str:
    with matplotlib.rc_context(PLOT_STYLE):
        plot = Plot(figsize=(2, 1))
        plot.add_subplot().plot([0, 1])
        return picture(plot, words)


def test_a_page_loads_and_runs_nothing() -> None:
    page = whole_page("A month", ["<p>words</p>", drawn("a line")], language="nl", css="").decode()
    assert '<html lang="nl">' in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,)', page)


def test_the_same_parts_give_the_same_bytes() -> None:
    one, other = (whole_page("x", [drawn("a")], language="en", css="p{}") for _ in range(2))
    assert one == other
    assert b"p{}</style>" in one


def test_a_picture_is_a_png_without_the_name_of_the_software() -> None:
    found = re.fullmatch(r'<img alt="a line" src="data:image/png;base64,([^"]+)">', drawn("a line"))
    assert found is not None
    data = base64.b64decode(found[1], validate=True)
    assert data.startswith(b"\x89PNG")
    assert b"matplotlib" not in data.lower()


@pytest.mark.parametrize("name", ["street", "yearly"])
def test_every_text_stands_in_three_languages(name: str) -> None:
    lacking = {key for key, text in texts_of(name).items() if set(text) != {"nl", "fr", "en"}}
    assert not lacking
