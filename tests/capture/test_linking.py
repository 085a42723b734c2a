"""Blobs become tracks: crossing, hidden, in parts, and one that takes another one's name."""

from __future__ import annotations

import numpy as np

from noisewatch.capture.linking import Blob, follow

WIDTH, HEIGHT = 320, 180


def moving(time_s: float, *, sign: int, middle_at_s: float, speed_px: float, width: float = 40.0) -> Blob:
    middle = 160 + sign * speed_px * (time_s - middle_at_s)
    return Blob(sign, middle - width / 2, 80.0, width, 20.0)


def seen(blob: Blob) -> bool:
    return -blob.width / 2 < blob.left < WIDTH - blob.width / 2


def test_two_that_cross_stay_two() -> None:
    time_s = np.arange(50) / 25
    sights = [
        [blob for sign in (1, -1) if seen(blob := moving(at, sign=sign, middle_at_s=1.0, speed_px=200))]
        for at in time_s.tolist()
    ]
    tracks = follow(time_s, sights, width=WIDTH, height=HEIGHT)
    assert sorted(track.sign for track in tracks) == [-1, 1]
    assert all(track.duration_s > 1.4 for track in tracks)


def test_one_that_is_hidden_for_a_second_stays_one() -> None:
    time_s = np.arange(75) / 25
    sights = [
        [moving(at, sign=1, middle_at_s=1.5, speed_px=100)] if not 1.0 < at < 2.0 else []
        for at in time_s.tolist()
    ]
    tracks = follow(time_s, sights, width=WIDTH, height=HEIGHT)
    assert len(tracks) == 1
    assert tracks[0].duration_s > 2.8


def test_parts_of_one_vehicle_become_one_box() -> None:
    time_s = np.arange(30) / 25
    sights = []
    for at in time_s.tolist():
        whole = moving(at, sign=1, middle_at_s=0.6, speed_px=200)
        sights.append(
            [
                Blob(1, whole.left, whole.top, 18.0, 20.0),
                Blob(1, whole.left + 20.0, whole.top, 20.0, 20.0),
            ]
        )
    tracks = follow(time_s, sights, width=WIDTH, height=HEIGHT)
    assert len(tracks) == 1
    assert np.allclose(tracks[0].boxes[:, 2] * WIDTH, 40.0)


def test_a_walker_who_is_met_does_not_carry_a_vehicles_track_on() -> None:
    time_s = np.arange(125) / 25
    sights = []
    for at in time_s.tolist():
        middle = min(200 * at, 260 + 8 * (at - 1.3))
        sights.append([Blob(1, middle - 10, 80.0, 20.0, 20.0)])
    tracks = follow(time_s, sights, width=WIDTH, height=HEIGHT)
    assert tracks[0].time_s[-1] < 2.0


def test_a_walker_who_is_overtaken_does_not_begin_a_vehicles_track() -> None:
    time_s = np.arange(125) / 25
    sights = []
    for at in time_s.tolist():
        middle = max(60 + 8 * at, 60 + 8 * 4.0 + 200 * (at - 4.0))
        sights.append([Blob(1, middle - 10, 80.0, 20.0, 20.0)])
    tracks = follow(time_s, sights, width=WIDTH, height=HEIGHT)
    assert tracks[0].time_s[0] > 3.5
