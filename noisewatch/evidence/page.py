"""A page for people as one HTML file that needs nothing else: head, style, pictures inside, no script."""

from __future__ import annotations

import base64
import io
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Plot

#: Of every plot of a page; hand it to ``matplotlib.rc_context``.
PLOT_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_CSS = """
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}img{max-width:100%;height:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem;border-bottom:1px solid #ddd}.note{color:#555}.warn{font-weight:700}
"""


@cache
def texts_of(name: str) -> Mapping[str, Mapping[str, str]]:
    """Return every text of a page by key and language, from ``templates/NAME.toml``.

    Examples
    --------
    >>> sorted(texts_of("street")["hour"])
    ['en', 'fr', 'nl']
    """
    file = resources.files("noisewatch.evidence") / "templates" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def whole_page(title: str, parts: Sequence[str], *, language: str, css: str) -> bytes:
    """Return a page that loads nothing and runs nothing; the same parts give the same bytes.

    Parameters
    ----------
    title : str
        Escaped already, as the parts are.
    parts : sequence of str
        HTML, one below the other.
    language : str
        nl, fr or en.
    css : str
        What this page adds to the style of all.
    """
    head = (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_CSS}{css}</style></head><body>"
    )
    return (head + "\n".join(parts) + "</body></html>\n").encode("utf-8")


def picture(plot: Plot, words: str, *, dots_per_inch: int = 100) -> str:
    """Return a plot as a picture inside the page; ``words`` (escaped) stand for whoever does not see it.

    Call it inside ``matplotlib.rc_context(PLOT_STYLE)``.
    """
    out = io.BytesIO()
    FigureCanvasAgg(plot)
    plot.savefig(out, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return f'<img alt="{words}" src="data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}">'
