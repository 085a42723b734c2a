"""Play 0.1 s beeps of 1 kHz into the default output whose first samples are due at Unix time k * period.

With --noise the beeps are bangs: white noise that dies away within some ten milliseconds.

Run: python beep.py --period 2 --seconds 26      (with start_pulse.sh evaluated)
"""

from __future__ import annotations

import argparse
import collections
import time

import numpy as np
import sounddevice

RATE_HZ = 48_000
#: Ties that lie within this belong together, in seconds.
STEADY_S = 0.01


class Beeper:
    """Ties the sample clock to the wall clock over the last two seconds, and beeps by it.

    A busy machine lets the output run dry; the tie then finds itself again, and nothing beeps until it has.
    """

    def __init__(self, period_s: float, *, is_noise: bool) -> None:
        self.period_s = period_s
        self.is_noise = is_noise
        self.rng = np.random.default_rng(1)
        self.played = 0
        self.starts: collections.deque[float] = collections.deque(maxlen=100)

    def fill(self, out: np.ndarray, frames: int, times: object, _status: object) -> None:
        # when this buffer is due, in Unix time, less what was played before it
        self.starts.append(times.outputBufferDacTime - self.played / RATE_HZ)
        out[:] = 0
        low, start, high = np.quantile(self.starts, [0.2, 0.5, 0.8])
        if len(self.starts) == self.starts.maxlen and high - low < STEADY_S:
            phase = np.mod(start + (self.played + np.arange(frames)) / RATE_HZ, self.period_s)
            bang = self.rng.uniform(-0.9, 0.9, frames) * np.exp(-phase / 0.01)
            beep = bang if self.is_noise else 0.5 * np.sin(2e3 * np.pi * phase)
            out[:, 0] = np.where(phase < 0.1, beep, 0)
        self.played += frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--period", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=26.0)
    parser.add_argument("--noise", action="store_true")
    args = parser.parse_args()
    beeper = Beeper(args.period, is_noise=args.noise)
    options = {"samplerate": RATE_HZ, "blocksize": 960, "latency": 0.4, "dtype": "float32"}
    with sounddevice.OutputStream(device="default", channels=1, callback=beeper.fill, **options):
        time.sleep(args.seconds)


if __name__ == "__main__":
    main()
