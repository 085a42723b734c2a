"""The yearly report as one HTML file that needs nothing else, with its plots inside."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Plot

from noisewatch.evidence.figures import Figure
from noisewatch.evidence.jsonform import utc_text
from noisewatch.evidence.page import PLOT_STYLE, picture, texts_of, whole_page
from noisewatch.evidence.yearly import Year

_CSS = "th,td{text-align:left}td:nth-child(2){text-align:right}td:last-child{color:#555}"


def texts() -> Mapping[str, Mapping[str, str]]:
    """Return every text by key and language."""
    return texts_of("yearly")


def label(key: str, language: str) -> str:
    """Return what a figure is called; a part of a breakdown stands behind a colon.

    Examples
    --------
    >>> label("events: not kept", "nl")
    'Gebeurtenissen: niets bewaard'
    """
    whole, _, part = key.partition(": ")
    name = texts()[whole][language] if whole in texts() else whole.replace("_", " ")
    known = part.replace(" ", "_")
    return f"{name}: {texts()[known][language] if known in texts() else part}" if part else name


def shown(figure: Figure, language: str) -> str:
    """Return a figure's value as people read it.

    Examples
    --------
    >>> shown(Figure("yield", 0.755, ""), "fr"), shown(Figure("exports", None, "", is_suppressed=True), "en")
    ('0,755', '< 5')
    """
    if figure.is_suppressed:
        # not every hidden figure is a count
        return "(…)" if figure.key.startswith(("seconds", "yield", "erased_on_time")) else "< 5"
    if figure.value is None:
        return "–"
    text = f"{figure.value:,}".replace(",", "\u202f") if isinstance(figure.value, int) else str(figure.value)
    return text.replace(".", ",") if language != "en" and isinstance(figure.value, float) else text


def yearly_html(year: Year, language: str, *, nodes: int, is_whole: bool | None, is_trial: bool) -> bytes:
    """Return the whole report; the same inputs give the same bytes.

    Parameters
    ----------
    year : Year
        The figures.
    language : str
        nl, fr or en.
    nodes : int
        How many boxes were counted.
    is_whole : bool or None
        Whether the logs verified; None where nobody checked.
    is_trial : bool
        Whether the keys are throw-away.
    """

    def say(key: str, **values: object) -> str:
        return html.escape(texts()[key][language].format(**values))

    whole = say("not_checked" if is_whole is None else "yes" if is_whole else "no")
    title = say("title", year=year.year)
    cells = [(label(one.key, language), shown(one, language), one.source) for one in year.figures]
    rows = ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells]
    parts = [f"<h1>{title}</h1>"]
    if is_trial:
        parts.append(f'<p class="warn">{say("trial")}</p>')
    parts.append(f"<p>{say('until', until=utc_text(year.until)[:16], nodes=nodes, whole=whole)}</p>")
    parts.append(
        f"<table><tr><th>{say('figure')}</th><th></th><th>{say('source')}</th></tr>{''.join(rows)}</table>"
    )
    for key, months in year.by_month.items():
        heading = say("by_month", what=texts()[key][language])
        parts.append(f"<h2>{heading}</h2>{_bars(months, heading)}")
    parts.append(f'<p class="note">{say("hidden_bar")}. {say("suppressed")}</p>')
    return whole_page(title, parts, language=language, css=_CSS)


def _bars(months: Sequence[Figure], words: str) -> str:
    """Draw twelve bars; a hidden month is hatched to the height of the smallest count that is shown."""
    with matplotlib.rc_context(PLOT_STYLE):
        plot = Plot(figsize=(8, 2.4), layout="constrained")
        axes = plot.add_subplot()
        for place, month in enumerate(months, start=1):
            height = month.value if isinstance(month.value, int) else 5 if month.is_suppressed else 0
            style: Any = {"fill": False, "hatch": "///"} if month.is_suppressed else {"color": "#0072b2"}
            axes.bar(place, height, width=0.8, edgecolor="#0072b2", linewidth=0.5, **style)
        axes.set_xticks(range(1, 13))
        axes.set_ylim(bottom=0)
        return picture(plot, words)
