"""What the live view looks like: a page of text from what a run tells; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from noisewatch.evidence.jsonform import utc_moment

#: The meter's ends, in dB(A): a quiet night, and pain.
LOWEST_DB, HIGHEST_DB = 30.0, 110.0
_WORDS = {
    "healthy": "healthy",
    "degraded": "works, but look at this",
    "deaf": "DEAF: no sound arrives",
    "blind": "BLIND: no picture arrives",
    "recovering": "recovering",
    "failed": "FAILED: restarts did not help",
}


def meter(level_db: float | None, *, gate_db: float, width: int = 50) -> str:
    """Return a level as a bar with the gate marked.

    Examples
    --------
    >>> meter(70.0, gate_db=90.0, width=16)
    '████████    |      70.0 dB'
    """
    mark = _place(gate_db, width)
    if level_db is None:
        return f"{'·' * mark}|{'·' * (width - mark)}  no level"
    filled = _place(level_db, width)
    bar = "".join("█" if number < filled else " " for number in range(width))
    return f"{bar[:mark]}|{bar[mark:]}{level_db:6.1f} dB"


def _place(level_db: float, width: int) -> int:
    share = (level_db - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB)
    return round(width * min(1.0, max(0.0, share)))


def screen(told: Mapping[str, Any], *, zone: tzinfo | None = None, width: int = 50) -> str:
    """Return the whole view as lines of text; times are local where a zone is given."""
    level = told.get("level") or {}
    state = str(told.get("state", ""))
    lines = [
        f"{told.get('node')} · {told.get('site')} · up {float(told.get('uptime_s') or 0) / 3600:.1f} h",
        f"state    {_WORDS.get(state, state)}",
        *(f"         {reason}" for reason in told.get("reasons", ())),
        "",
        f"LAF      {meter(level.get('laf_db'), gate_db=float(told.get('gate_db') or 80.0), width=width)}",
        f"         {', '.join(level.get('flags') or ()) or 'no flags'}; '|' is the gate",
        "",
        *_sources(told),
        "",
        f"events   {told.get('events', 0)}, {told.get('sealed', 0)} sealed, {told.get('queue', 0)} wait",
        *(_event(event, zone) for event in reversed(told.get("last_events") or [])),
    ]
    return "\n".join(lines)


def _sources(told: Mapping[str, Any]) -> list[str]:
    sound, picture, broker = (told.get(name) or {} for name in ("sound", "picture", "broker"))
    drift = sound.get("drift_ppm")
    ppm = "" if drift is None else f", drift {drift:+.0f} ppm"
    lost = f"{sound.get('lost_samples', 0)} samples lost, {sound.get('xruns', 0)} xruns"
    lines = [f"sound    {sound.get('source')}: {lost}{ppm}"]
    if picture:
        connected = "" if picture.get("is_connected") in (True, None) else " (NOT connected)"
        lines.append(f"picture  {picture.get('source')}{connected}: {picture.get('packets', 0)} frames")
    clock = told.get("clock") or {}
    lines.append(f"clock    {'kept' if clock.get('synchronised') else 'NOT kept by anything'}")
    if broker:
        how = "connected" if broker.get("is_connected") else f"away: {broker.get('last_error')}"
        lines.append(f"broker   {how}, {broker.get('waiting', 0)} notices wait")
    return lines


def _event(event: Mapping[str, Any], zone: tzinfo | None) -> str:
    at: datetime = utc_moment(str(event["at"]))
    shown = at.astimezone(zone) if zone is not None else at
    return (
        f"         {shown:%H:%M:%S}  {event['lafmax_db']:5.1f} dB  {event['signature']}, {event['behaviour']}"
        f"  {event['id']}"
    )
