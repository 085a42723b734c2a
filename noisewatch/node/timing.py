"""What a record says of time: sound against picture, the sound's way, and the clock; pure."""

from __future__ import annotations

from typing import Any

from noisewatch.acoustics.range import range_correction
from noisewatch.acoustics.sync import SyncState
from noisewatch.node.config import NodeConfig
from noisewatch.records import ClockState


def time_statements(config: NodeConfig, sync: SyncState) -> dict[str, Any]:
    """Return ``statements.sync``, and ``statements.range_correction`` where the lane's distance is known."""
    said: dict[str, Any] = {"sync": sync.as_document()}
    distance_m = config.site.lane_distance_m
    if distance_m is not None:
        said["range_correction"] = range_correction(distance_m, config.site.air_temperature_c)
    return said


def time_circumstances(config: NodeConfig, sync: SyncState, clock: ClockState) -> dict[str, Any]:
    """Return what ``fitness`` looks at of time, as keywords of ``Circumstances``."""
    return {
        "sync_is_valid": sync.is_valid,
        "sync_why": sync.sentence,
        "allow_unsynchronised": config.calibration.allow_unsynchronised,
        "is_clock_before_build": clock.is_before_build,
    }
