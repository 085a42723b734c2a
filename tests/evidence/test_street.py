"""A month of a street: right figures, local hours, nothing that points at one vehicle or one evening."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from noisewatch.errors import UsageError
from noisewatch.evidence.minutes import Minute
from noisewatch.evidence.street import Cell, StreetEvent, StreetMonth, report_month, shown_counts
from noisewatch.evidence.street_report import open_data_csv, open_data_parquet, street_html

ZONE = ZoneInfo("Europe/Brussels")
#: March 2026 has a night of 23 hours
BEGIN = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)


def minute(at: datetime, *, laeq_db: float = 60.0, lafmax_db: float = 70.0) -> Minute:
    return Minute(at, 60.0, laeq_db, lafmax_db, laeq_db + 3, laeq_db - 8, is_calibrated=True)


def made_month(**options: object) -> StreetMonth:
    rng = np.random.default_rng(4)
    minutes = []
    for number in range(31 * 24 * 4 - 4):
        at = BEGIN + timedelta(minutes=15 * number)
        is_day = 7 <= at.astimezone(ZONE).hour < 22
        laeq_db = (62.0 if is_day else 48.0) + rng.normal(0, 2)
        minutes.append(minute(at, laeq_db=laeq_db, lafmax_db=laeq_db + rng.uniform(5, 25)))
    events = [
        StreetEvent(BEGIN + timedelta(days=1, hours=hour, minutes=k), "Stalenstraat", name, "revving", 91.0)
        for hour, name, count in ((20, "exhaust", 12), (20, "quad", 3), (21, "exhaust", 4))
        for k in range(count)
    ]
    events.append(StreetEvent(BEGIN + timedelta(days=2), "Weg naar As", "exhaust", "revving", 95.0))
    return report_month("2026-03", site="Stalenstraat", minutes=minutes, events=events, zone=ZONE, **options)


def test_levels_are_those_of_the_minutes_and_hours_are_local() -> None:
    levels = [50.0, 60.0, 70.0, 60.0, 60.0]
    at = datetime(2026, 3, 10, 21, 0, tzinfo=UTC)
    minutes = [minute(at + timedelta(minutes=k), laeq_db=level) for k, level in enumerate(levels)]
    month = report_month("2026-03", site="x", minutes=minutes, events=(), zone=ZONE)
    cell = month.hours[22]
    assert cell.minutes == 5
    mean = 10 * np.log10(np.mean(10 ** (np.array(levels) / 10)))
    assert cell.laeq_db == round(mean, 1)
    assert cell.l10_db == 63.0
    assert [one.key for one in month.weekdays if one.minutes] == ["tue"]


def test_the_night_without_two_o_clock_has_fewer_minutes_and_loses_none() -> None:
    month = made_month()
    shown = [cell.minutes for cell in month.hours]
    assert sum(n for n in shown if n is not None) == 31 * 24 * 4 - 4
    assert shown[2] == 30 * 4
    assert shown[3] == 31 * 4


def test_events_of_another_place_never_come_in() -> None:
    month = made_month()
    assert month.whole.events == {"exhaust": None, "quad": None}
    hours = {cell.key: cell.events for cell in month.hours}
    assert hours["20"] == {"exhaust": None, "quad": None}
    assert hours["21"]["exhaust"] is None
    assert hours["22"] == {"exhaust": 0, "quad": 0}
    # nineteen events at Stalenstraat, all revving
    assert month.behaviours == {"revving": 19}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 30)))
def test_no_count_below_five_is_shown_and_none_can_be_reckoned_back(counts: dict[str, int]) -> None:
    shown = shown_counts(counts)
    assert all(value is None or value == 0 or value >= 5 for value in shown.values())
    hidden = [name for name, value in shown.items() if value is None]
    possible = [name for name, number in counts.items() if number]
    assert len(hidden) != 1 or possible == hidden


def cells_of(month: StreetMonth) -> list[Cell]:
    return [month.whole, *month.hours, *month.weekdays, *month.week]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40_000), st.floats(40, 110)), max_size=40))
def test_no_level_stands_for_fewer_than_five_minutes(drawn: list[tuple[int, float]]) -> None:
    minutes = [minute(BEGIN + timedelta(minutes=at), lafmax_db=level) for at, level in drawn]
    month = report_month("2026-03", site="x", minutes=minutes, events=(), zone=ZONE)
    for cell in cells_of(month):
        if cell.minutes is None or cell.minutes < 5:
            assert cell.laeq_db is None
            assert cell.lafmax_p50_db is None
            assert cell.share_over is None
        assert cell.lafmax_p95_db is None or (cell.minutes or 0) >= 100
        assert cell.share_over is None or cell.share_over == 0 or cell.share_over * (cell.minutes or 0) >= 4.9


def test_the_report_reads_in_three_languages_and_loads_nothing_from_elsewhere() -> None:
    month = made_month(events_from="2026-03-02")
    for language, words in (("nl", "Weekdag"), ("fr", "Jour"), ("en", "Weekday")):
        page = street_html(month, language).decode()
        assert words in page
        assert "2026-03-02" in page
        assert "default-src 'none'" in page
        assert "http" not in page.replace("http-equiv", "")
        assert page == street_html(month, language).decode()
    assert "62,1" in street_html(month, "nl").decode() or "62,2" in street_html(month, "nl").decode()


def test_open_data_say_the_same_in_both_forms() -> None:
    month = made_month()
    rows = list(csv.DictReader(io.StringIO(open_data_csv([month]).decode())))
    assert len(rows) == 7 * 24
    columns = parquet.read_table(io.BytesIO(open_data_parquet([month]))).to_pylist()
    assert [row["weekday"] for row in rows] == [row["weekday"] for row in columns]
    for text, value in zip(rows, columns, strict=True):
        assert text["laeq_db"] == ("" if value["laeq_db"] is None else str(value["laeq_db"]))
        assert text["events_quad"] == ("" if value["events_quad"] is None else str(value["events_quad"]))


def test_a_text_that_is_no_month_is_refused() -> None:
    with pytest.raises(UsageError, match="2026-05"):
        report_month("May", site="x", minutes=(), events=(), zone=ZONE)
