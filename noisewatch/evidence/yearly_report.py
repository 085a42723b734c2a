"""The yearly report as one HTML file that needs nothing else, with its plots inside."""

from __future__ import annotations

import base64
import html
import io
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Plot

from noisewatch.evidence.figures import Figure
from noisewatch.evidence.jsonform import utc_text
from noisewatch.evidence.yearly import Year

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_CSS = """
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}img{max-width:100%;height:auto}
table{border-collapse:collapse}th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left}
td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums}td:last-child{color:#555}
.trial{font-weight:700}.note{color:#555}
"""


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Return every text by key and language, from ``templates/yearly.toml``."""
    data = (resources.files("noisewatch.evidence") / "templates" / "yearly.toml").read_text(encoding="utf-8")
    return tomllib.loads(data)


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
        parts.append(f'<p class="trial">{say("trial")}</p>')
    parts.append(f"<p>{say('until', until=utc_text(year.until)[:16], nodes=nodes, whole=whole)}</p>")
    parts.append(
        f"<table><tr><th>{say('figure')}</th><th></th><th>{say('source')}</th></tr>{''.join(rows)}</table>"
    )
    for key, months in year.by_month.items():
        heading = say("by_month", what=texts()[key][language])
        picture = base64.b64encode(_bars(months)).decode()
        parts.append(f'<h2>{heading}</h2><img alt="{heading}" src="data:image/png;base64,{picture}">')
    parts.append(f'<p class="note">{say("hidden_bar")}. {say("suppressed")}</p>')
    head = (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_CSS}</style></head><body>"
    )
    return (head + "\n".join(parts) + "</body></html>\n").encode("utf-8")


def _bars(months: Sequence[Figure]) -> bytes:
    """Draw twelve bars; a hidden month is hatched to the height of the smallest count that is shown."""
    with matplotlib.rc_context(_STYLE):
        plot = Plot(figsize=(8, 2.4), layout="constrained")
        axes = plot.add_subplot()
        for place, month in enumerate(months, start=1):
            height = month.value if isinstance(month.value, int) else 5 if month.is_suppressed else 0
            style: Any = {"fill": False, "hatch": "///"} if month.is_suppressed else {"color": "#0072b2"}
            axes.bar(place, height, width=0.8, edgecolor="#0072b2", linewidth=0.5, **style)
        axes.set_xticks(range(1, 13))
        axes.set_ylim(bottom=0)
        out = io.BytesIO()
        FigureCanvasAgg(plot)
        plot.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
