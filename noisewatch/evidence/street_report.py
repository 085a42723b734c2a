"""A month of a street as one HTML file that needs nothing else, and as open data."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure as Plot

from noisewatch.evidence.page import PLOT_STYLE, picture, texts_of, whole_page
from noisewatch.evidence.street import WEEKDAYS, Cell, StreetMonth, table

_CSS = "th,td{text-align:right}th:first-child,td:first-child{text-align:left}"


def texts() -> Mapping[str, Mapping[str, str]]:
    """Return every text by key and language."""
    return texts_of("street")


def street_html(month: StreetMonth, language: str) -> bytes:
    """Return the whole report; the same month gives the same bytes.

    Parameters
    ----------
    month : StreetMonth
        The figures.
    language : str
        nl, fr or en.
    """

    def say(key: str, **values: object) -> str:
        return html.escape(texts()[key][language].format(**values))

    title = say("title", site=month.site, month=month.month)
    parts = [f"<h1>{title}</h1><p>{say('lead')}</p>"]
    if not month.is_calibrated:
        parts.append(f'<p class="warn">{say("uncalibrated")}</p>')
    if month.events_from is not None:
        parts.append(f"<p>{say('events_from', day=month.events_from)}</p>")
    parts += [
        f"<h2>{say('by_hour')}</h2>{_table(month, month.hours, 'hour', language)}",
        f"<h2>{say('by_weekday')}</h2>{_table(month, month.weekdays, 'weekday', language)}",
        f"<h2>{say('week')}</h2>{_week(month, language, say('week'))}",
        f"<h2>{say('distribution')}</h2>{_distributions(month, say('distribution'))}",
    ]
    if month.behaviours:
        rows = [
            f"<tr><td>{html.escape(k)}</td><td>{_count(v)}</td></tr>" for k, v in month.behaviours.items()
        ]
        parts.append(f"<h2>{say('behaviours')}</h2><table>{''.join(rows)}</table>")
    parts.append(f'<p class="note">{say("note")}</p>')
    return whole_page(title, parts, language=language, css=_CSS)


def open_data_csv(months: Sequence[StreetMonth]) -> bytes:
    """Return one row per place, weekday and hour as CSV (RFC 4180), hidden values empty."""
    rows = [row for month in months for row in table(month)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def open_data_parquet(months: Sequence[StreetMonth]) -> bytes:
    """Return the same rows as Parquet, hidden values null."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = [row for month in months for row in table(month)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.BytesIO()
    data = {name: [row.get(name) for row in rows] for name in columns}
    parquet.write_table(pa.table(data), out, compression="zstd")
    return out.getvalue()


def _table(month: StreetMonth, cells: Sequence[Cell], first: str, language: str) -> str:
    names = sorted(month.whole.events)
    over = texts()["over"][language].format(threshold=f"{month.threshold_db:g}")
    heads = [texts()[first][language], texts()["minutes"][language], "LAeq", "L10", "L90"]
    heads += ["LAFmax P50", "LAFmax P95", over, *names]
    rows = []
    for cell in [*cells, month.whole]:
        key = texts()[cell.key][language] if cell.key in texts() else "Σ" if cell is month.whole else cell.key
        levels = (cell.laeq_db, cell.l10_db, cell.l90_db, cell.lafmax_p50_db, cell.lafmax_p95_db)
        shown = [key, _count(cell.minutes), *(_level(level, language) for level in levels)]
        shown += [_percent(cell.share_over, language), *(_count(cell.events.get(name, 0)) for name in names)]
        rows.append("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in shown) + "</tr>")
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _count(number: int | None) -> str:
    return "< 5" if number is None else str(number)


def _level(level_db: float | None, language: str) -> str:
    return "–" if level_db is None else _decimal(f"{level_db:.1f}", language)


def _percent(part: float | None, language: str) -> str:
    return "–" if part is None else _decimal(f"{100 * part:.1f}", language) + " %"


def _decimal(text: str, language: str) -> str:
    return text if language == "en" else text.replace(".", ",")


def _week(month: StreetMonth, language: str, words: str) -> str:
    """Draw weekday by hour: LAeq, and the share of minutes over the threshold."""
    days = [texts()[day][language] for day in WEEKDAYS]
    laeq = np.array([np.nan if c.laeq_db is None else c.laeq_db for c in month.week]).reshape(7, 24)
    over = np.array([np.nan if c.share_over is None else 100 * c.share_over for c in month.week])
    with matplotlib.rc_context(PLOT_STYLE):
        plot = Plot(figsize=(9, 4.4), layout="constrained")
        for place, (data, unit) in enumerate(((laeq, "LAeq, dB"), (over.reshape(7, 24), "%"))):
            axes = plot.add_subplot(2, 1, place + 1)
            image = axes.imshow(data, aspect="auto", cmap="cividis", interpolation="nearest")
            axes.set_yticks(range(7), days)
            axes.set_xticks(range(0, 24, 2))
            plot.colorbar(image, ax=axes, label=unit)
        return picture(plot, words, dots_per_inch=110)


def _distributions(month: StreetMonth, words: str) -> str:
    """Draw how many minutes lie in each class of 5 dB; hidden classes are hatched."""
    with matplotlib.rc_context(PLOT_STYLE):
        plot = Plot(figsize=(9, 2.8), layout="constrained")
        pairs = (("LAeq", month.laeq_classes), ("LAFmax", month.lafmax_classes))
        for place, (level, classes) in enumerate(pairs):
            axes = plot.add_subplot(1, 2, place + 1)
            for number, (_, count) in enumerate(sorted(classes.items(), key=lambda one: _lowest(one[0]))):
                style: Any = {"fill": False, "hatch": "///"} if count is None else {"color": "#0072b2"}
                axes.bar(number, 5 if count is None else count, width=0.9, edgecolor="#0072b2", **style)
            names = sorted(classes, key=_lowest)
            axes.set_xticks(range(len(names)), [name.split("-")[0] for name in names])
            axes.set_xlabel(f"{level}, dB")
        return picture(plot, words, dots_per_inch=110)


def _lowest(name: str) -> int:
    return int(name.rsplit("-", 1)[0])
