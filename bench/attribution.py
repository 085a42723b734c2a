"""Judge attribution on streets that its code did not make: how often wrong, how often silent.

Run ``python bench/attribution.py [--first SEED] [--scenes COUNT]``; some 3 s of CPU per scene, a second where
``--keep FOLDER`` holds what was drawn before. Seeds below 30 000 served for development, reports use 30 000
and above. Each street is judged twice: with the measuring microphone alone, and with a second one 0.2 m
beside it. Shares have Clopper-Pearson intervals of 95 %.

A named vehicle is right where its boxes lie on the loud one, and wrong otherwise; of "equal" streets, where
the second source is less than 6 dB below, every name is wrong; "none in view" where the loud one is seen
counts as abstention. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from attribution_scenes import (
    BODIES,
    HEIGHT,
    KINDS,
    PAIR_M,
    RATE_HZ,
    WIDTH,
    Street,
    Vehicle,
    draw_street,
    fast_level_db,
    pictures,
    sound,
)
from numpy.typing import NDArray
from scipy.stats import beta

from noisewatch.acoustics.direction import direction_track
from noisewatch.capture.attribution import NONE, ONE, Attribution, choose
from noisewatch.capture.hearing import hear
from noisewatch.capture.passing import passings, unclear
from noisewatch.capture.tracking import SmallFilm, moving_things, shrink

DEVELOPMENT_BELOW = 30_000
#: How the streets of a report divide.
SHARES = {
    "one": 0.16,
    "two": 0.33,
    "three": 0.33,
    "close": 0.03,
    "equal": 0.09,
    "empty": 0.02,
    "unseen": 0.04,
}
EARS = ("1 microphone", "2 microphones")
PROGRESS_EVERY = 20
MOST_WRONG, MOST_ABSTAINED, MOST_ABSTAINED_ALONE = 0.01, 0.5, 0.05


def draw(street: Street, keep: Path | None) -> tuple[SmallFilm, NDArray[np.float32]]:
    """Return the street's film and sound, from the folder where they were kept, or drawn and kept there."""
    path = None if keep is None else keep / f"{street.kind}-{street.seed}.npz"
    if path is not None and path.exists():
        with np.load(path) as kept:
            return SmallFilm(kept["time_s"], kept["pictures"]), kept["sound"]
    film, heard = shrink(pictures(street)), sound(street)
    if path is not None:
        part = path.with_suffix(".part.npz")
        np.savez(part, time_s=film.time_s, pictures=film.pictures, sound=heard)
        part.rename(path)
    return film, heard


def judge(kind: str, seed: int, keep: Path | None = None) -> tuple[str, tuple[str, str]]:
    """Return the kind and the outcome with one and with two microphones."""
    cv2.setNumThreads(1)
    street = draw_street(kind, seed)
    camera = street.camera
    film, heard = draw(street, keep)
    peak_s = float(fast_level_db(heard[0].astype(np.float64)).argmax()) / 100.0
    alone = hear(
        heard[:1],
        rate_hz=RATE_HZ,
        start_s=0.0,
        peak_s=peak_s,
        lane_distance_m=street.near_m,
        view_deg=camera.view_deg,
        pan_deg=camera.pan_deg,
    )
    places = ((0.0, 0.0, 0.0), (PAIR_M, 0.0, 0.0))
    pair = replace(alone, direction=direction_track(heard, rate_hz=RATE_HZ, positions_m=places))
    tracks = moving_things(film)
    seen = passings(tracks, aspect=WIDTH / HEIGHT, view_deg=camera.view_deg, pan_deg=camera.pan_deg)
    lost = unclear(tracks, seen, aspect=WIDTH / HEIGHT, view_deg=camera.view_deg, pan_deg=camera.pan_deg)
    one, two = (outcome(street, choose(seen, heard=ears, lost=lost)) for ears in (alone, pair))
    return kind, (one, two)


def outcome(street: Street, said: Attribution) -> str:
    """Return "right", "wrong", "ambiguous" or "none"."""
    if said.kind != ONE:
        return "none" if said.kind == NONE else "ambiguous"
    loud = street.vehicles[street.loud]
    if street.kind == "equal" or not loud.is_seen:
        return "wrong"
    shares = [overlap(street, vehicle, said) for vehicle in street.vehicles if vehicle.is_seen]
    mine = overlap(street, loud, said)
    return "right" if mine > 0.4 and mine >= max(shares) else "wrong"


def overlap(street: Street, vehicle: Vehicle, said: Attribution) -> float:
    """Return the mean share of the boxes' widths that the vehicle's sides cover in the picture."""
    shares = []
    length = BODIES[vehicle.body][0]
    for box in said.boxes:
        ends = [(vehicle.x_at(box.time_s) + side * length, vehicle.lane_m - 0.9, 0.5) for side in (-0.5, 0.5)]
        left, right = np.clip(np.sort(street.camera.project(np.array(ends))[:, 0] / WIDTH), 0.0, 1.0)
        common = min(right, box.x + box.width) - max(left, box.x)
        shares.append(max(0.0, common) / max(min(box.width, right - left), 1e-6) if right > left else 0.0)
    return float(np.mean(shares))


def interval(count: int, of: int) -> str:
    """Return a share with its interval, percent."""
    if of == 0:
        return "-"
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, of - count + 1))
    high = 1.0 if count == of else float(beta.ppf(0.975, count + 1, of - count))
    return f"{count}/{of} = {100 * count / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def several(counts: dict[tuple[str, str], Counter[str]], ears: str) -> str:
    """Return the outcomes with two or three vehicles in a few words."""
    found = counts["two", ears] + counts["three", ears]
    return f"{ears} {found['wrong']} wrong, {found['right']} right of {found.total()};"


def report(counts: dict[tuple[str, str], Counter[str]]) -> bool:
    """Print shares per kind and ears; tell whether the targets are met with two microphones."""
    is_met = True
    for ears in EARS:
        print(f"\n{ears}")
        for kind in KINDS:
            found = counts[kind, ears]
            of = found.total()
            silent = found["ambiguous"] + found["none"]
            print(
                f"  {kind:7s} wrong {interval(found['wrong'], of):34s} abstained {interval(silent, of):36s}",
                end="",
            )
            print(f" (said none in view: {found['none']})")
        both = counts["two", ears] + counts["three", ears]
        alone = counts["one", ears]
        wrong = both["wrong"] / max(both.total(), 1)
        silent_share = (both["ambiguous"] + both["none"]) / max(both.total(), 1)
        alone_share = (alone["ambiguous"] + alone["none"]) / max(alone.total(), 1)
        print(f"  two or three, 10 m apart: wrong {interval(both['wrong'], both.total())}, ", end="")
        print(f"abstained {interval(both['ambiguous'] + both['none'], both.total())}")
        good = wrong <= MOST_WRONG and silent_share <= MOST_ABSTAINED and alone_share <= MOST_ABSTAINED_ALONE
        print(f"  targets {'met' if good else 'MISSED'}")
        is_met &= good
    return is_met


def main() -> int:
    """Judge streets and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--first", type=int, default=DEVELOPMENT_BELOW, help="first seed; those below were used"
    )
    parser.add_argument("--scenes", type=int, default=460)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="only these streets")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after these, with what was judged")
    parser.add_argument("--keep", type=Path, help="keep what is drawn in this folder, 15 MB a street")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    jobs = [
        (kind, options.first + number)
        for kind, share in SHARES.items()
        if kind in options.kinds
        for number in range(round(share * options.scenes))
    ]
    # kinds in turn, so that a run that is stopped has seen all of them
    jobs.sort(key=lambda job: (job[1] - options.first + 0.5) / SHARES[job[0]])
    use = "development" if options.first < DEVELOPMENT_BELOW else "report"
    print(f"{len(jobs)} streets, {use} seeds from {options.first}")
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with ProcessPoolExecutor(options.processes) as pool:
        waiting = {pool.submit(judge, kind, seed, options.keep): seed for kind, seed in jobs}
        end = time.monotonic() + 60.0 * options.minutes
        for done in as_completed(waiting):
            kind, said = done.result()
            seed = waiting[done]
            for ears, one in zip(EARS, said, strict=True):
                counts[kind, ears][one] += 1
            n_judged = sum(counts[one, EARS[0]].total() for one in KINDS)
            if n_judged % PROGRESS_EVERY == 0:
                print(
                    f"  {n_judged} judged, two or three:",
                    *(several(counts, ears) for ears in EARS),
                    flush=True,
                )
            if "wrong" in said:
                print(f"  wrong: {kind} {seed} {said}", flush=True)
            if time.monotonic() > end:
                pool.shutdown(cancel_futures=True)
                break
    print(f"{sum(counts[kind, EARS[0]].total() for kind in KINDS)} streets judged")
    return 0 if report(counts) else 1


if __name__ == "__main__":
    sys.exit(main())
