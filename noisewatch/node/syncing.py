"""What a node's folder says of sound against picture."""

from __future__ import annotations

from datetime import datetime

from noisewatch.acoustics.sync import SyncState, sync_state
from noisewatch.evidence.sync_store import list_offsets, sync_folder
from noisewatch.node.box import Identity


def read_sync(identity: Identity, *, camera: str, microphone: str, now: datetime) -> SyncState:
    """Judge the measured audio-video offsets of a node for one pair of sources.

    Raises
    ------
    ConfigurationError
        A record's signature is not good.
    InputError
        A record is damaged or missing from the chain.
    """
    records = list_offsets(sync_folder(identity.folder), authority_pem=identity.authority_pem)
    return sync_state(
        [record for record in records if identity.holds_here(record.when)],
        now=now,
        camera=camera,
        microphone=microphone,
        max_age_days=identity.config.calibration.sync_maximum_age_days,
    )
