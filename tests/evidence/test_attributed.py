"""The vehicle that a record names: drawn where the signed record says, and said in three languages."""

from __future__ import annotations

import dataclasses
from typing import Any

import made_up
import numpy as np
import pytest

from noisewatch.evidence.attributed import box_at, mark, sentence, still_at_s
from noisewatch.evidence.words import LANGUAGES, Words
from noisewatch.records import EventRecord


def said(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "one vehicle",
        "n_vehicles": 2,
        "probability": 0.991,
        "direction": "to the left",
        "boxes": [[5.96, 0.3, 0.5, 0.2, 0.25], [6.0, 0.25, 0.5, 0.2, 0.25]],
    } | changes


def with_statement(document: dict[str, Any]) -> EventRecord:
    record = made_up.make_record(b"clip", made_up.make_levels())
    return dataclasses.replace(record, statements={"attribution": document})


def test_the_box_is_drawn_at_its_place_and_the_still_itself_is_not_changed() -> None:
    still = np.full((360, 640, 3), 90, np.uint8)
    marked = mark(still, said(), at_s=6.0)
    changed = np.argwhere((marked != still).any(axis=2))
    assert (still == 90).all()
    assert changed[:, 1].min() >= 0.25 * 640 - 4
    assert changed[:, 1].max() <= 0.45 * 640 + 4
    assert abs(changed[:, 0].max() - 0.75 * 360) < 4
    # the inside of the box stays as it was: a plate must be readable
    assert (marked[200:250, 180:270] == 90).all()


def test_arrows_of_the_two_directions_differ() -> None:
    still = np.full((360, 640, 3), 90, np.uint8)
    left, right = (mark(still, said(direction=f"to the {side}"), at_s=6.0) for side in ("left", "right"))
    assert (left != right).any()
    # the head has more paint than the tail
    middle = round(0.35 * 640)
    assert (left[:170, :middle] != 90).sum() > (left[:170, middle:] != 90).sum()
    assert (right[:170, :middle] != 90).sum() < (right[:170, middle:] != 90).sum()


def test_nothing_is_drawn_where_no_box_lies_near_in_time_or_none_was_named() -> None:
    still = np.full((360, 640, 3), 90, np.uint8)
    assert box_at(said(), 6.5) is None
    assert (mark(still, said(), at_s=6.5) == still).all()
    assert (mark(still, said(boxes=[]), at_s=6.0) == still).all()
    assert (mark(still, {}, at_s=6.0) == still).all()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_has_a_sentence_in_every_language(language: str) -> None:
    words = Words(language)
    texts = [
        sentence(with_statement(said(kind=kind)), words, is_marked=True)
        for kind in ("one vehicle", "ambiguous", "none in view")
    ]
    assert all(texts)
    assert len(set(texts)) == 3
    assert sentence(with_statement({}), words, is_marked=False) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sentence_speaks_of_a_box_only_where_one_is_drawn(language: str) -> None:
    words = Words(language)
    marked, bare = (sentence(with_statement(said()), words, is_marked=drawn) for drawn in (True, False))
    assert marked == f"{bare} {words('attribution_marked')}"


@pytest.mark.parametrize(("away_s", "moves"), [(0.0, False), (0.09, False), (0.4, True), (-1.3, True)])
def test_the_still_shows_the_vehicle_where_it_was_not_seen_at_the_loudest_moment(
    away_s: float, moves: bool
) -> None:
    bare = with_statement({})
    loudest_s = bare.event.peak_s - bare.clip.start_s
    record = with_statement(said(boxes=[[round(loudest_s + away_s, 3), 0.25, 0.5, 0.2, 0.25]]))
    shown_s = still_at_s(record)
    assert box_at(record.statements["attribution"], shown_s) is not None
    assert (shown_s != pytest.approx(loudest_s)) == moves


def test_without_a_named_vehicle_the_still_is_of_the_loudest_moment() -> None:
    record = with_statement(said(kind="ambiguous", boxes=[]))
    assert still_at_s(record) == record.event.peak_s - record.clip.start_s


def test_a_box_that_reaches_beyond_the_picture_is_cut_at_its_edge() -> None:
    still = np.full((90, 160, 3), 90, np.uint8)
    marked = mark(still, said(boxes=[[6.0, -0.2, 0.7, 0.5, 0.6]]), at_s=6.0)
    assert marked.shape == still.shape
    assert (marked != still).any()
