"""Try each source of a node for some seconds, and say in items whether it is fit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from noisewatch.acoustics.sync import not_needed
from noisewatch.capture.clock import utc_now
from noisewatch.capture.trying import PictureSeen, SoundSeen, try_picture, try_sound
from noisewatch.errors import NoisewatchError
from noisewatch.node.box import Identity, read_calibration
from noisewatch.node.fit import CheckItem, judge_picture, judge_plate, judge_sound, judge_sync, plate_pixels
from noisewatch.node.sources import described, is_live, open_node_picture, open_node_sound
from noisewatch.node.syncing import read_sync
from noisewatch.recognition.signature import find_signature, load_signature


def try_sources(identity: Identity, *, audio: str, video: str, seconds: float) -> list[CheckItem]:
    """Listen and look, both at once; an empty name leaves that source out.

    A source that cannot be opened is an item that is not well, with the remedy that the error names.
    """
    with ThreadPoolExecutor(max_workers=2) as both:
        sound = both.submit(_tried, "microphone", lambda: _sound(identity, audio, seconds))
        picture = both.submit(_tried, "camera", lambda: _picture(identity, video, seconds))
        items = [*(sound.result() if audio else []), *(picture.result() if video else [])]
    if audio and video:
        items += _tried("sound and picture", lambda: [_sync(identity, audio, video)])
    return items


def _tried(name: str, work: Callable[[], list[CheckItem]]) -> list[CheckItem]:
    try:
        return work()
    except NoisewatchError as error:
        where = "" if error.where is None else f"{error.where}: "
        remedy = error.remedy or "see the value"
        return [CheckItem(name, ok=False, value=where + error.what, limit="opens", remedy=remedy)]


def _sound(identity: Identity, spec: str, seconds: float) -> list[CheckItem]:
    if not spec:
        return []
    state = read_calibration(identity).state
    scale = state.pascal_per_unit or 1.0
    source = open_node_sound(identity, spec, pascal_per_unit=scale)
    seen: SoundSeen | None = try_sound(source, seconds=seconds, pascal_per_unit=scale)
    return judge_sound(seen, gate_db=_gate_db(identity), is_calibrated=state.pascal_per_unit is not None)


def _gate_db(identity: Identity) -> float:
    trigger = identity.config.trigger
    if trigger.gate_db is not None:
        return trigger.gate_db
    return min(load_signature(find_signature(name)).gate_db for name in trigger.signatures)


def _picture(identity: Identity, spec: str, seconds: float) -> list[CheckItem]:
    if not spec:
        return []
    seen: PictureSeen | None = try_picture(open_node_picture(identity, spec), seconds=seconds)
    items = judge_picture(seen)
    if seen is None:
        return items
    pixels = plate_pixels(
        identity.config.video, distance_m=identity.config.site.lane_distance_m, width_px=seen.width
    )
    return [*items, judge_plate(pixels)]


def _sync(identity: Identity, audio: str, video: str) -> CheckItem:
    if not (is_live(audio) or is_live(video)):
        return judge_sync(not_needed(), is_enough=True)
    state = read_sync(identity, camera=described(video), microphone=described(audio), now=utc_now())
    is_enough = identity.day_keys.is_trial or identity.config.calibration.allow_unsynchronised
    return judge_sync(state, is_enough=is_enough)
