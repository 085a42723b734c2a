"""Streets with known vehicles for judging attribution: drawn and sounded without a line of the tracker.

Solid vehicles before a pinhole camera with height, pan and tilt; shadows, pedestrians, parked cars, trees,
clouds, noise, shake; through H.264 and back. What the camera's configuration says of it is off by some
degrees. The sound is the simulator's: engines past two microphones, with ground, facade and late echoes.
Nothing of `noisewatch.capture` is imported here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from noisewatch.simulation.engine import engine_source
from noisewatch.simulation.kinds import engine_kind
from noisewatch.simulation.noise import smooth_gate
from noisewatch.simulation.passby import Source, Surroundings, render_pass
from noisewatch.simulation.revs import accelerate, cruise

DURATION_S = 10.0
PICTURES_PER_S = 25
RATE_HZ = 12_000
WIDTH, HEIGHT = 400, 226
PAIR_M = 0.2
KINDS = ("one", "two", "three", "close", "equal", "empty", "unseen")
#: Length, width, height of the body, and where a cabin stands on it (start, end as shares; height).
BODIES = {
    "car": (4.3, 1.8, 1.0, (0.2, 0.75, 1.45)),
    "small": (3.6, 1.65, 1.1, (0.1, 0.7, 1.5)),
    "van": (5.4, 2.0, 2.3, None),
    "truck": (8.5, 2.5, 3.3, None),
    "motorcycle": (2.1, 0.6, 0.9, (0.35, 0.65, 1.65)),
}
LOUD = ("sport-exhaust", "sport-exhaust-five", "sport-exhaust-v8", "v-twin", "sport-bike", "single")

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One that drives: place at time t is `direction * (speed s + acceleration s²/2)`, s = t - closest_s."""

    body: str
    lane_m: float
    closest_s: float
    speed_mps: float
    direction: int
    acceleration_mps2: float
    level_db: float
    engine: str
    colour: tuple[int, int, int]
    is_seen: bool = True

    def x_at(self, time_s: float) -> float:
        """Return the place along the road, metres to the right of the microphone."""
        since = time_s - self.closest_s
        return self.direction * (self.speed_mps * since + 0.5 * self.acceleration_mps2 * since**2)


@dataclass(frozen=True, slots=True)
class Walker:
    """One that walks: place `x_m + speed_mps t` on a pavement at `y_m`."""

    y_m: float
    x_m: float
    speed_mps: float
    tall_m: float
    shade: int


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole at the microphone's pole. What the configuration says of it is `view_deg` and `pan_deg`."""

    true_view_deg: float
    true_pan_deg: float
    tilt_deg: float
    height_m: float
    view_deg: float
    pan_deg: float

    def project(self, points: Floats) -> Floats:
        """Return pixels of points (n, 3): x right, y over the road, z up; behind the camera is clipped."""
        pan, tilt = np.deg2rad(self.true_pan_deg), np.deg2rad(self.tilt_deg)
        x, y, z = points[:, 0], points[:, 1], points[:, 2] - self.height_m
        right = x * np.cos(pan) - y * np.sin(pan)
        ahead = x * np.sin(pan) + y * np.cos(pan)
        depth = np.maximum(ahead * np.cos(tilt) - z * np.sin(tilt), 0.3)
        down = -(z * np.cos(tilt) + ahead * np.sin(tilt))
        focal = 0.5 * WIDTH / np.tan(np.deg2rad(self.true_view_deg) / 2)
        return np.stack([WIDTH / 2 + focal * right / depth, HEIGHT / 2 + focal * down / depth], axis=1)


@dataclass(frozen=True, slots=True)
class Street:
    """One scene with its truth: `loud` is the index of the vehicle that was heard."""

    kind: str
    seed: int
    vehicles: tuple[Vehicle, ...]
    walkers: tuple[Walker, ...]
    parked: tuple[tuple[float, int], ...]
    camera: Camera
    loud: int
    near_m: float
    far_m: float
    light: tuple[float, float, float] = (0.0, 0.0, 5.0)
    noise: float = 2.0
    shake_px: float = 0.0
    trees: int = 0
    has_shadows: bool = True
    crf: int = 26
    facade_m: float | None = 5.0
    bed_db: float = 52.0
    extra: dict[str, float] = field(default_factory=dict)


def apart_m(one: Vehicle, other: Vehicle, time_s: float) -> float:
    """Return how far two vehicles' middles are from each other."""
    return float(np.hypot(one.x_at(time_s) - other.x_at(time_s), one.lane_m - other.lane_m))


def draw_street(kind: str, seed: int) -> Street:
    """Draw a street of a kind by chance.

    "one", "two" and "three" vehicles, the others at least 10 m from the loud one at its closest approach and
    6 dB or more below; "close": two, less than 10 m apart; "equal": two, less than 6 dB apart; "empty": the
    loud one drives where the camera does not look; "unseen": the same, and one is in view, 10 m apart.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    near = float(rng.uniform(4.0, 8.5))
    far = near + float(rng.uniform(3.0, 4.0))
    is_left_hand = bool(rng.random() < 0.25)
    loud = _vehicle(rng, near, far, is_left_hand, is_loud=True)
    if kind in ("empty", "unseen"):
        loud = _replace(loud, is_seen=False)
    vehicles = [loud]
    wanted = {"one": 0, "two": 1, "three": 2, "close": 1, "equal": 1, "empty": 0, "unseen": 1}[kind]
    while len(vehicles) <= wanted:
        other = _vehicle(rng, near, far, is_left_hand, is_loud=False)
        gap = apart_m(loud, other, loud.closest_s)
        below = float(rng.uniform(0.0, 5.0) if kind == "equal" else rng.uniform(6.0, 26.0))
        other = _replace(other, level_db=loud.level_db - below)
        if (gap < 10.0) == (kind == "close") and _is_free(other, vehicles):
            vehicles.append(other)
    view, pan = float(rng.uniform(58.0, 105.0)), float(rng.normal(0.0, 8.0))
    height = float(rng.uniform(2.0, 4.5))
    # whoever hangs a camera points it at the road
    aim = np.rad2deg(np.arctan((height - 0.7) / (0.5 * near + 0.5 * far)))
    camera = Camera(
        true_view_deg=view, true_pan_deg=pan, tilt_deg=float(aim + rng.normal(0.0, 2.0)),
        height_m=height,
        view_deg=view * float(rng.normal(1.0, 0.03)),
        pan_deg=pan + float(rng.normal(0.0, 2.0)),
    )  # fmt: skip
    return Street(
        kind=kind, seed=seed, vehicles=tuple(vehicles), walkers=_walkers(rng, near, far),
        parked=_parked(rng), camera=camera, loud=0, near_m=near, far_m=far,
        light=(
            float(rng.uniform(-0.15, 0.15)), float(rng.choice([0.0, 0.0, -0.25, 0.3])),
            float(rng.uniform(1, 9)),
        ),
        noise=float(rng.uniform(0.5, 6.0)), shake_px=float(rng.choice([0.0, 0.0, 0.5, 1.5])),
        trees=int(rng.integers(0, 3)), has_shadows=bool(rng.random() < 0.6), crf=int(rng.integers(22, 33)),
        facade_m=float(rng.uniform(2.0, 8.0)) if rng.random() < 0.6 else None,
        bed_db=float(rng.uniform(48.0, 60.0)),
    )  # fmt: skip


def _replace(vehicle: Vehicle, **changes: object) -> Vehicle:
    return replace(vehicle, **changes)  # type: ignore[arg-type]


def _vehicle(
    rng: np.random.Generator, near: float, far: float, is_left_hand: bool, *, is_loud: bool
) -> Vehicle:
    is_near = bool(rng.random() < 0.5)
    direction = 1 if is_near != is_left_hand else -1
    paint = int(rng.choice([25, 60, 110, 150, 200, 235]))
    tint = rng.integers(-25, 26, 3)
    if is_loud:
        engine = str(rng.choice(LOUD))
        body = (
            "motorcycle"
            if engine in ("v-twin", "sport-bike", "single")
            else str(rng.choice(["car", "small"]))
        )
        speed = float(rng.uniform(8.0, 22.0))
        pull = float(rng.uniform(0.0, 0.12)) * speed
        closest = 6.0 - 0.1 + float(rng.normal(0.0, 0.25))
    else:
        body = str(rng.choice(["car", "car", "small", "van", "truck", "motorcycle"]))
        engine = {"van": "van", "truck": "truck"}.get(body, "car")
        speed, pull = float(rng.uniform(5.0, 17.0)), 0.0
        closest = float(rng.uniform(1.0, 9.0)) if rng.random() < 0.5 else float(rng.normal(5.9, 1.2))
    return Vehicle(
        body=body, lane_m=near if is_near else far, closest_s=closest, speed_mps=speed, direction=direction,
        acceleration_mps2=pull, level_db=float(rng.uniform(80.0, 95.0)), engine=engine,
        colour=tuple(int(np.clip(paint + shift, 5, 250)) for shift in tint),  # type: ignore[arg-type]
    )  # fmt: skip


def _is_free(new: Vehicle, others: list[Vehicle]) -> bool:
    """Tell whether it runs into nobody of its own lane."""
    for other in others:
        if other.lane_m == new.lane_m and other.is_seen:
            room = (BODIES[other.body][0] + BODIES[new.body][0]) / 2 + 1.5
            if any(abs(new.x_at(at) - other.x_at(at)) < room for at in np.arange(0.0, 10.01, 0.1)):
                return False
    return True


def _walkers(rng: np.random.Generator, near: float, far: float) -> tuple[Walker, ...]:
    count = int(rng.choice([0, 0, 1, 2, 4]))
    return tuple(
        Walker(
            y_m=float(rng.choice([near - 2.6, far + 2.8])), x_m=float(rng.uniform(-9.0, 9.0)),
            speed_mps=float(rng.choice([-1, 1]) * rng.uniform(0.8, 1.9)), tall_m=float(rng.uniform(1.2, 1.9)),
            shade=int(rng.choice([30, 70, 180, 220])),
        )
        for _ in range(count)
    )  # fmt: skip


def _parked(rng: np.random.Generator) -> tuple[tuple[float, int], ...]:
    if rng.random() < 0.55:
        return ()
    return tuple(
        (float(x), int(rng.integers(30, 220))) for x in np.arange(-16.0, 17.0, 6.0) if rng.random() < 0.5
    )


# ---------------------------------------------------------------------------------------------- picture


def pictures(street: Street) -> Iterator[tuple[float, Image]]:
    """Yield (time_s, BGR) as decoded from H.264."""
    data = _encode(street)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(stream)):
            yield number / PICTURES_PER_S, frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def _encode(street: Street) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=PICTURES_PER_S)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.thread_count = 1
        stream.options = {"preset": "ultrafast", "crf": str(street.crf), "g": "50"}
        for picture in drawn(street):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def drawn(street: Street) -> Iterator[Image]:
    """Yield every picture as the sensor gives it, BGR."""
    rng = np.random.default_rng([street.seed, 77])
    empty = _background(street, rng)
    noise = 128.0 + street.noise * rng.normal(0.0, 1.0, (HEIGHT + 64, WIDTH + 64, 3))
    parked, parked_mask = _parked_layer(street)
    leaves = _leaves(street)
    grain = np.clip(noise, 0, 255).astype(np.uint8)
    sway = np.cumsum(rng.normal(0.0, 0.35, (round(DURATION_S * PICTURES_PER_S), 2)), axis=0)
    sway = street.shake_px * (sway - cv2.blur(sway, (1, 25)))
    for number in range(round(DURATION_S * PICTURES_PER_S)):
        time_s = number / PICTURES_PER_S
        picture = empty.copy()
        _draw_people(picture, street, time_s, far=True)
        for vehicle in sorted(street.vehicles, key=lambda one: -one.lane_m):
            if vehicle.is_seen:
                _draw_vehicle(picture, street, vehicle, vehicle.x_at(time_s), vehicle.lane_m)
        cv2.copyTo(parked, parked_mask, picture)
        _draw_people(picture, street, time_s, far=False)
        for leaf in leaves:
            wind = leaf.reach * (
                0.12 * np.sin(2.1 * time_s + leaf.phase) + 0.06 * np.sin(7.3 * time_s + leaf.phase)
            )
            cv2.circle(picture, (round(leaf.x + wind), round(leaf.y)), leaf.radius, leaf.colour, -1)
        shift = np.array([[1.0, 0.0, sway[number, 0]], [0.0, 1.0, sway[number, 1]]])
        if street.shake_px:
            picture = cv2.warpAffine(picture, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        slow, step, at_s = street.light
        gain = 1.0 + slow * np.sin(time_s / 3.0) + step / (1.0 + np.exp(-(time_s - at_s) / 0.3))
        row, column = rng.integers(0, 64, 2)
        part = grain[row : row + HEIGHT, column : column + WIDTH]
        # in one pass, with rounding and limits: a picture costs a millisecond
        yield np.asarray(cv2.addWeighted(picture, float(gain), part, 1.0, -128.0), dtype=np.uint8)


def _background(street: Street, rng: np.random.Generator) -> Image:
    """Return road, pavements, a wall with windows, sky; with texture."""
    coarse = cv2.resize(
        rng.normal(0, 1, (16, 28)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    fine = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 0.8)
    image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    wall = street.far_m + float(rng.uniform(4.0, 9.0))
    top = float(rng.uniform(4.0, 9.0))
    shades = rng.integers(70, 190, 16)
    for number, left in enumerate(np.arange(-64.0, 64.0, 8.0)):
        _flat(
            image,
            street.camera,
            [(left, wall, 0), (left + 8, wall, 0), (left + 8, wall, top), (left, wall, top)],
            int(shades[number]),
        )
        for x in (1.0, 4.8):
            z = 1.2
            corners = [
                (left + x, wall, z),
                (left + x + 1.8, wall, z),
                (left + x + 1.8, wall, z + 1.5),
                (left + x, wall, z + 1.5),
            ]
            _flat(image, street.camera, corners, int(rng.integers(30, 230)))
    for y, shade in (
        (wall, 150),
        (street.far_m + 1.8, int(rng.integers(70, 120))),
        (street.near_m - 1.8, 145),
    ):
        _flat(image, street.camera, [(-60, y, 0), (60, y, 0), (60, 0.8, 0), (-60, 0.8, 0)], shade)
    middle = (street.near_m + street.far_m) / 2
    for x in np.arange(-40.0, 40.0, 6.0):
        _flat(
            image,
            street.camera,
            [(x, middle, 0), (x + 3, middle, 0), (x + 3, middle + 0.15, 0), (x, middle + 0.15, 0)],
            225,
        )
    textured = image.astype(np.float32) + 8.0 * coarse[:, :, None] + 6.0 * fine[:, :, None]
    return np.clip(textured, 0, 255).astype(np.uint8)


def _flat(image: Image, camera: Camera, corners: list[tuple[float, float, float]], shade: int) -> None:
    points = camera.project(np.asarray(corners, dtype=np.float64))
    cv2.fillConvexPoly(image, np.clip(points, -4000, 4000).round().astype(np.int32), (shade, shade, shade))


def _draw_vehicle(image: Image, street: Street, vehicle: Vehicle, x_m: float, y_m: float) -> None:
    length, width, height, cabin = BODIES[vehicle.body]
    if street.has_shadows:
        side = [
            (x_m - length / 2, y_m),
            (x_m + length / 2, y_m),
            (x_m + length / 2 + 0.5, y_m - width),
            (x_m - length / 2 + 0.5, y_m - width),
        ]
        _flat(image, street.camera, [(x, y, 0.0) for x, y in side], 45)
    if cabin is not None:
        start, end, top = cabin
        share = (start + end) / 2 if vehicle.direction > 0 else 1 - (start + end) / 2
        middle = x_m + (share - 0.5) * length
        _solid(
            image,
            street.camera,
            middle,
            y_m,
            ((end - start) * length, 0.85 * width, top),
            (55, 50, 50),
            height * 0.8,
        )
    _solid(image, street.camera, x_m, y_m, (length, width, height), vehicle.colour, 0.25)
    if vehicle.body in ("van", "truck"):
        nose = x_m + vehicle.direction * 0.42 * length
        _solid(
            image,
            street.camera,
            nose,
            y_m - 0.02,
            (0.1 * length, width, 0.8 * height),
            (40, 40, 45),
            0.5 * height,
        )
    for share in (-0.32, 0.32):
        centre = street.camera.project(
            np.array(
                [[x_m + share * length, y_m - width / 2, 0.3], [x_m + share * length, y_m - width / 2, 0.0]]
            )
        )
        radius = max(1, round(float(abs(centre[1, 1] - centre[0, 1]))))
        cv2.circle(
            image, (int(np.clip(centre[0, 0], -999, 1999)), int(centre[0, 1])), radius, (20, 20, 20), -1
        )


def _solid(
    image: Image, camera: Camera, x: float, y: float, size: tuple[float, float, float],
    colour: tuple[int, int, int], bottom: float,
) -> None:  # fmt: skip
    """Draw a box: its outline darker, its face to the road's kerb in full colour."""
    length, width, top = size
    if abs(x) > 70.0:
        return
    corners = np.array(
        [(x + i * length / 2, y + j * width / 2, z) for i in (-1, 1) for j in (-1, 1) for z in (bottom, top)]
    )
    seen = np.clip(camera.project(corners), -4000, 4000).round().astype(np.int32)
    if seen[:, 0].max() < 0 or seen[:, 0].min() > WIDTH:
        return
    cv2.fillConvexPoly(image, cv2.convexHull(seen), tuple(int(0.7 * part) for part in colour))
    cv2.fillConvexPoly(image, seen[[0, 1, 5, 4]], colour)


def _draw_people(image: Image, street: Street, time_s: float, *, far: bool) -> None:
    for walker in street.walkers:
        if (walker.y_m > street.near_m) != far:
            continue
        x = walker.x_m + walker.speed_mps * time_s
        step = 0.25 * np.sin(6.0 * time_s * abs(walker.speed_mps))
        _solid(image, street.camera, x + step, walker.y_m, (0.18, 0.2, 0.85), (40, 40, 40), 0.0)
        _solid(image, street.camera, x - step, walker.y_m, (0.18, 0.2, 0.85), (50, 50, 50), 0.0)
        shade = (walker.shade, walker.shade, walker.shade)
        _solid(image, street.camera, x, walker.y_m, (0.45, 0.3, walker.tall_m - 0.25), shade, 0.8)
        _solid(
            image,
            street.camera,
            x,
            walker.y_m,
            (0.2, 0.2, walker.tall_m),
            (120, 150, 190),
            walker.tall_m - 0.25,
        )


def _parked_layer(street: Street) -> tuple[Image, Image]:
    """Return what stands at the near kerb, and where it covers the picture."""
    layer, mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for x_m, shade in street.parked:
        place, size = street.near_m - 2.3, (4.2, 1.7, 1.4)
        _solid(layer, street.camera, x_m, place, size, (shade, shade, shade), 0.0)
        _solid(mask, street.camera, x_m, place, size, (255, 255, 255), 0.0)
    return layer, np.where(mask[:, :, 0] > 0, 255, 0).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A bunch of leaves: place and radius in pixels, pixels a metre, phase in the wind."""

    x: float
    y: float
    radius: int
    reach: float
    phase: float
    colour: tuple[int, int, int]


def _leaves(street: Street) -> list[_Leaf]:
    found = []
    rng = np.random.default_rng([street.seed, 5])
    for _ in range(street.trees):
        x, y = float(rng.uniform(-8.0, 8.0)), float(rng.choice([street.near_m - 2.8, street.far_m + 3.0]))
        for number in range(24):
            centre = (x + rng.normal(0.0, 0.7), y, 4.2 + rng.normal(0.0, 0.5))
            ends = street.camera.project(np.array([centre, (centre[0] + 1.0, centre[1], centre[2])]))
            if np.abs(ends).max() > 3000.0:
                continue
            metre = float(abs(ends[1, 0] - ends[0, 0]))
            colour = (30, int(rng.integers(30, 110)), 40)
            radius = max(1, round(0.3 * metre))
            found.append(_Leaf(float(ends[0, 0]), float(ends[0, 1]), radius, metre, 0.7 * number, colour))
    return found


# ------------------------------------------------------------------------------------------------ sound


def sound(street: Street) -> NDArray[np.float32]:
    """Return what two microphones hear, float32 pascal, shape (2, 120000)."""
    rng = np.random.default_rng([street.seed, 99])
    around = Surroundings(
        microphone_height_m=street.camera.height_m, ground_reflection=float(rng.uniform(0.5, 0.9)),
        facade_m=street.facade_m, facade_reflection=0.4,
        reverb_db=float(rng.uniform(-22.0, -12.0)), reverb_s=0.6,
        reverb_seed=street.seed,
    )  # fmt: skip
    count = round(DURATION_S * RATE_HZ)
    total = _bed(rng, count) * 20e-6 * 10.0 ** (street.bed_db / 20.0)
    for vehicle in street.vehicles:
        heard = _vehicle_sound(rng, vehicle, around)
        level = fast_level_db(heard[0]).max()
        total += heard * 10.0 ** ((vehicle.level_db - level) / 20.0)
    return total.astype(np.float32)


def _vehicle_sound(rng: np.random.Generator, vehicle: Vehicle, around: Surroundings) -> Floats:
    kind = engine_kind(vehicle.engine)
    lead_s = 1.0
    length_s = DURATION_S + lead_s
    is_loud = vehicle.engine in LOUD
    if is_loud:
        closest = vehicle.closest_s + lead_s
        lift = closest + float(rng.uniform(-0.3, 3.0)) if rng.random() < 0.6 else None
        revs = accelerate(
            rng, kind, duration_s=length_s, full_from_s=max(0.0, closest - float(rng.uniform(1.0, 4.0))),
            lift_at_s=lift, start=float(rng.uniform(0.35, 0.55)), pull_per_s=float(rng.uniform(0.08, 0.25)),
            speed_mps=vehicle.speed_mps,
        )  # fmt: skip
    else:
        revs = cruise(
            rng, kind, duration_s=length_s, level=float(rng.uniform(0.28, 0.42)), speed_mps=vehicle.speed_mps
        )
    made = engine_source(vehicle.engine, rng=rng, duration_s=length_s, rate_hz=RATE_HZ, revs=revs)
    gate = smooth_gate(made.samples.size, rate_hz=RATE_HZ, rise_s=1.0, fall_s=0.5)
    source = Source(made.samples * gate, RATE_HZ, -lead_s, made.height_m)
    # a tail-pipe sits at the rear, and is heard from there
    tail_s = 0.35 * BODIES[vehicle.body][0] / vehicle.speed_mps if is_loud else 0.0
    return np.stack(
        [
            render_pass(
                source, rate_hz=RATE_HZ, speed_mps=vehicle.speed_mps, closest_s=vehicle.closest_s + tail_s,
                distance_m=vehicle.lane_m, duration_s=DURATION_S, acceleration_mps2=vehicle.acceleration_mps2,
                direction=vehicle.direction, microphone_x_m=PAIR_M * channel, surroundings=around,
                rear_db=4.0 if is_loud else 0.0,
            )
            for channel in (0, 1)
        ]
    )  # fmt: skip


def _bed(rng: np.random.Generator, count: int) -> Floats:
    """Return pink noise of unit RMS, partly the same at both microphones."""
    frequency = np.maximum(np.fft.rfftfreq(count, 1.0 / RATE_HZ), 40.0)
    shared, *own = (
        np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) / np.sqrt(frequency), count) for _ in range(3)
    )
    bed = np.stack([shared + 0.7 * one for one in own])
    return bed / np.sqrt(np.mean(bed**2))


def fast_level_db(wave: Floats) -> Floats:
    """Return a level with time weighting F every 10 ms, low frequencies taken down; close to LAF here."""
    high = np.diff(wave, prepend=wave[:1]) * RATE_HZ / (2 * np.pi * 1000.0)
    blocks = np.mean(high[: high.size // 120 * 120].reshape(-1, 120) ** 2, axis=1)
    share = 1.0 - np.exp(-0.01 / 0.125)
    level = np.empty_like(blocks)
    state = blocks[0]
    for index, block in enumerate(blocks):
        state += share * (block - state)
        level[index] = state
    return 10.0 * np.log10(np.maximum(level, 1e-14) / (20e-6) ** 2)
