"""How many exports one person makes in a day: too many alarm the supervisor, for ever in custody's log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from noisewatch.evidence.custody import Custody, note
from noisewatch.evidence.search import Wanted, search

DAY = timedelta(hours=24)

#: How long lists go on showing an alarm.
SHOWN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of custody's log: about whom or what, when, and what it says."""

    target: str
    at: str
    what: str


def count_export(custody: Custody, name: str, *, now: datetime) -> tuple[str, ...]:
    """Count a person's export that is about to happen; where it is one too many, say so in custody's log.

    Any 24 hours count as a day, so that midnight makes no difference.

    Returns
    -------
    tuple of str
        The alarm, for whoever stands there; nothing where there is none.
    """
    wanted = Wanted(who=name, action="disclosure", since=now - DAY)
    exports = 1 + sum(1 for _ in search(custody.log_path, wanted)) if custody.log_path.is_file() else 1
    if exports <= custody.exports_per_day:
        return ()
    why = f"more than {custody.exports_per_day} exports in 24 hours"
    details = {"alarm": "exports", "exports": exports, "limit": custody.exports_per_day}
    note(custody.log(), custody, who="noisewatch", target=name, why=why, details=details)
    return (f"{name} made {exports} exports in 24 hours; more than {custody.exports_per_day} alarm",)


def alarms(custody: Custody, *, now: datetime) -> list[Alarm]:
    """Return what custody's log raised an alarm about in the last seven days, oldest first."""
    if not custody.log_path.is_file():
        return []
    found = []
    for action, key in (("people", "alarm"), ("alteration", "problems")):
        for hit in search(custody.log_path, Wanted(who="noisewatch", action=action, since=now - SHOWN)):
            if key in hit.said["details"]:
                found.append(Alarm(hit.said["target"], hit.said["at"], hit.said["why"]))
    return sorted(found, key=lambda one: one.at)
