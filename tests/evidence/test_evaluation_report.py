"""The report of an evaluation is one file that fetches nothing, and says what the figures say."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest

from noisewatch.evidence.evaluation_report import Street, evaluation_html
from noisewatch.recognition.curves import curves
from noisewatch.recognition.evaluation import Judged, evaluate
from noisewatch.recognition.verdict import FIGURES, Verdict, drift, feature_shift, yield_by_month


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return [
        Judged(
            "exhaust" if n % 8 == 0 else "dog",
            f"g{n}",
            "<script>alert(1)</script>" if n % 3 == 0 else "street & co",
            n % 8 == 0,
            (n * 37 % 100) / 100 if n % 8 else 0.5 + (n % 50) / 100,
            "exhaust" if n % 8 == 0 else "animal",
        )
        for n in range(160)
    ]


@pytest.fixture(scope="module")
def page(judged: list[Judged]) -> str:
    return make(judged)


def make(judged: list[Judged]) -> str:
    figures = {"signature": "exhaust", "how": "out-of-fold", **evaluate(judged, threshold=0.6, draws=20)}
    drawn = curves(judged, threshold=0.6, draws=20)
    return evaluation_html(figures, drawn, corpus="corpus", software="noisewatch test").decode()


class Collector(HTMLParser):
    """Gather tags, addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_self_contained_and_runs_nothing(page: str) -> None:
    found = Collector()
    found.feed(page)
    assert "script" not in found.tags
    assert found.tags.count("img") == 3
    assert all(address.startswith("data:image/png;base64,") for address in found.addresses)
    assert "default-src 'none'" in page


def test_names_from_a_manifest_are_only_text(page: str) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "street &amp; co" in page


def test_the_page_holds_every_part_that_was_asked_for(page: str, judged: list[Judged]) -> None:
    figures = evaluate(judged, threshold=0.6, draws=20)
    found = Collector()
    found.feed(page)
    text = " ".join(found.words)
    for key in ("auroc", "recall_at_fpr_0_001", "yield", "lost_share", "false_per_day"):
        assert f"{figures[key]:.3f}" in text
        assert f"{figures[f'{key}_low']:.3f} to {figures[f'{key}_high']:.3f}" in text
    for heading in ("officer would see", "taken for what", "By label", "By source"):
        assert heading in text
    assert "0.5 % of them" in text


def test_the_same_evaluation_gives_the_same_bytes(page: str, judged: list[Judged]) -> None:
    assert make(judged) == page
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", page)


def test_what_officers_said_becomes_yield_over_time_and_drift(judged: list[Judged]) -> None:
    def said(day: date, verdict: str, level_db: float) -> Verdict:
        figures = dict.fromkeys(FIGURES, 1.0) | {"lafmax_db": level_db}
        return Verdict(day, verdict, "exhaust", "1.0.0", figures)

    given = [
        said(date(2026, 1 + n % 3, 5), "exhaust" if n % 4 else "not-exhaust", 80.0 + n) for n in range(60)
    ]
    rng = np.random.default_rng(1)
    street = Street(
        yield_by_month(given),
        drift([item.figures for item in given[:30]], [item.figures for item in given[30:]]),
        feature_shift(("low_band_0", "firing_height"), rng.normal(size=(200, 2)), rng.normal(2, 1, (50, 2))),
    )
    figures = {"signature": "exhaust", "how": "fixed", **evaluate(judged, threshold=0.6, draws=20)}
    drawn = curves(judged, threshold=0.6, draws=20)
    text = evaluation_html(figures, drawn, corpus="c", software="t", street=street).decode()
    assert "yield over time" in text
    assert re.search(r"<td>2026-02</td><td>15</td><td>5</td><td>0</td><td>0.75</td>", text)
    assert re.search(r"<td>firing_height</td>.*?<td>yes</td>", text)
    assert re.search(r"<td>lafmax_db</td><td>94.5</td><td>124.5</td><td>1.00</td><td>yes</td>", text)
    none = Street([], [], [])
    assert (
        "hold no features" in evaluation_html(figures, drawn, corpus="c", software="t", street=none).decode()
    )
