"""One run of the node for ``endurance.py``: the real service over a street and clocks that are faked.

What is faked: microphone, camera, UTC, and the monotonic clock wherever it stands for the street (samples,
pictures, housekeeping, looks at the picture, how long an alert must last). What is not: whatever watches for
silence (deaf after five seconds, blind after ten), back-off, the broker's line, the sealing child.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any

from endurance_street import FastCamera, FastMicrophone, Street

from noisewatch.capture import wallclock
from noisewatch.errors import NoisewatchError
from noisewatch.evidence import checkpoint, log, retention, store, storeindex
from noisewatch.node import (
    alerts,
    attending,
    box,
    chain,
    check,
    happenings,
    lean,
    looks,
    observing,
    runner,
    service,
    status,
    troubles,
)
from noisewatch.records import ClockState

#: Blocks and packets between a source and the pipeline: some ten seconds, so that a stall is one.
LIVE_QUEUE = 256
#: The endurance run's disk is small: below this it is told to be full.
MINIMUM_FREE_BYTES = 24_000_000


class _LikeDatetime(type):
    """Any moment counts as one of the street's, as far as ``isinstance`` goes."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, datetime)


def fake_time(street: Street) -> None:
    """Let every module that means the street's time read the street's clock."""
    for module in (service, attending, box, chain, check, status):
        _patch(module, utc_now=street.now)
    for module in (wallclock, chain, runner, observing, retention):
        _patch(module, time=street)
    defaults: Any = attending.Attendance.__init__.__kwdefaults__
    defaults["now"] = street.now

    class StreetDatetime(datetime, metaclass=_LikeDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return street.now().astimezone(tz)

    for module in (log, checkpoint, retention, store, storeindex):
        _patch(module, datetime=StreetDatetime)
    for module in (box, wallclock):
        _patch(module, system_clock_state=lambda: ClockState("system", synchronised=True, bound_s=0.001))
    # not a divisor of the sample street's length, or every look would see the same picture
    every_s = (looks.LOOK_EVERY_S + 7.3) / street.pace
    see = looks.look_of
    _patch(attending, look_of=lambda grey, *, at_s: see(grey, at_s=street.monotonic()), LOOK_EVERY_S=every_s)
    _patch(alerts, HOLD_S={kind: hold_s / street.pace for kind, hold_s in alerts.HOLD_S.items()})
    _patch(happenings, EVERY_S=happenings.EVERY_S / street.pace)


def _patch(module: ModuleType, **values: Any) -> None:
    for name, value in values.items():
        assert hasattr(module, name), name
        setattr(module, name, value)


def main() -> None:
    """Patch time and sources, then run the service as the command does."""
    lean.small_heap()
    config, orders, asked = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    street = Street(
        began=datetime.fromisoformat(asked["began"]).astimezone(UTC),
        began_ns=asked["began_ns"],
        street_s=asked["street_s"],
        back_s=asked["back_s"],
        pace=asked["pace"],
    )
    fake_time(street)
    _patch(runner, LIVE_QUEUE=LIVE_QUEUE)
    _patch(troubles, MINIMUM_FREE_BYTES=MINIMUM_FREE_BYTES)
    guard = threading.Lock()

    def tell(document: Mapping[str, Any]) -> None:
        with guard:
            os.write(sys.stdout.fileno(), json.dumps(dict(document)).encode() + b"\n")

    def tell_street() -> None:
        tell({"event": "street", "street_s": street.street_s, "back_s": street.back_s})

    microphone = FastMicrophone(street, orders, tell=tell_street)
    _patch(service, open_audio=lambda *_, **__: microphone, open_node_picture=lambda *_: FastCamera(street))
    request = service.RunRequest(config_path=config, audio=("device:fast",), video=("/dev/video-fast",))
    try:
        service.run_node(
            request,
            emit=lambda document, _line: tell(document),
            report=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except NoisewatchError as error:
        print(error.line(), file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    finally:
        tell_street()


if __name__ == "__main__":
    main()
