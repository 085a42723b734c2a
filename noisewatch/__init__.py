"""noisewatch: a roadside sensor against exhaust noise.

The microphone fills a ring; the meter reads sound levels from it; the signatures score it; a trigger
that sees level and signature opens an event; the clip window picks exactly ten seconds from the audio
and video rings; privacy removes voices and masks before anything is written; the clip is sealed so that
the box itself cannot open it; the log notes it; retention ends it within a month; an export turns it
into a package that anyone can verify.
"""

from __future__ import annotations

__version__ = "0.1.0"
#: The UTC day on which this version was finished; a clock that shows an earlier time is wrong. A constant of
#: the source, raised with each release, so that the same source always builds the same package.
__built__ = "2026-11-22"
