"""Verdicts: figures that hold no sound, an end after twelve months, yield and drift that tell the truth."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from noisewatch.errors import InputError
from noisewatch.recognition.verdict import (
    FIGURES,
    Verdict,
    drift,
    ends_on,
    event_figures,
    feature_shift,
    rounded,
    verdict_table,
    wilson,
    yield_by_month,
)
from noisewatch.recognition.voicefree import voice_free_names
from noisewatch.records import ScoredWindow


def levels(peak_db: float = 90.0, *, rows: int = 80) -> dict[str, np.ndarray]:
    laf_db = 60.0 + (peak_db - 60.0) * np.exp(-0.5 * ((np.arange(rows) - 48) / 8) ** 2)
    shift = {"laf_db": 0.0, "lafmax_db": 0.2, "laeq_db": -0.1, "lceq_db": 4.0, "lcpeak_db": 13.0}
    return {name: laf_db + by for name, by in shift.items()}


def windows(*probabilities: float) -> list[ScoredWindow]:
    return [
        ScoredWindow(n / 2, n / 2 + 1, p, 85.0, gate=True, vetoed_by=None if n else "siren", match=p > 0.5)
        for n, p in enumerate(probabilities)
    ]


def test_the_figures_are_those_of_the_levels_and_the_scores() -> None:
    found = event_figures(levels(), windows(0.1, 0.9, 0.95))
    assert tuple(found) == FIGURES
    assert found["lafmax_db"] == 90.0
    assert found["lceq_minus_laeq_db"] == 4.0
    assert found["lcpeak_minus_lafmax_db"] == 13.0
    assert (found["probability_max"], found["probability_median"]) == (0.95, 0.9)
    assert (found["match_share"], found["veto_share"]) == (0.67, 0.33)
    # ten decibels below the top of this bell: 8 * sqrt(2 * ln(30 / 20)) rows on each side
    assert found["loud_s"] == pytest.approx(2 * 8 * np.sqrt(2 * np.log(1.5)) / 8, abs=0.5)


@given(st.floats(61.0, 120.0), st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_figures_are_coarse_so_that_they_do_not_single_out_an_event(peak_db: float, p: list[float]) -> None:
    found = event_figures(levels(peak_db), windows(*p))
    for name, value in found.items():
        assert value == rounded(name, value)
        step = 1.0 if "_db" in name else 0.5 if name.endswith("_s") else 0.01
        assert abs(value / step - round(value / step)) < 1e-6


def test_gaps_in_the_levels_are_left_out_and_an_empty_event_is_refused() -> None:
    torn = levels()
    for column in torn.values():
        column[:10] = np.nan
    assert event_figures(torn, windows(0.5))["lafmax_db"] == 90.0
    with pytest.raises(InputError, match="no levels or no scores"):
        event_figures(levels(), [])


@given(st.dates(date(2020, 1, 1), date(2090, 12, 31)))
def test_a_verdict_ends_after_twelve_months_and_never_later(day: date) -> None:
    end = ends_on(day)
    assert timedelta(days=365) <= end - day <= timedelta(days=366)
    assert (end.year, end.month) == (day.year + 1, day.month)
    assert end.day <= day.day


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_of_a_share_is_that_of_scipy(hits: int, more: int) -> None:
    expected = binomtest(hits, hits + more).proportion_ci(method="wilson")
    assert wilson(hits, hits + more) == pytest.approx((expected.low, expected.high), abs=1e-9)


def verdict(day: date, said: str, **figures: float) -> Verdict:
    return Verdict(day, said, "exhaust", "1.0.0", {**dict.fromkeys(FIGURES, 0.0), **figures})


def test_yield_counts_months_apart_and_leaves_the_unclear_out_of_the_share() -> None:
    said = [("exhaust", 1), ("exhaust", 1), ("not-exhaust", 1), ("unclear", 1), ("unclear", 2)]
    rows = yield_by_month(verdict(date(2026, month, 3), what) for what, month in said)
    assert [row.month for row in rows] == ["2026-01", "2026-02"]
    assert rows[0].share == pytest.approx(2 / 3)
    assert rows[0].low < rows[0].share < rows[0].high
    assert np.isnan(rows[1].share)
    assert (rows[1].low, rows[1].high) == (0.0, 1.0)


def test_a_street_that_changed_is_told_from_one_that_did_not() -> None:
    rng = np.random.default_rng(5)

    def span(shift_db: float) -> list[dict[str, float]]:
        return [
            dict.fromkeys(FIGURES, 0.0)
            | {
                "lafmax_db": round(88 + shift_db + 3 * rng.standard_normal()),
                "probability_max": round(rng.uniform(0.6, 1.0), 2),
            }
            for _ in range(80)
        ]

    same = drift(span(0.0), span(0.0))
    assert not any(row.has_moved for row in same)
    moved = drift(span(0.0), span(4.0))
    assert [row.figure for row in moved if row.has_moved] == ["lafmax_db"]
    assert moved[0].after - moved[0].before == pytest.approx(4.0, abs=1.5)
    with pytest.raises(InputError, match="before and after"):
        drift([], span(0.0))


def told(verdict: str, value: float, **changes: object) -> Verdict:
    features = (value,) * len(voice_free_names())
    made = Verdict(
        date(2026, 3, 1), verdict, "exhaust", "1.0.0", dict.fromkeys(FIGURES, 1.0), features=features
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_decided_verdicts_become_rows_to_learn_from_and_the_others_do_not() -> None:
    given = [
        told("exhaust", 1.0),
        told("unclear", 2.0),
        told("not-exhaust", 3.0),
        told("exhaust", 4.0, is_trial=True),
        told("exhaust", 5.0, features=()),
    ]
    table = verdict_table(given)
    assert table.feature_set == "voice-free-1"
    assert table.features[:, 0].tolist() == [1.0, 3.0]
    assert [(clip.class_name, clip.origin) for clip in table.clips] == [
        ("exhaust", "verdict"),
        ("other", "verdict"),
    ]
    assert verdict_table([]).features.shape == (0, len(voice_free_names()))


def test_a_feature_that_moved_is_found_and_one_that_stayed_is_not() -> None:
    rng = np.random.default_rng(7)
    training, street = rng.standard_normal((400, 3)), rng.standard_normal((60, 3))
    street[:, 1] += 2.0
    rows = feature_shift(("a", "b", "c"), training, street)
    assert (rows[0].feature, rows[0].has_moved) == ("b", True)
    assert not any(row.has_moved for row in rows[1:])
    assert rows[0].stability_index > 0.25 > rows[2].stability_index
    with pytest.raises(InputError, match="a shift needs"):
        feature_shift(("a", "b", "c"), training, street[:0])
