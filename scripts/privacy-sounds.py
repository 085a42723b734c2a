"""Make the sounds of docs/privacy.md anew: simulated streets before and after the treatment.

    python scripts/privacy-sounds.py [FOLDER]

Nobody was recorded: voices, engines and streets are those of ``noisewatch.simulation``. Before is the same
every time; after is another every time, because the entropy of a treatment is never kept.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from noisewatch.privacy.speech import METHOD, destroy_voices
from noisewatch.recognition.score import score_samples, veto_of
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.simulation.library import synthetic_clip
from noisewatch.simulation.voices import SPEAKERS, speak

RATE_HZ = 16_000
SECONDS = 6.0
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "sounds"


def scenes() -> dict[str, NDArray[np.float32]]:
    """Return the sounds before treatment by name, pascal, shape (n,)."""
    rng = np.random.default_rng(6)
    voice = np.concatenate([speak(rng, who, duration_s=SECONDS / 2, rate_hz=RATE_HZ) for who in SPEAKERS])
    voice = voice[: int(SECONDS * RATE_HZ)] * (0.05 / np.sqrt(np.mean(voice**2)))
    exhaust, _ = synthetic_clip("sport-exhaust", seed=4, rate_hz=RATE_HZ, seconds=SECONDS)
    revving, _ = synthetic_clip("motorcycle-revving", seed=3, rate_hz=RATE_HZ, seconds=SECONDS)
    backfire, _ = synthetic_clip("backfire", seed=5, rate_hz=RATE_HZ, seconds=SECONDS)
    equal = exhaust * (np.sqrt(np.mean(voice**2) / np.mean(exhaust**2)))
    return {
        "voices": voice.astype(np.float32),
        "voices-and-exhaust": (voice + equal).astype(np.float32),
        "exhaust": exhaust,
        "revving": revving,
        "backfire": backfire,
    }


def recognised(wave: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Return the seconds that the shipped signature matches, as a box knows them when it treats a clip."""
    signature = load_signature(find_signature("exhaust"))
    scores = score_samples(signature, wave.astype(np.float64), rate_hz=RATE_HZ)
    return [
        (score.start_sample / RATE_HZ, score.end_sample / RATE_HZ)
        for score in scores
        if score.probability >= signature.opening and veto_of(score, signature) is None
    ]


def main(folder: Path) -> None:
    """Write NAME-before.ogg and NAME-after.ogg; both of a pair have one scale, and say the method."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, before in scenes().items():
        known, drawn = recognised(before), os.urandom(32)
        sealed = destroy_voices(before[np.newaxis], rate_hz=RATE_HZ, entropy=drawn, recognised=known)
        after = sealed.samples[0]
        scale = 0.8 / max(float(np.abs(before).max()), float(np.abs(after).max()))
        for state, wave in (("before", before), ("after", after)):
            path = folder / f"{name}-{state}.ogg"
            with soundfile.SoundFile(path, "w", RATE_HZ, 1, "VORBIS", format="OGG") as file:
                file.comment = METHOD
                file.write(wave * scale)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
