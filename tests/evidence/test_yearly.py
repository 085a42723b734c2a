"""A year in figures: counted right, small counts hidden, and none of them can be reckoned back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.evidence import jsonform
from noisewatch.evidence.figures import Figure, breakdown, count, share
from noisewatch.evidence.log import TAIL_CUT, LogRow
from noisewatch.evidence.yearly import report_year
from noisewatch.evidence.yearly_report import label, shown, texts, yearly_html
from noisewatch.records import LogEntry

SPRING = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def row(action: str, target: str, at: datetime, why: str = "why", **details: Any) -> LogRow:
    return LogRow(0, "", "", LogEntry("somebody", action, target, why, at, details), b"")


def life(number: int, *, sealed: bool = True, late: timedelta = timedelta(minutes=30)) -> list[LogRow]:
    """An event, its clip, and its erasure after thirty days."""
    name, at = f"20260301-1200{number:02d}-aaaaaaaa", SPRING + timedelta(seconds=number)
    due = datetime(2026, 3, 31, tzinfo=UTC)
    rows = [row("collection", name, at, state="pending" if sealed else "none")]
    if sealed:
        rows.append(row("collection", name, at + timedelta(seconds=20), state="sealed"))
    rows.append(row("erasure", name, due + late, phase="intent", ended_at=jsonform.utc_text(due)))
    rows.append(row("erasure", name, due + late, "nothing is left", phase="proof"))
    return rows


def forgotten(at: datetime, heard_s: int, kept_s: int) -> LogRow:
    totals = {"heard_us": heard_s, "kept_us": kept_s, "forgotten_us": heard_s - kept_s}
    return row("erasure", "unmatched sound", at, **{k: v * 1_000_000 for k, v in totals.items()}, minutes=1)


def figures_of(node: list[LogRow], custody: list[LogRow], **options: Any) -> dict[str, Figure]:
    settings: dict[str, Any] = {"verdicts": [], "now": NOW, **options}
    year = report_year(2026, node_rows=[node], custody_rows=custody, **settings)
    return {figure.key: figure for figure in year.figures}


def test_events_clips_and_erasures_are_counted_once_each() -> None:
    rows = [one for number in range(20) for one in life(number, sealed=number >= 8)]
    found = figures_of(rows, [])
    assert (found["events"].value, found["events: kept"].value) == (20, 12)
    assert found["events: not kept"].value == 8
    assert (found["erased"].value, found["erased_on_time"].value) == (20, 1.0)
    assert found["longest_life_days"].value == pytest.approx(29.5, abs=0.1)


def test_what_was_erased_hours_after_its_end_was_not_on_time() -> None:
    rows = [one for number in range(10) for one in life(number)]
    rows += [one for number in range(10, 20) for one in life(number, late=timedelta(hours=5))]
    assert figures_of(rows, [])["erased_on_time"].value == 0.5


def test_a_clip_that_is_still_there_lives_until_now() -> None:
    rows = life(1)[:2]
    assert figures_of(rows, [], now=SPRING + timedelta(days=40))["longest_life_days"].value == 40.0


def test_looks_and_exports_are_counted_by_code_and_never_by_reason() -> None:
    acts = [row("consultation", f"event-{n % 7}", SPRING, why="Jan asked") for n in range(9)]
    for n, code in enumerate(["complaint"] * 6 + ["inspection"] * 5):
        acts.append(row("disclosure", f"event-{n}", SPRING, why="Jan asked", reason_code=code))
    acts += [row("disclosure", f"event-{n}", SPRING, why="Piet asked") for n in range(5)]
    acts += [row("consultation", "event-1", datetime(2025, 12, 31, tzinfo=UTC))]
    acts += [row("refusal", "refused disclosure", SPRING, refused=True, kind="person") for _ in range(5)]
    found = figures_of([], acts)
    assert (found["views"].value, found["clips_viewed"].value, found["refusals"].value) == (9, 7, 5)
    assert (found["exports"].value, found["exports_by_code: complaint"].value) == (16, 6)
    assert found["exports_by_code: inspection"].value == 5
    assert found["exports_by_code: no code"].value == 5
    assert found["refusals_by_kind: person"].value == 5
    assert not any("asked" in f"{figure.key}{figure.value}" for figure in found.values())


def test_seconds_are_the_difference_of_signed_totals() -> None:
    before = forgotten(datetime(2025, 12, 31, 23, tzinfo=UTC), 1000, 10)
    rows = [before, forgotten(SPRING, 5000, 30), forgotten(SPRING + timedelta(hours=1), 8600, 110)]
    rows += [one for number in range(10) for one in life(number)]
    found = figures_of(rows, [])
    assert found["seconds_heard"].value == 7600.0
    assert found["seconds_kept"].value == 100.0
    assert found["seconds_forgotten"].value == 7500.0
    assert figures_of([], [])["seconds_forgotten"].value is None


def test_totals_of_several_boxes_are_added() -> None:
    logs = [[forgotten(SPRING, 100, 0)], [forgotten(SPRING, 50, 0)]]
    year = report_year(2026, node_rows=logs, custody_rows=[], verdicts=[], now=NOW)
    assert {f.key: f.value for f in year.figures}["seconds_heard"] == 150.0


def test_seconds_do_not_tell_a_number_of_clips_that_is_hidden() -> None:
    found = figures_of([*life(1), forgotten(SPRING, 100, 10)], [])
    assert found["events: kept"].is_suppressed
    assert (found["seconds_kept"].value, found["seconds_heard"].value) == (None, None)
    assert found["seconds_forgotten"].value == 90.0


def test_yield_is_of_clear_verdicts_and_alarms_have_kinds() -> None:
    said = ["exhaust"] * 30 + ["not-exhaust"] * 10 + ["unclear"] * 5
    alarms = [row("alteration", "20260301", SPRING, why="the box stopped", state="lost") for _ in range(6)]
    alarms += [row("people", "officer", SPRING, alarm="exports", exports=21) for _ in range(7)]
    alarms += [row("alteration", "node.jsonl", SPRING, why=TAIL_CUT) for _ in range(5)]
    found = figures_of(alarms, [], verdicts=[(date(2026, 3, 1), one) for one in said])
    assert (found["verdicts"].value, found["yield"].value) == (45, 0.75)
    kinds = [found[f"alarms_by_kind: {kind}"].value for kind in ("media lost", "too many exports", "log cut")]
    assert (found["alarms"].value, kinds) == (18, [6, 7, 5])


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 30), min_size=1))
def test_no_part_that_is_hidden_can_be_reckoned_from_the_sum(counts: dict[str, int]) -> None:
    parts = breakdown("x", counts, "s")
    hidden = [part for part in parts if part.is_suppressed]
    assert all(part.value is None for part in hidden)
    assert all(not 0 < part.value < 5 for part in parts if isinstance(part.value, int))
    if hidden and len(counts) > len(hidden):
        # what is left of the sum fits more than one set of hidden parts
        rest = sum(counts.values()) - sum(part.value for part in parts if isinstance(part.value, int))
        assert len(hidden) > 1
        assert rest > len(hidden) or any(counts[part.key.removeprefix("x: ")] == 0 for part in hidden)


@given(st.integers(0, 50), st.integers(0, 50))
def test_no_share_tells_a_small_count(part: int, rest: int) -> None:
    found = share("x", part, part + rest, "s")
    if found.value is not None:
        assert part == 0 or part >= 5
        assert rest == 0 or rest >= 5


def test_the_report_is_one_page_without_script_that_says_whether_the_logs_are_whole() -> None:
    rows = [one for number in range(20) for one in life(number)]
    year = report_year(2026, node_rows=[rows], custody_rows=[], verdicts=[], now=NOW)
    page = yearly_html(year, "nl", nodes=1, is_whole=False, is_trial=True).decode()
    assert page == yearly_html(year, "nl", nodes=1, is_whole=False, is_trial=True).decode()
    assert "Logboeken volledig: NEE" in page
    assert "PROEF" in page
    assert page.count("data:image/png;base64,") == 2
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_each_figure_has_a_name_in_each_language_and_a_source() -> None:
    found = figures_of(life(1), [])
    for figure in found.values():
        assert figure.source
        assert figure.key.partition(": ")[0] in texts()
    assert all(set(entry) == {"en", "nl", "fr"} for entry in texts().values())
    assert label("exports_by_code: complaint", "fr") == "Exports par code de motif: complaint"
    assert shown(count("events", 3, "s"), "en") == "< 5"
    assert shown(Figure("seconds_heard", 1.5, "s"), "nl") == "1,5"
