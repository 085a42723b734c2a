"""How the vehicle of an event was driven, judged from the clip that is ready. Pure.

It runs where clips are sealed, beside the street's own loop, and takes some 30 ms per second of sound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.schedule import OTHER_BEHAVIOUR, wanted_behaviour
from noisewatch.recognition.behaviour import AROUND_S, behaviour_of
from noisewatch.recognition.features import cut_window
from noisewatch.recognition.voicefree import NAME, voice_free_features


def with_behaviour(ready: ReadyClip) -> ReadyClip:
    """Return the clip with its event's behaviour, confidence and sentence.

    The measuring channel is judged from two seconds before the onset to two seconds after the end, as far as
    the clip holds them. Where samples were lost there the answer is "unknown": a gap sounds like a bang.
    """
    event, window = ready.event, ready.window
    around = round(AROUND_S * event.rate_hz)
    first = max(event.onset_sample - around, window.start_sample) - window.start_sample
    last = min(event.end_sample + around, window.end_sample) - window.start_sample
    if ready.lost_samples:
        why = f"{ready.lost_samples} samples of the clip are lost, so the driving is not judged."
        return _weighed(replace(ready, event=replace(event, behaviour="unknown", behaviour_why=why)))
    found = behaviour_of(ready.samples[0, first : max(last, first)], rate_hz=event.rate_hz)
    judged = replace(
        event,
        behaviour=found.behaviour,
        behaviour_confidence=round(found.confidence, 4),
        behaviour_why=found.why,
    )
    return _weighed(replace(ready, event=judged))


def voice_free(ready: ReadyClip) -> dict[str, Any]:
    """Return the voice-free features of an event's whole seconds, as its record keeps them.

    One row a second from the onset to the end, at most ten, of the untouched sound of the measuring channel;
    no rows where samples were lost.
    """
    event, window = ready.event, ready.window
    rows = []
    if not ready.lost_samples:
        last = min(event.end_sample, window.end_sample) - event.rate_hz
        first = min(max(event.onset_sample, window.start_sample), max(last, window.start_sample))
        for start in range(first, max(last, first) + 1, event.rate_hz)[:10]:
            second = cut_window(ready.samples[0], event.rate_hz, start - window.start_sample)
            rows.append([round(float(value), 2) for value in voice_free_features(second)])
    return {"feature_set": NAME, "seconds": 1.0, "rows": rows}


def _weighed(ready: ReadyClip) -> ReadyClip:
    """Mark an event whose behaviour its signature is not meant for: it is counted, not sealed."""
    event = ready.event
    decision = wanted_behaviour(ready.behaviours, event.behaviour)
    if decision.is_wanted:
        return ready
    flags = tuple(sorted({*event.flags, OTHER_BEHAVIOUR}))
    return replace(ready, event=replace(event, flags=flags, why=f"{event.why}; {decision.why}"))
