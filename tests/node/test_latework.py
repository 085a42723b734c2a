"""Late work: recorded at once, originals first, bounded and counted."""

from __future__ import annotations

import threading

import pytest

from noisewatch.node.latework import ROOM, SMALL_WORK, LateWork, Step

SOON_S = 20.0


def test_records_come_at_once_and_originals_before_viewing_copies() -> None:
    late, done, gate = LateWork(), list[str](), threading.Event()
    recorded = threading.Semaphore(0)

    def chain(name: str) -> Step:
        def viewing() -> None:
            done.append(f"viewing {name}")

        def original() -> Step:
            assert gate.wait(SOON_S)
            done.append(f"original {name}")
            return Step(1, viewing)

        done.append(f"record {name}")
        recorded.release()
        return Step(0, original)

    for name in "abc":
        assert late.put(lambda name=name: chain(name), wait=False)
    # all three are recorded while the first original still waits
    assert all(recorded.acquire(timeout=SOON_S) for _ in range(3))
    gate.set()
    late.close()
    assert done[:3] == ["record a", "record b", "record c"]
    assert done[3:6] == ["original a", "original b", "original c"]
    assert done[6:] == ["viewing a", "viewing b", "viewing c"]
    assert late.most_held == 3


def test_no_more_than_the_room_is_held_and_small_work_is_bounded_and_counted() -> None:
    late, gate = LateWork(), threading.Event()

    def stuck() -> None:
        assert gate.wait(SOON_S)

    taken = [late.put(stuck, wait=False) for _ in range(ROOM + 3)]
    assert taken == [True] * ROOM + [False] * 3
    small = [late.put_small(lambda: None) for _ in range(SMALL_WORK + 5)]
    assert small.count(False) == late.dropped == 5
    gate.set()
    late.close()
    assert late.most_held == ROOM


def test_what_no_step_expected_is_raised_at_the_end_and_holds_nobody_up() -> None:
    late, done = LateWork(), list[int]()

    def broken() -> Step:
        raise RuntimeError("unexpected")

    late.put(lambda: Step(0, broken), wait=True)
    late.put(lambda: done.append(2), wait=True)
    with pytest.raises(RuntimeError, match="unexpected"):
        late.close()
    assert done == [2]
