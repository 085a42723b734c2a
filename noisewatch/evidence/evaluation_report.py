"""The report of an evaluation: one HTML file that needs nothing else, with its plots inside."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from noisewatch.recognition.curves import Band, Curves
from noisewatch.recognition.verdict import Drift, Month, Shift

#: Features in the table of shifts.
SHIFTS_SHOWN = 15
_BLUE, _ORANGE, _GREY = "#0072b2", "#e69f00", "#888888"
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
}
_FIGURES = (
    ("auroc", "AUROC", "chance that an exhaust scores higher than another sound"),
    ("average_precision", "average precision", "at the corpus's own share of exhausts"),
    ("recall_at_fpr_0_01", "recall at 1 % false positives", "share of exhausts found"),
    ("recall_at_fpr_0_001", "recall at 0.1 % false positives", "share of exhausts found"),
)
_OFFICER = (
    ("yield", "yield", "share of the clips that are worth an officer's time"),
    ("lost_share", "share lost", "nuisance passes that are not kept"),
    ("false_per_day", "false clips a day", "clips a day that are something else"),
)
_HOW = {
    "fixed": "The signature as it is. Where it was trained on these clips, the figures flatter.",
    "out-of-fold": "Every clip was judged by networks that never heard its group.",
    "out-of-source": "Every clip was judged by networks that never heard its source; no augmented copies.",
    "out-of-split": "Every clip was judged by networks that never heard its fold of a split of one's own.",
}
_CSS = """
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}img{max-width:100%;height:auto}
table{border-collapse:collapse;margin:.6rem 0}th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;
text-align:right}th:first-child,td:first-child{text-align:left}th{font-weight:600}
.note{color:#555}.scroll{overflow-x:auto}.own{background:#dbeaf5}
"""


@dataclass(frozen=True, slots=True)
class Street:
    """What officers said of the street's events since training, and how its features lie against training's.

    ``moved`` compares the events' figures of the older half of the verdicts with those of the newer half.
    """

    months: Sequence[Month]
    moved: Sequence[Drift]
    shifts: Sequence[Shift]


def evaluation_html(
    document: Mapping[str, Any],
    curves: Curves,
    *,
    corpus: str,
    software: str,
    street: Street | None = None,
) -> bytes:
    """Return the whole report.

    Parameters
    ----------
    document : mapping
        What ``signatures evaluate --json`` prints.
    curves : Curves
        Of the same clips.
    corpus, software : str
        What the report names as its origin.
    street : Street, optional
        Yield over time and drift, from officers' verdicts.

    Returns
    -------
    bytes
        HTML in UTF-8: no script, nothing fetched; the same inputs give the same bytes.
    """
    title = f"{document['signature']}: evaluation"
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{_text(_HOW[document['how']])} {document['clips']} clips of {document['groups']} groups from "
        f"<code>{_text(corpus)}</code>. Intervals are 95 %, by a bootstrap over groups. "
        f"The threshold is {document['threshold']:.3f}.</p>",
        _officers_part(document),
        "<h2>How well it ranks</h2>",
        _figure_table(document, _FIGURES),
        _image(_roc_plot(curves.roc), "recall over false-positive rate"),
        _image(_precision_plot(curves.precision_recall), "precision over recall"),
        _calibration_part(document, curves),
        _confusion_part(curves),
        _labels_part(document),
        _sources_part(document, curves),
        "" if street is None else _street_part(street),
        f'<p class="note">Scores are an indication for a technical inspection. {_text(software)}</p>',
    ]
    head = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{_text(title)}</title><style>{_CSS}</style></head><body>"
    )
    return (head + "\n".join(parts) + "</body></html>\n").encode("utf-8")


def _officers_part(document: Mapping[str, Any]) -> str:
    share = 100 * document["base_rate"]
    return (
        "<h2>What an officer would see</h2>"
        f"<p>On a street with {document['passes_per_day']} passes a day over the gate, {share:g} % of them "
        f"nuisance exhausts:</p>{_figure_table(document, _OFFICER)}"
    )


def _figure_table(document: Mapping[str, Any], figures: Iterable[tuple[str, str, str]]) -> str:
    rows = [
        (name, f"{document[key]:.3f}", f"{document[f'{key}_low']:.3f} to {document[f'{key}_high']:.3f}", what)
        for key, name, what in figures
    ]
    return _table(("figure", "value", "95 % interval", "meaning"), rows)


def _calibration_part(document: Mapping[str, Any], curves: Curves) -> str:
    rows = [
        (f"{b.mean_probability:.2f}", b.clips, f"{b.share:.2f}", f"{b.low:.2f} to {b.high:.2f}")
        for b in curves.calibration
    ]
    return (
        "<h2>Do the probabilities mean what they say?</h2>"
        f"<p>Expected calibration error {document['calibration_error']:.3f}.</p>"
        + _image(_calibration_plot(curves), "share of exhausts over the stated probability")
        + _table(("stated probability", "clips", "share of exhausts", "95 % interval"), rows)
    )


def _confusion_part(curves: Curves) -> str:
    called = sorted({name for row in curves.by_class.values() for name in row})
    rows = []
    for true, row in curves.by_class.items():
        rows.append((true, sum(row.values()), *(row.get(name, 0) or "" for name in called)))
    return (
        "<h2>What is taken for what</h2><p>Rows: what it is. Columns: the most probable class.</p>"
        f'<div class="scroll">{_table(("class", "clips", *called), rows, own=True)}</div>'
    )


def _labels_part(document: Mapping[str, Any]) -> str:
    rows = [
        (label, row["clips"], row["groups"], f"{row['share']:.3f}", f"{row['median_probability']:.3f}")
        for label, row in document["by_label"].items()
    ]
    header = ("label", "clips", "groups", "share over the threshold", "median probability")
    return f"<h2>By label</h2>{_table(header, rows)}"


def _sources_part(document: Mapping[str, Any], curves: Curves) -> str:
    rows = []
    for source, row in document["by_source"].items():
        counts = curves.by_source[source]
        rows.append(
            (
                source,
                counts["found"],
                counts["lost"],
                counts["false"],
                counts["right"],
                _or_dash(row["recall"]),
                _or_dash(row["false_share"]),
                _or_dash(row["auroc"]),
            )
        )
    header = ("source", "found", "lost", "false", "rightly left", "recall", "false share", "AUROC")
    return f'<h2>By source</h2><div class="scroll">{_table(header, rows)}</div>'


def _street_part(street: Street) -> str:
    months = [
        (m.month, m.exhaust, m.not_exhaust, m.unclear, _share(m.share), f"{m.low:.2f} to {m.high:.2f}")
        for m in street.months
    ]
    parts = [
        "<h2>What officers said: yield over time</h2>",
        _image(_yield_plot(street.months), "yield of each month with its interval") if months else "",
        _table(("month", "exhaust", "not exhaust", "unclear", "yield", "95 % interval"), months),
        "<h2>Drift since training</h2>",
        "<p>Features of the street's events against those of the training recordings. A stability index "
        "above 0.25 is a large shift; recordings differ from streets anyway: watch what changes.</p>",
    ]
    shifts = [
        (s.feature, f"{s.statistic:.2f}", f"{s.stability_index:.2f}", "yes" if s.has_moved else "no")
        for s in street.shifts[:SHIFTS_SHOWN]
    ]
    moved = [
        (d.figure, f"{d.before:g}", f"{d.after:g}", f"{d.statistic:.2f}", "yes" if d.has_moved else "no")
        for d in street.moved
    ]
    if shifts:
        parts.append(_table(("feature", "Kolmogorov–Smirnov", "stability index", "has moved"), shifts))
    else:
        parts.append("<p>The verdicts hold no features of this kind.</p>")
    if moved:
        parts.append("<p>Figures of the older half of the verdicts against the newer half, by median:</p>")
        parts.append(_table(("figure", "before", "after", "Kolmogorov–Smirnov", "has moved"), moved))
    return "".join(parts)


def _yield_plot(months: Sequence[Month]) -> Figure:
    figure = Figure(figsize=(6.0, 2.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    decided = [month for month in months if month.exhaust + month.not_exhaust]
    place = range(len(decided))
    below = [month.share - month.low for month in decided]
    above = [month.high - month.share for month in decided]
    shares = [month.share for month in decided]
    axes.errorbar(list(place), shares, yerr=(below, above), color=_BLUE, marker="o", capsize=2)
    axes.set_xticks(list(place), [month.month for month in decided])
    axes.set(ylim=(0, 1.01), ylabel="yield")
    return figure


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _roc_plot(roc: Band) -> Figure:
    figure = Figure(figsize=(8.6, 3.6), dpi=110, layout="constrained")
    for number, (low, high, scale) in enumerate(((0.0, 1.0, "linear"), (1e-4, 1.0, "log"))):
        axes = figure.add_subplot(1, 2, number + 1)
        axes.fill_between(roc.x, roc.low, roc.high, color=_BLUE, alpha=0.18, linewidth=0)
        axes.plot(roc.x, roc.y, color=_BLUE, linewidth=2)
        axes.set_xscale(scale)
        axes.set(xlim=(low, high), ylim=(0, 1.01), xlabel="false-positive rate", ylabel="recall")
        for rate in (0.01, 0.001):
            if scale == "log":
                axes.axvline(rate, color=_ORANGE, linewidth=1, linestyle="--")
    return figure


def _precision_plot(band: Band) -> Figure:
    figure = Figure(figsize=(5.2, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.fill_between(band.x, band.low, band.high, color=_BLUE, alpha=0.18, linewidth=0)
    axes.plot(band.x, band.y, color=_BLUE, linewidth=2)
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="recall", ylabel="precision in the corpus")
    return figure


def _calibration_plot(curves: Curves) -> Figure:
    figure = Figure(figsize=(5.2, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--")
    x, y = ([getattr(b, name) for b in curves.calibration] for name in ("mean_probability", "share"))
    spans = [[max(b.share - b.low, 0.0) for b in curves.calibration]]
    spans.append([max(b.high - b.share, 0.0) for b in curves.calibration])
    axes.errorbar(x, y, yerr=spans, color=_BLUE, marker="o", markersize=4, linewidth=1.5, capsize=2)
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="stated probability", ylabel="share of exhausts")
    return figure


def _image(figure: Figure, alternative: str) -> str:
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format="png", metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<p><img alt="{_text(alternative)}" src="data:image/png;base64,{data}"></p>'


def _table(header: Sequence[str], rows: Iterable[Sequence[object]], *, own: bool = False) -> str:
    """Return a table; with ``own`` the cell of a row's own class is marked."""
    lines = ["<table><tr>" + "".join(f"<th>{_text(name)}</th>" for name in header) + "</tr>"]
    for row in rows:
        cells = []
        for name, value in zip(header, row, strict=True):
            mark = ' class="own"' if own and name == row[0] else ""
            cells.append(f"<td{mark}>{_text(value)}</td>")
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "".join([*lines, "</table>"])


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
