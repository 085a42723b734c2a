"""What a viewing copy's cover costs for ten seconds of 720p25, and what its mosaics leak.

.venv/bin/python bench/bystanders.py
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

import cv2
import numpy as np

from noisewatch.privacy import mosaic
from noisewatch.privacy.bystanders import CoverPlanner
from noisewatch.privacy.faces import load_face_finder
from noisewatch.privacy.looks import two_looks
from noisewatch.simulation.picture import View, frames
from noisewatch.simulation.scenes import demo_scene

SECONDS, FRAMES_A_SECOND = 10, 25


@dataclass(frozen=True)
class Box:
    """Where the vehicle is, as shares."""

    time_s: float
    x: float
    y: float
    width: float
    height: float


def memory_mb() -> float:
    """Return the most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def street() -> list[np.ndarray]:
    """Ten seconds of the simulated street, I420, so that drawing it is no part of the figures."""
    scene = demo_scene()
    row = []
    for number, picture in enumerate(frames(scene, View())):
        if number >= SECONDS * FRAMES_A_SECOND:
            break
        row.append(picture)
    return row


def cost(name: str, pictures: list[np.ndarray], vehicle: list[Box]) -> None:
    """Print what both passes over the pictures cost."""
    before_mb, begin_s = memory_mb(), time.process_time()
    finder = two_looks(load_face_finder())
    planner = CoverPlanner(vehicle=vehicle, faces=finder)
    for number, picture in enumerate(pictures):
        planner.push(number / FRAMES_A_SECOND, cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420))
    plan = planner.finish()
    planned_s = time.process_time() - begin_s
    for number, picture in enumerate(pictures):
        plan.apply(number / FRAMES_A_SECOND, cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420))
    total_s = time.process_time() - begin_s
    print(
        f"{name:22s} plan {planned_s:5.1f} CPU s, both passes {total_s:5.1f} CPU s, "
        f"{len(pictures)} pictures; memory +{memory_mb() - before_mb:.0f} MB; "
        f"{len(plan.faces)} faces, {len(plan.movers)} movers"
    )


def restored(face: np.ndarray, pictures: int, *, hold_s: float) -> float:
    """Return the correlation of the best restoration with the face: all mosaics, shifts known exactly.

    The attacker is given what nobody has: the face's exact place in every picture, and that it never turns.
    """
    size, block, step_px = face.shape[0], 16, 2.3
    total, weight = np.zeros((size, size)), np.zeros((size, size))
    guess = np.full((size, size), 128.0)
    held: dict[int, tuple[np.ndarray, int]] = {}
    for number in range(pictures):
        slot = int(number / FRAMES_A_SECOND / hold_s) if hold_s else number
        if slot not in held:
            held[slot] = (np.empty(0), round(number * step_px) % block)
    shifts = [shift for _, shift in held.values()]
    for _ in range(60):
        total[:], weight[:] = 0.0, 0.0
        for shift in shifts:
            seen, back = blocks(face, shift, block), blocks(guess, shift, block)
            total += (seen & 0xF8).astype(float) - back
            weight += 1.0
        guess = np.clip(guess + total / weight, 0, 255)
    return float(np.corrcoef(guess.ravel(), face.ravel())[0, 1])


def blocks(face: np.ndarray, shift: int, block: int) -> np.ndarray:
    """Return the mosaic of a face whose left edge lies `shift` pixels from the grid, as large as the face."""
    size = face.shape[0]
    canvas = np.full((size + 2 * block, size + 2 * block), 128, np.uint8)
    canvas[:size, shift : shift + size] = face.astype(np.uint8)
    high, wide = (canvas.shape[0] // block) * block, (canvas.shape[1] // block) * block
    canvas = canvas[:high, :wide]
    small = cv2.resize(canvas, (wide // block, high // block), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (wide, high), interpolation=cv2.INTER_NEAREST)
    return large[:size, shift : shift + size].astype(int)


def leak() -> None:
    """Print how well a walking test pattern of 48 pixels is restored by who knows every shift."""
    rng = np.random.default_rng(1)
    rough = rng.integers(0, 256, (12, 12)).astype(np.float32)
    face = np.clip(cv2.resize(rough, (48, 48), interpolation=cv2.INTER_CUBIC), 0, 255)
    count = SECONDS * FRAMES_A_SECOND
    once = restored(face, 1, hold_s=0.0)
    print(f"restoration by an attacker who knows every shift: one mosaic r = {once:.2f},")
    print(f"  a fresh mosaic in each of {count} pictures r = {restored(face, count, hold_s=0.0):.2f},")
    print(f"  one held {mosaic.HOLD_S:g} s (as here) r = {restored(face, count, hold_s=mosaic.HOLD_S):.2f}")


def main() -> None:
    """Print the figures."""
    cv2.setNumThreads(1)
    pictures = street()
    count = len(pictures)
    vehicle = [Box(k / FRAMES_A_SECOND, 0.8 * k / count, 0.45, 0.25, 0.3) for k in range(count)]
    print(f"before: {memory_mb():.0f} MB, of which pictures {sum(p.nbytes for p in pictures) / 2**20:.0f}")
    cost("one vehicle attributed", pictures, vehicle)
    cost("no attribution", pictures, [])
    leak()


if __name__ == "__main__":
    main()
