"""Whether what a microphone and a camera gave for some seconds is fit to measure by; pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from noisewatch.acoustics.sync import SyncState
from noisewatch.capture.trying import PictureSeen, SoundSeen
from noisewatch.node.config import VideoSection

#: Width of a Belgian plate in metres, and the pixels that a person needs to read it.
PLATE_M = 0.52
PLATE_PIXELS = 100
#: A channel below this root mean square (of full scale) hears nothing at all: -110 dB.
DEAD_SHARE = 3e-6
CLIPPED_SHARE = 0.98
DC_SHARE = 0.02
#: The quietest tenth of the seconds should lie this far below the gate, in dB.
FLOOR_BELOW_GATE_DB = 15.0
FEWEST_FRAMES_PER_S = 12.0
DARKEST, BRIGHTEST = 25.0, 235.0
BLURRED = 15.0
#: Two pictures of a living camera differ by at least this much, of 255.
FROZEN = 0.01


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One thing that was looked at, as ``check --json`` prints it."""

    name: str
    ok: bool
    value: str
    limit: str
    remedy: str

    def to_document(self) -> dict[str, Any]:
        """Return the item with the keys of design section 11."""
        return asdict(self)


def judge_sound(seen: SoundSeen | None, *, gate_db: float, is_calibrated: bool) -> list[CheckItem]:
    """Say whether a microphone is fit: it is there, alive, not clipped, and quiet enough below the gate.

    Examples
    --------
    >>> [item.ok for item in judge_sound(None, gate_db=80.0, is_calibrated=True)]
    [False]
    """
    if seen is None:
        return [
            _item("microphone", "nothing came", "sound", "look at cable, power and node.toml [audio] source")
        ]
    arrived = f"{seen.seconds:.1f} s, {seen.rate_hz} Hz, {seen.channels} channels, {seen.lost_samples} lost"
    items = [
        _item(
            "microphone",
            arrived,
            "0 samples lost",
            seen.lost_samples and "is the processor or cable at fault?",
        ),
        _dead(seen),
        _item(
            "microphone peak",
            f"{_share_db(seen.peak_share):.1f} dB of full scale",
            f"below {_share_db(CLIPPED_SHARE):.1f} dB",
            seen.peak_share >= CLIPPED_SHARE and "turn the gain down, then calibrate again",
        ),
        _item(
            "microphone offset",
            f"{100 * seen.dc_share:.2f} % of full scale",
            f"at most {100 * DC_SHARE:g} %",
            seen.dc_share > DC_SHARE and "the input is faulty, or a wrong power supply; try another",
        ),
    ]
    return [*items, _floor(seen, gate_db=gate_db, is_calibrated=is_calibrated)]


def _dead(seen: SoundSeen) -> CheckItem:
    dead = [str(number) for number, rms in enumerate(seen.rms_share, start=1) if rms < DEAD_SHARE]
    levels = ", ".join(f"{_share_db(rms):.0f}" for rms in seen.rms_share)
    value = f"{levels} dB of full scale" + (f"; dead: {', '.join(dead)}" if dead else "")
    limit = f"above {_share_db(DEAD_SHARE):.0f} dB"
    return _item(
        "microphone channels", value, limit, dead and "look at the microphone's cable, power, and channel"
    )


def _floor(seen: SoundSeen, *, gate_db: float, is_calibrated: bool) -> CheckItem:
    """Say how quiet it is between the vehicles: noise of the box itself would hide or feign levels."""
    limit_db = gate_db - FLOOR_BELOW_GATE_DB
    value = f"LAeq {seen.laeq_db:.1f} dB, quietest tenth {seen.floor_db:.1f} dB"
    if not is_calibrated:
        return _item("noise floor", f"{value} (uncalibrated)", f"below {limit_db:.0f} dB once calibrated", "")
    is_loud = seen.floor_db > limit_db
    remedy = "what is loud near the box? else look at gain, calibration and windscreen"
    return _item("noise floor", value, f"below {limit_db:.0f} dB", is_loud and remedy)


def judge_picture(seen: PictureSeen | None) -> list[CheckItem]:
    """Say whether a camera is fit: it is there, shows enough frames, is neither dark, blurred nor frozen.

    Examples
    --------
    >>> [item.name for item in judge_picture(None)]
    ['camera']
    """
    if seen is None:
        return [_item("camera", "no picture came", "a picture", "look at power, network, address and login")]
    what = f"{seen.codec} {seen.width}x{seen.height}, {seen.frames_per_s:.1f} frames/s, {seen.frames} decoded"
    clock = "tells when it took a picture" if seen.clocked > 0 else "tells no time; arrival counts"
    is_dark, is_blown = seen.brightness < DARKEST, seen.brightness > BRIGHTEST
    return [
        _item(
            "camera",
            f"{what}, {clock}",
            f"at least {FEWEST_FRAMES_PER_S:g} frames/s",
            seen.frames_per_s < FEWEST_FRAMES_PER_S and "raise the frame rate in the camera's own settings",
        ),
        _item(
            "camera light",
            f"{seen.brightness:.0f} of 255",
            f"{DARKEST:g} to {BRIGHTEST:g}",
            (is_dark and "take the cap off, add light, or open the exposure")
            or (is_blown and "the picture is blown out: close the exposure, turn it from the sun"),
        ),
        _item(
            "camera sharp",
            f"{seen.sharpness:.0f}",
            f"at least {BLURRED:g}",
            seen.sharpness < BLURRED and "clean the lens, then set the focus at the lane",
        ),
        _item(
            "camera moves",
            f"{seen.change:.2f} of 255 between pictures",
            f"at least {FROZEN:g}",
            seen.change < FROZEN
            and "walk through the picture while you check; if it stays so the camera is frozen: restart it",
        ),
    ]


def plate_pixels(video: VideoSection, *, distance_m: float | None, width_px: int) -> float | None:
    """Return how many pixels wide a plate is at the lane; None where nothing says how wide the picture is.

    Parameters
    ----------
    video : VideoSection
        A measured ``picture_width_m`` counts before the lens' angle.
    distance_m : float or None
        From the box to the lane.
    width_px : int
        Width of the picture in pixels.

    Examples
    --------
    >>> round(plate_pixels(VideoSection(picture_width_m=8.0), distance_m=None, width_px=1920))
    125
    >>> round(plate_pixels(VideoSection(lens_angle_deg=60.0), distance_m=7.5, width_px=1920))
    115
    """
    width_m = video.picture_width_m
    if width_m is None and video.lens_angle_deg is not None and distance_m is not None:
        width_m = 2.0 * distance_m * math.tan(math.radians(video.lens_angle_deg) / 2.0)
    return None if width_m is None else PLATE_M / width_m * width_px


def judge_plate(pixels: float | None) -> CheckItem:
    """Say whether a person can read a plate in the picture; nothing else reads it."""
    limit = f"at least {PLATE_PIXELS} pixels"
    if pixels is None:
        remedy = "measure the street's width in the picture at the lane: video.picture_width_m in node.toml"
        return _item("plate width", "unknown", limit, remedy)
    remedy = "a longer lens, a nearer place, or a camera with more pixels"
    return _item("plate width", f"{pixels:.0f} pixels", limit, pixels < PLATE_PIXELS and remedy)


def judge_sync(state: SyncState, *, is_enough: bool) -> CheckItem:
    """Say whether sound and picture are known to belong together; ``is_enough``: even without."""
    remedy = "" if state.is_valid else "noisewatch calibrate sync --who NAME --node NODE"
    return CheckItem(
        "sound and picture",
        ok=state.is_valid or is_enough,
        value=state.sentence,
        limit="offset measured",
        remedy=remedy,
    )


def _share_db(share: float) -> float:
    return 20.0 * math.log10(max(share, 1e-9))


def _item(name: str, value: str, limit: str, remedy: object) -> CheckItem:
    """Return an item that is well where there is nothing to remedy."""
    return CheckItem(
        name, ok=not remedy, value=value, limit=limit, remedy=remedy if isinstance(remedy, str) else ""
    )
