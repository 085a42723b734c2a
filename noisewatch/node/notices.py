"""What a node tells a broker: never a clip, a picture, or anything of a person; pure.

Event and hour notices are NGSI-LD entities in their short form (key-values) of the type NoiseLevelObserved
(Smart Data Models, dataModel.Environment, version 0.2.1); what that model has no word for stands beside it
under names of our own. ``notice.schema.json`` in this folder says what a reader may rely on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from noisewatch.evidence.jsonform import utc_text
from noisewatch.node.config import NodeConfig
from noisewatch.node.hours import Hour
from noisewatch.records import INDICATION, Event

CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"


@dataclass(frozen=True, slots=True)
class Sender:
    """What every notice says of the box: its name, its site, and whether its levels are calibrated."""

    node: str
    site: str
    street: str
    position_deg: tuple[float, float]
    is_calibrated: bool

    @classmethod
    def of(cls, config: NodeConfig, *, is_calibrated: bool) -> Sender:
        """Return the sender that a configuration describes; its site must have a position."""
        position = config.site.position_deg
        if position is None:
            raise ValueError("a notice needs site.position_deg")
        return cls(config.name, config.site.name, config.site.street, position, is_calibrated)


def event_notice(sender: Sender, event: Event, *, started_at: datetime) -> dict[str, Any]:
    """Return the notice of an event: site, time, LAFmax, signature, behaviour and the clip's id.

    Parameters
    ----------
    sender : Sender
        Whose event it is.
    event : Event
        What the trigger opened.
    started_at : datetime
        UTC of sample 0 of its stream.
    """
    begin, end = (started_at + timedelta(seconds=s) for s in (event.onset_s, event.end_s))
    return _entity(sender, event.id, begin, end) | {
        "LAmax": round(event.lafmax_db, 1),
        "kind": "event",
        "clip": event.id,
        "signature": event.signature,
        "signatureVersion": event.version,
        "probability": round(event.probability, 3),
        "behaviour": event.behaviour,
        "indication": INDICATION,
    }


def hour_notice(sender: Sender, hour: Hour, *, events: Mapping[str, int]) -> dict[str, Any]:
    """Return the notice of an hour: LAeq, L10, L90, LAFmax, what it sounded like, events by signature.

    A level that was not measured (total silence, an hour without sound) is left out.
    """
    end = hour.start + timedelta(hours=1)
    levels = {"LAeq": hour.laeq_db, "LAmax": hour.lafmax_db, "LA10": hour.l10_db, "LA90": hour.l90_db}
    return _entity(sender, f"hour-{hour.start:%Y%m%dT%H}", hour.start, end) | {
        **{name: round(level, 1) for name, level in levels.items() if math.isfinite(level)},
        "kind": "hour",
        "heardSeconds": round(hour.heard_s, 1),
        "windowsByClass": dict(sorted(hour.counts.items())),
        "eventsBySignature": dict(sorted(events.items())),
    }


def health_notice(sender: Sender, *, at: datetime, state: str, reasons: tuple[str, ...]) -> dict[str, Any]:
    """Return how the node is doing, in a word and in sentences.

    Examples
    --------
    >>> from datetime import UTC
    >>> box = Sender("genk-1", "Stalenstraat", "", (50.96, 5.5), True)
    >>> at = datetime(2026, 5, 4, 12, tzinfo=UTC)
    >>> health_notice(box, at=at, state="deaf", reasons=("no sound for 12 s",))["reasons"]
    ['no sound for 12 s']
    """
    return {"node": sender.node, "site": sender.site, "at": utc_text(at), "state": state} | {
        "reasons": list(reasons)
    }


def heartbeat(sender: Sender, *, at: datetime, uptime_s: float, waiting: int) -> dict[str, Any]:
    """Return a sign of life: when, since when, and how many notices still wait."""
    return {"node": sender.node, "at": utc_text(at), "uptimeSeconds": round(uptime_s), "waiting": waiting}


def _entity(sender: Sender, what: str, begin: datetime, end: datetime) -> dict[str, Any]:
    latitude, longitude = sender.position_deg
    address = {"address": {"streetAddress": sender.street}} if sender.street else {}
    return address | {
        "@context": [CONTEXT],
        "id": f"urn:ngsi-ld:NoiseLevelObserved:{sender.node}:{what}",
        "type": "NoiseLevelObserved",
        "name": sender.site,
        "refDevice": f"urn:ngsi-ld:Device:{sender.node}",
        "dateObservedFrom": utc_text(begin),
        "dateObservedTo": utc_text(end),
        # GeoJSON names the longitude first (RFC 7946, 3.1.1)
        "location": {"type": "Point", "coordinates": [longitude, latitude]},
        "calibrated": sender.is_calibrated,
    }
