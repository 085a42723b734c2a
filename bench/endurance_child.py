"""One run of the node for ``endurance.py``: the real service over a microphone and a clock that are faked."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from noisewatch.capture import wallclock
from noisewatch.errors import InputOutputError, NoisewatchError
from noisewatch.node import attending, box, runner, service
from noisewatch.records import AudioBlock

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"


class FastMicrophone:
    """Plays the sample street for ever, at a pace; on order it stalls, loses samples, or breaks."""

    rate_hz, channels, is_live = 48_000, 1, True
    description = "microphone 'fast'"

    def __init__(self, orders: Path, *, pace: float) -> None:
        sound, rate_hz = soundfile.read(str(SAMPLES / "street.flac"), dtype="float32")
        assert rate_hz == self.rate_hz
        self._sound = np.ascontiguousarray(sound[:, :1].T)
        self._orders, self._pace = orders, pace
        self._is_closed = False

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield blocks of 100 ms of street, as fast as the pace asks and the pipeline takes them."""
        began_s, length = time.monotonic(), self._sound.shape[1]
        sample = 0
        lost = 0
        for number in itertools.count():
            if self._is_closed:
                return
            if number % 20 == 0:
                lost += self._obey()
            start = sample % (length - 4_800)
            sample += lost
            yield AudioBlock(
                start_sample=sample,
                samples=self._sound[:, start : start + 4_800],
                rate_hz=self.rate_hz,
                monotonic_ns=time.monotonic_ns(),
                lost_before=lost,
            )
            sample, lost = sample + 4_800, 0
            ahead_s = sample / self.rate_hz / self._pace - (time.monotonic() - began_s)
            if ahead_s > 0:
                time.sleep(min(ahead_s, 0.5))

    def close(self) -> None:
        """Stop."""
        self._is_closed = True

    def _obey(self) -> int:
        """Do what was ordered; return how many samples were lost."""
        lost = 0
        for order in list(self._orders.iterdir()):
            order.unlink(missing_ok=True)
            if order.name == "stall":
                time.sleep(9.0)
                lost += 48_000
            elif order.name == "gap":
                lost += 12_345
            elif order.name == "device":
                raise InputOutputError("the device is gone", where=self.description)
            elif order.name == "clock":
                FastClock.back_s += 3600.0
        return lost


class FastClock:
    """UTC at the street's pace, and set back on order."""

    back_s = 0.0

    def __init__(self, started: datetime, *, pace: float) -> None:
        self._started, self._pace, self._began_s = started, pace, time.monotonic()

    def now(self) -> datetime:
        """Return what the wall clock shows."""
        street_s = (time.monotonic() - self._began_s) * self._pace
        return self._started + timedelta(seconds=street_s - FastClock.back_s)


def main() -> None:
    """Patch time and microphone, then run the service as the command does."""
    config, orders, pace = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    clock = FastClock(datetime.fromisoformat(sys.argv[4]).astimezone(UTC), pace=pace)
    for module in (service, attending, box):
        module.utc_now = clock.now  # type: ignore[attr-defined]
    if hasattr(wallclock, "utc_now"):
        wallclock.utc_now = clock.now
    runner.HOUSEKEEPING_S = 3600.0 / pace
    service.open_audio = lambda *_, **__: FastMicrophone(orders, pace=pace)  # type: ignore[assignment]

    def emit(document: Any, _line: str) -> None:
        print(json.dumps(document), flush=True)

    request = service.RunRequest(config_path=config, audio=("device:fast",))
    try:
        service.run_node(request, emit=emit, report=lambda line: print(line, file=sys.stderr, flush=True))
    except NoisewatchError as error:
        print(error.line(), file=sys.stderr, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
