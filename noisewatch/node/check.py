"""Whether a box is fit to measure: one line an item, each failure with its remedy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

from noisewatch import __version__
from noisewatch.acoustics.backend import node_backend
from noisewatch.acoustics.conformance import self_test
from noisewatch.capture.clock import utc_now
from noisewatch.capture.wallclock import full_clock_state
from noisewatch.errors import NoisewatchError
from noisewatch.evidence.log import verify as verify_log
from noisewatch.evidence.retention import plan
from noisewatch.evidence.store import Store
from noisewatch.node import inspecting
from noisewatch.node.box import Identity, read_calibration, read_identity
from noisewatch.node.carriageway import newest as newest_mask
from noisewatch.node.fit import CheckItem
from noisewatch.node.observing import days_in_a_row
from noisewatch.node.troubles import MINIMUM_FREE_BYTES
from noisewatch.node.tryout import try_sources
from noisewatch.recognition.signature import find_signature, load_signature

#: Fewer days of keys than this call for a new bundle.
MINIMUM_KEY_DAYS = 7


def check_node(
    config_path: Path, *, audio: str | None = None, video: str | None = None, seconds: float = 5.0
) -> list[CheckItem]:
    """Look at everything that a node needs before it may measure; nothing is changed.

    Parameters
    ----------
    config_path : Path
        The node's ``node.toml``.
    audio, video : str, optional
        Sources to try instead of those of ``node.toml``.
    seconds : float
        How long each of them is tried.

    Returns
    -------
    list of CheckItem
        Settings first; the rest only where there are settings to go by.
    """
    items = [_tried("meter", _meter)]
    try:
        identity = read_identity(config_path)
    except NoisewatchError as error:
        items.append(_failed("configuration", error))
        return items
    items.append(CheckItem("configuration", ok=True, value=str(config_path), limit="valid", remedy=""))
    return (
        items
        + check_quietly(identity)
        + try_sources(
            identity,
            audio=identity.config.audio.source if audio is None else audio,
            video=identity.config.video.source if video is None else video,
            seconds=seconds,
        )
    )


def check_quietly(identity: Identity) -> list[CheckItem]:
    """Look at what can be looked at while a run has the sources; the run itself does so every night."""
    parts: tuple[tuple[str, Callable[[Identity], CheckItem]], ...] = (
        ("calibration", _calibration),
        ("custody keys", _keys),
        ("store", _store),
        ("log", _log),
        ("clock", _clock),
        ("disk", _disk),
        ("carriageway", _carriageway),
        ("memory", lambda _: inspecting.memory()),
        ("temperature", lambda _: inspecting.temperature()),
        ("software", lambda _: inspecting.software()),
        ("recipients", lambda one: inspecting.recipients(one, utc_now())),
        ("site", inspecting.place),
        ("last event", _last_event),
    )
    return [*(_tried(name, part, identity) for name, part in parts), *_signatures(identity)]


def _tried(name: str, part: Callable[..., CheckItem], *arguments: object) -> CheckItem:
    try:
        return part(*arguments)
    except NoisewatchError as error:
        return _failed(name, error)


def _failed(name: str, error: NoisewatchError) -> CheckItem:
    where = "" if error.where is None else f"{error.where}: "
    return CheckItem(
        name, ok=False, value=where + error.what, limit="", remedy=error.remedy or "see the value"
    )


def _meter() -> CheckItem:
    result = self_test(48_000, backend=node_backend())
    value = f"{result.statement}; {result.points} points, {result.backend}, noisewatch {__version__}"
    return CheckItem("meter", ok=True, value=value, limit="every point inside its limits", remedy="")


def _calibration(identity: Identity) -> CheckItem:
    state = read_calibration(identity).state
    settings = identity.config.calibration
    limit = f"{settings.maximum_age_days:g} days, drift {settings.maximum_drift_db:g} dB"
    is_fit = state.is_valid or identity.day_keys.is_trial or settings.allow_uncalibrated
    remedy = "" if state.is_valid else "noisewatch calibrate level --level 94 --node NODE"
    return CheckItem("calibration", ok=is_fit, value=state.sentence, limit=limit, remedy=remedy)


def _keys(identity: Identity) -> CheckItem:
    keys = identity.day_keys
    today = utc_now().astimezone(UTC).date()
    left = days_in_a_row(set(keys.days), today)
    kind = "trial custody" if keys.is_trial else "custody"
    return CheckItem(
        "custody keys",
        ok=left >= MINIMUM_KEY_DAYS,
        value=f"{left} days from {kind} {keys.custody}",
        limit=f"at least {MINIMUM_KEY_DAYS} days",
        remedy="" if left >= MINIMUM_KEY_DAYS else "ask the custodian for a new bundle",
    )


def _store(identity: Identity) -> CheckItem:
    with Store.open(identity.folder / "store", writable=False) as store:
        events = store.list()
        ended = [
            d for d in plan(events, utc_now(), maximum_days=identity.config.retention.maximum_days) if d.erase
        ]
    return CheckItem(
        "store",
        ok=not ended,
        value=f"{len(events)} events, {len(ended)} past their end",
        limit="0 past their end",
        remedy="noisewatch retention enforce --node NODE" if ended else "",
    )


def _last_event(identity: Identity) -> CheckItem:
    with Store.open(identity.folder / "store", writable=False) as store:
        return inspecting.last_event(store.list(), utc_now())


def _log(identity: Identity) -> CheckItem:
    verdict = verify_log(identity.folder / "log" / "node.jsonl", authority_pem=identity.authority_pem)
    problems = "; ".join(verdict.problems) or "whole"
    remedy = "" if verdict.valid else "tell the custodian; keep the box as it is"
    return CheckItem(
        "log", ok=verdict.valid, value=f"{verdict.entries} entries, {problems}", limit="whole", remedy=remedy
    )


def _clock(identity: Identity) -> CheckItem:
    state = full_clock_state()
    bound = "unknown bound" if state.bound_s is None else f"within {state.bound_s:.3f} s"
    kept = f" by {state.service}" if state.service else ""
    value = f"{'synchronised' if state.synchronised else 'not synchronised'}{kept}, {bound}"
    if state.is_before_build:
        remedy = "set the clock: date -u -s …, then let chrony or systemd-timesyncd keep it"
        shown = f"{utc_now():%Y-%m-%d %H:%M UTC}, before this software was made"
        return CheckItem("clock", ok=False, value=shown, limit="synchronised", remedy=remedy)
    # a trial reads files, whose time comes with them
    is_fit = state.synchronised or identity.day_keys.is_trial
    remedy = "" if state.synchronised else "start chrony or systemd-timesyncd, and wait for a time source"
    return CheckItem("clock", ok=is_fit, value=value, limit="synchronised", remedy=remedy)


def _disk(identity: Identity) -> CheckItem:
    # the store may lie on a disk of its own
    folder = identity.folder / "store"
    free = shutil.disk_usage(folder if folder.is_dir() else identity.folder).free
    is_fit = free >= MINIMUM_FREE_BYTES
    return CheckItem(
        "disk",
        ok=is_fit,
        value=f"{free / 1e9:.1f} GB free",
        limit=f"at least {MINIMUM_FREE_BYTES / 1e9:g} GB",
        remedy="" if is_fit else "free space on the disk that holds the node's store",
    )


def _carriageway(identity: Identity) -> CheckItem:
    drawn = newest_mask(identity.folder, authority_pem=identity.authority_pem, since=identity.site_since)
    points = identity.config.video.carriageway if drawn is None else drawn.carriageway
    ended = "" if drawn is None else drawn.against(utc_now().astimezone(UTC).date())
    if ended:
        return CheckItem("carriageway", ok=False, value="ended", limit="not ended", remedy=ended)
    if identity.day_keys.is_trial:
        return CheckItem("carriageway", ok=True, value="trial: the whole picture", limit="set", remedy="")
    is_set = len(points) >= 3
    remedy = "" if is_set else "draw it with: noisewatch calibrate mask; without it no picture is recorded"
    value = f"{len(points)} corners" if is_set else "not set"
    return CheckItem("carriageway", ok=is_set, value=value, limit="at least 3 corners", remedy=remedy)


def _signatures(identity: Identity) -> Iterator[CheckItem]:
    for name in identity.config.trigger.signatures:
        yield _tried(f"signature {name}", _signature, name)


def _signature(name: str) -> CheckItem:
    found = load_signature(find_signature(name))
    value = f"version {found.version}, gate {found.gate_db:g} dB, threshold {found.threshold:g}"
    return CheckItem(f"signature {name}", ok=True, value=value, limit="loads with trusted types", remedy="")
