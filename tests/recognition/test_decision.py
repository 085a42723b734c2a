"""One decision from many windows: short but clear is an event, long but weak is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.recognition.decision import CLEAREST, event_probability, pooled, pooled_probability

probabilities = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=40)


def test_two_clear_windows_say_more_than_a_minute_of_weak_ones() -> None:
    assert event_probability([0.95, 0.95]) > 0.6
    assert event_probability([0.45] * 120) == pytest.approx(0.45)


def test_one_window_has_to_be_clearer_than_two() -> None:
    assert event_probability([0.9]) < 0.5 < event_probability([0.9, 0.9])
    assert event_probability([0.99]) > 0.53


@given(probabilities)
def test_weak_windows_behind_the_clearest_change_nothing(values: list[float]) -> None:
    clear = [0.9995] * CLEAREST
    assert event_probability(clear + values) == pytest.approx(event_probability(clear))


@given(probabilities, st.floats(0.001, 0.999))
def test_a_clearer_window_never_lowers_an_event(values: list[float], more: float) -> None:
    clearer = [max(values[0], more), *values[1:]]
    assert event_probability(clearer) >= event_probability(values) - 1e-12


@given(st.lists(st.floats(0.001, 0.999), min_size=CLEAREST, max_size=40))
def test_file_and_event_agree_where_there_is_sound_enough(values: list[float]) -> None:
    assert event_probability(values) == pytest.approx(pooled_probability(values))


def test_each_class_is_pooled_for_itself() -> None:
    rising = np.arange(1.0, CLEAREST + 2.0)
    assert pooled(np.stack([rising, rising[::-1]], axis=1)).tolist() == [rising[1:].mean()] * 2


def test_nothing_heard_is_nothing_found() -> None:
    assert event_probability([]) == pooled_probability([]) == 0.0
