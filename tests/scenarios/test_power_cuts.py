"""The power goes while the store, retention or an export writes: what was acknowledged is there, whole.

A sample runs always. The whole sweep, 280 cuts:

    .venv/bin/python -m pytest -m slow -s tests/scenarios/test_power_cuts.py
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import crash
import crashscenes
import powercut
import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk; CI runs as root")

FORGET = ("fsync", "fdatasync")


@dataclass(frozen=True)
class Case:
    """A disk to begin with, the work, and what must hold after the power came back."""

    image: Path
    work: Callable[[Path], crash.Work]
    check: Callable[[Path, int], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with crash.quick_folder(tmp_path_factory.mktemp("power")) as quick:
        yield quick


@pytest.fixture(scope="module")
def ground(folder: Path) -> crashscenes.Ground:
    return crashscenes.make_ground(folder)


@pytest.fixture(scope="module")
def sealing(folder: Path, ground: crashscenes.Ground) -> Case:
    """A node that seals an event."""
    image = folder / "sealing.disk"
    powercut.make_disk(image, ground.folder)

    def check(place: Path, acknowledged: int) -> str:
        return crashscenes.check_sealing(ground, crashscenes.opened(place), acknowledged)

    return Case(image, lambda place: crashscenes.seal_work(crashscenes.opened(place)), check)


@pytest.fixture(scope="module")
def purging(folder: Path, ground: crashscenes.Ground) -> Case:
    """A node that erases what has ended and keeps what has not."""
    ready = ground.copy(folder / "purging")
    crashscenes.purge_work(ready)
    image = folder / "purging.disk"
    powercut.make_disk(image, folder / "purging")

    def check(place: Path, acknowledged: int) -> str:
        return crashscenes.check_purge(ground, crashscenes.opened(place), acknowledged)

    return Case(image, lambda place: crashscenes.purge_again(crashscenes.opened(place)), check)


@pytest.fixture
def exporting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A custody machine that exports an event."""
    crashscenes.draw_once(monkeypatch)
    counter = crashscenes.make_counter(folder)
    crashscenes.export_once(counter.copy(folder / "drawn"))
    image = folder / "exporting.disk"
    powercut.make_disk(image, counter.folder)
    return Case(image, crashscenes.export_work, crashscenes.check_export)


def cut_at(
    case: Case, point: crash.Point | None, *, reached: str, seed: int = 0, pretend: Sequence[str] = ()
) -> str:
    """Cut the power at a point of the work, or right after it; return the state after power came back."""
    with powercut.copied(case.image) as image:
        with powercut.mounted(image) as disk:
            work = case.work(disk / "place")
            ended = crash.run(
                work, point, pretend=pretend, after=lambda: powercut.cut(disk, reached=reached, seed=seed)
            )
        with powercut.again(image) as disk:
            return case.check(disk / "place", ended.acknowledged)


def calls_of(case: Case) -> Counter[str]:
    with powercut.again(case.image) as disk:
        return crash.run(case.work(disk / "place"), watch=crash.CALLS).calls


def sweep(case: Case, *, cuts: int, title: str) -> Counter[str]:
    """Cut at evenly spread points and at the end, with each idea of what had reached the disk in turn."""
    points: list[crash.Point | None] = [*crash.points_of(calls_of(case), [crash.KILL])]
    chosen = [points[number * len(points) // (cuts - 3)] for number in range(cuts - 3)] + [None] * 3
    states: Counter[str] = Counter()
    for number, point in enumerate(chosen, start=1):
        reached = powercut.REACHED[number % 3]
        try:
            states[cut_at(case, point, reached=reached, seed=number)] += 1
        except crashscenes.BrokenPromiseError as error:
            raise AssertionError(
                f"{title}: power cut at {point}, {reached} reached the disk: {error}"
            ) from error
        if number % 10 == 0 or number == cuts:
            print(f"\n{title}: {number} power cuts, states after power came back: {dict(states)}", flush=True)
    return states


def test_an_event_that_was_acknowledged_before_a_power_cut_is_there_after_it(sealing: Case) -> None:
    for reached in powercut.REACHED:
        assert cut_at(sealing, None, reached=reached) == "sealed"


def test_power_cuts_while_sealing_leave_no_half_event(sealing: Case) -> None:
    states = sweep(sealing, cuts=9, title="sealing")
    assert states["sealed"] >= 3
    assert len(states) >= 2, "no cut met the work"


def test_power_cuts_while_erasing_leave_an_event_whole_or_gone(purging: Case) -> None:
    states = sweep(purging, cuts=7, title="erasing")
    assert states["erased"] >= 3
    assert len(states) >= 2, "no cut met the work"


def test_without_fsync_a_power_cut_loses_what_was_acknowledged(sealing: Case) -> None:
    """The negative control: the disk forgets, and the check sees it."""
    for reached in (powercut.NOTHING, powercut.NAMES):
        with pytest.raises(crashscenes.BrokenPromiseError):
            cut_at(sealing, None, reached=reached, pretend=FORGET)


def test_without_fsync_a_power_cut_undoes_an_erasure_that_was_acknowledged(purging: Case) -> None:
    with pytest.raises(crashscenes.BrokenPromiseError, match="erased is not erased"):
        cut_at(purging, None, reached=powercut.NOTHING, pretend=FORGET)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_power_cuts_while_sealing(sealing: Case) -> None:
    states = sweep(sealing, cuts=100, title="sealing")
    assert {"absent", "lost", "original", "sealed"} == set(states)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_seventy_power_cuts_while_erasing(purging: Case) -> None:
    states = sweep(purging, cuts=70, title="erasing")
    assert {"whole", "under way", "erased"} == set(states)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_seventy_power_cuts_while_exporting(exporting: Case) -> None:
    states = sweep(exporting, cuts=70, title="exporting")
    assert {"nothing", "exported"} == set(states)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_forty_power_cuts_while_recovering_from_a_power_cut(
    sealing: Case, ground: crashscenes.Ground, folder: Path
) -> None:
    acknowledged = 0
    states: Counter[str] = Counter()
    for number, call in enumerate(("rename", "fdatasync", "fsync", "pwrite64")):
        image = folder / f"{call}.disk"
        shutil.copyfile(sealing.image, image)
        with powercut.mounted(image) as disk:
            ended = crash.run(
                sealing.work(disk / "place"),
                crash.Point(call, 6 + 2 * number),
                after=lambda disk=disk: powercut.cut(disk, reached=powercut.NAMES, seed=0),
            )
            acknowledged = ended.acknowledged

        def check(place: Path, _: int, acknowledged: int = acknowledged) -> str:
            return crashscenes.check_sealing(ground, crashscenes.opened(place), acknowledged)

        def work(place: Path) -> crash.Work:
            return crashscenes.recovery_work(crashscenes.opened(place))

        found = image.with_suffix(".found")
        shutil.copyfile(image, found)
        states += sweep(Case(found, work, check), cuts=10, title=f"recovering after a cut at a {call}")
    assert sum(states.values()) == 40
