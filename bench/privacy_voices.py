"""People who speak, for bench/privacy.py: recordings where they are installed, and synthesised Dutch.

English, French and Italian are prompts that Debian packages hold (asterisk-core-sounds-en-g722, -fr-g722,
-it-g722, -ru-g722, asterisk-prompt-it-menardi-wav and -fr-armelle; real people), and the corpus's own
recordings; some English is read by flite, Dutch by espeak-ng. The texts of prompts in
``privacy_sentences.toml`` were written down from what two sizes of Whisper heard of the untouched sound and
mended by hand, with the names of the files, where it was plainly wrong; nobody has listened to them. Speakers
for verification also come from flite and festival voices (festvox-italp16k, -itapc16k, -kdlpc16k,
-czech-dita, -czech-machac, -czech-ph, -suopuhe-lj, -suopuhe-mv, -ca-ona-hts). What is not installed is left
out.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
CLIP_S = 10.0
PROMPTS = Path("/usr/share/asterisk/sounds")
CORPUS = Path(os.environ.get("NOISEWATCH_CORPUS", "/work/shared/corpus"))
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spoken:
    """Ten seconds or less of one person's speech, RMS 0.05 Pa, and what was said."""

    language: str
    sex: str
    speaker: str
    samples: Array
    text: str


_FLITE = ("awb", "rms", "slt", "kal16")
_FESTIVAL = (
    "pc_diphone", "lp_diphone", "ked_diphone", "hy_fi_mv_diphone", "suo_fi_lj_diphone", "czech_dita",
    "czech_machac", "czech_ph", "upc_ca_ona_hts",
)  # fmt: skip
_READ = (
    "The traffic on the corner is louder after ten in the evening, and nobody on our street sleeps.",
    "My sister said she would call you about the meeting on Thursday, but she lost her telephone again.",
    "We walked along the river until the bridge, where a man was selling oranges and old books.",
    "Please remember to bring the blue umbrella, because the weather is going to change before we arrive.",
    "He never told anybody what happened at the factory, although the village had been talking for weeks.",
)


def load(path: Path, *, cents: int = 0) -> Array:
    """Return a sound file of any format as one channel at 16 kHz, its pitch and formants moved as asked."""
    factor = 2.0 ** (cents / 1200.0)
    moved = f"aresample={RATE_HZ},asetrate={RATE_HZ * factor:.0f},atempo={1 / factor:.4f},aresample={RATE_HZ}"
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", *(["-af", moved] if cents else [])]
    command += ["-ar", str(RATE_HZ), "-f", "f32le", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, dtype="<f4").astype(np.float64)


def find(folder: str, name: str) -> Path | None:
    """Return the file of a prompt or of the corpus, where it is installed."""
    if folder == "corpus":
        return next(iter(sorted(CORPUS.glob(name))), None)
    path = PROMPTS / folder / name
    return path if path.exists() else None


def spoken_clips() -> list[Spoken]:
    """Return every clip whose recordings are installed, read English, and Dutch of espeak-ng."""
    written = tomllib.loads(Path(__file__).with_name("privacy_sentences.toml").read_text(encoding="utf-8"))
    clips = [
        clip
        for speaker in written["speaker"]
        for said in speaker["said"]
        if (clip := _recorded(speaker, said)) is not None
    ]
    read: list[tuple[list[str], list[str], tuple[str, str, str, str]]] = []
    for voice in ("rms", "awb"):
        for text in _READ:
            read.append(
                (["flite", "-voice", voice, "-t", text, "-o"], [], ("en", "m", f"flite {voice}", text))
            )
    for voice, sex, speed, most in written["dutch"]["voices"]:
        for text in written["dutch"]["said"][:most]:
            command = ["espeak-ng", "-v", voice, "-s", str(speed), "-w"]
            read.append((command, [text], ("nl", sex, f"espeak {voice}", text)))
    for command, after, (language, sex, speaker, text) in read:
        wave = _spoken_by(command, after)
        if wave.size:
            clips.append(Spoken(language, sex, speaker, _leveled([wave]), text))
    return clips


def _recorded(speaker: dict[str, Any], said: list[tuple[str, str]]) -> Spoken | None:
    """Return one clip of a speaker, of one or several files; None where one is not installed."""
    paths = [find(speaker["folder"], name) for name, _ in said]
    if not all(paths):
        return None
    loaded = [load(path, cents=speaker.get("cents", 0)) for path in paths if path]
    parts = [part for wave in loaded for part in (wave, np.zeros(RATE_HZ // 4))]
    text = " ".join(text for _, text in said)
    return Spoken(speaker["language"], speaker["sex"], speaker["name"], _leveled(parts), text)


def _leveled(parts: list[Array]) -> Array:
    wave = np.concatenate(parts)[: int(CLIP_S * RATE_HZ)]
    return np.asarray(wave * (0.05 / np.sqrt(np.mean(wave**2))))


def _spoken_by(command: list[str], after: list[str]) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        try:
            subprocess.run([*command, str(path), *after], check=False, capture_output=True)
        except FileNotFoundError:
            return np.zeros(0)
        return load(path) if path.exists() and path.stat().st_size > 1000 else np.zeros(0)


def speakers() -> list[tuple[str, str, Array]]:
    """Return (group, speaker, sound of 5 to 6 s); trials stay inside a group (one studio)."""
    found: list[tuple[str, str, Array]] = []
    for folder in ("en_US_f_Allison", "fr_CA_f_June", "it_IT_m_Carlo", "ru_RU_f_IvrvoiceRU"):
        longest = sorted((PROMPTS / folder).glob("*.g722"), key=lambda path: -path.stat().st_size)[5:29]
        if longest:
            wave = np.concatenate([load(path) for path in sorted(longest)[:14]])
            found += [("prompts", folder, piece) for piece in _pieces(wave, 5, 6.0)]
    for who in ("female4", "male4"):
        for number in (1, 2, 3, 4):
            path = find("corpus", f"speech/*dev1-{who}-src-{number}-*")
            if path:
                found += [("dev1", f"{who}-{number}", piece) for piece in _pieces(load(path), 2, 4.99)]
    for text in _READ:
        for voice in _FLITE:
            said = _spoken_by(["flite", "-voice", voice, "-t", text, "-o"], [])
            found += [("synthetic", voice, piece) for piece in _pieces(said, 1, 5.0)]
        for voice in _FESTIVAL:
            said = _festival(voice, text)
            found += [("synthetic", voice, piece) for piece in _pieces(said, 1, 4.0)]
    return found


def _festival(voice: str, text: str) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        say = f'(utt.save.wave (SynthText "{text}") "{path}")'
        try:
            subprocess.run(["festival", "--batch", f"(voice_{voice})", say], check=False, capture_output=True)
        except FileNotFoundError:
            return np.zeros(0)
        return load(path) if path.exists() else np.zeros(0)


def _pieces(wave: Array, most: int, seconds: float) -> list[Array]:
    size = int(seconds * RATE_HZ)
    whole = [wave[k * size : (k + 1) * size] for k in range(most)]
    return [piece for piece in whole if piece.size == size]
