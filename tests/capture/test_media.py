"""The clip: exact in samples and frames, masked, reproducible, playable; nothing on a disk."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from noisewatch.capture.camera import open_video
from noisewatch.capture.clip import clip_window, snap_to_frame
from noisewatch.capture.media import CLIP_RATE_HZ, Clip, make_clip
from noisewatch.capture.microphone import open_audio
from noisewatch.capture.ring import AudioRing, VideoRing, VideoSlice
from noisewatch.records import ClipWindow

RATE_HZ = 48_000


class Street:
    """A file in the rings, as the node would hold it."""

    def __init__(self, path: Path, *, pascal_per_unit: float = 1.0) -> None:
        source = open_audio(str(path), pascal_per_unit=pascal_per_unit)
        self.sound = AudioRing(rate_hz=source.rate_hz, channels=source.channels, seconds=60)
        for block in source.blocks():
            self.sound.push(block)
        self.pictures = VideoRing(seconds=60, max_bytes=10**9)
        for packet in open_video(str(path)).packets():
            self.pictures.push(packet.monotonic_ns / 1e9, packet)

    def slice(self, window: ClipWindow) -> VideoSlice:
        return self.pictures.read(window.start_s, window.end_sample / window.rate_hz)

    def clip(self, window: ClipWindow, **options: Any) -> Clip:
        samples, _ = self.sound.read(window.start_sample, window.end_sample)
        packets = options.pop("packets", self.slice(window).packets)
        return make_clip(
            window=window, samples=samples, audio_rate_hz=window.rate_hz, packets=packets, **options
        )


def frames_of(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data)) as container:
        return list(container.decode(video=0))


def sound_of(data: bytes) -> NDArray[Any]:
    """Decoded sound (channels, n), as the decoder gives it."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        channels = stream.codec_context.channels
        parts = []
        for frame in container.decode(stream):
            raw = frame.to_ndarray()
            parts.append(raw if frame.format.is_planar else raw.reshape(-1, channels).T)
    return np.concatenate(parts, axis=1)


def probe(data: bytes, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "probe.mp4"
    path.write_bytes(data)
    command = ["ffprobe", "-v", "warning", "-show_streams", "-show_format", "-of", "json", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def noise_window(channels: int, *, rate_hz: int = RATE_HZ, seconds: float = 10.0) -> NDArray[np.float32]:
    shape = (channels, round(seconds * rate_hz))
    return np.random.default_rng(7).normal(0, 0.3, shape).astype(np.float32)


@pytest.fixture(scope="module")
def held(street: Path) -> Street:
    return Street(street)


@pytest.fixture(scope="module")
def window() -> ClipWindow:
    """Ten seconds whose start lies inside a frame and far from a keyframe."""
    return clip_window(peak_sample=round(9.533 * RATE_HZ), rate_hz=RATE_HZ)


@pytest.fixture(scope="module")
def clip(held: Street, window: ClipWindow) -> Clip:
    return held.clip(window)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8])
def test_the_original_decodes_to_exactly_the_windows_samples(channels: int) -> None:
    window = clip_window(peak_sample=300_000, rate_hz=RATE_HZ)
    samples = noise_window(channels)
    clip = make_clip(window=window, samples=samples, audio_rate_hz=RATE_HZ)
    decoded = sound_of(clip.original)
    about = clip.description_original
    assert decoded.shape == (channels, 480_000)
    expected = np.rint(samples.astype(np.float64) * 2**23 / about["pascal_per_unit"]).astype(np.int64)
    assert np.array_equal(decoded >> 8, expected)
    assert (about["samples"], about["rate_hz"], about["channels"]) == (480_000, 48_000, channels)
    assert about["pascal_per_unit"] == 20.0


def test_the_scale_grows_until_nothing_clips_and_says_so() -> None:
    window = clip_window(peak_sample=300_000, rate_hz=RATE_HZ)
    samples = noise_window(1)
    samples[0, 1_000] = -63.0
    clip = make_clip(window=window, samples=samples, audio_rate_hz=RATE_HZ)
    assert clip.description_original["pascal_per_unit"] == 80.0
    decoded = (sound_of(clip.original) >> 8) * 80.0 / 2**23
    assert decoded[0, 1_000] == pytest.approx(-63.0, abs=1e-5)
    assert np.max(np.abs(decoded - samples)) <= 80.0 / 2**24 * 1.001


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
def test_another_rate_is_resampled_to_exactly_ten_seconds_at_48_khz(rate_hz: int) -> None:
    window = clip_window(peak_sample=7 * rate_hz, rate_hz=rate_hz)
    t = np.arange(10 * rate_hz) / rate_hz
    tone = np.sin(2 * np.pi * 997.0 * t).astype(np.float32)[None]
    clip = make_clip(window=window, samples=tone, audio_rate_hz=rate_hz)
    decoded = (sound_of(clip.original) >> 8) * 20.0 / 2**23
    assert decoded.shape == (1, 480_000)
    inner = slice(4_800, -4_800)
    expected = np.sin(2 * np.pi * 997.0 * np.arange(480_000) / CLIP_RATE_HZ)
    assert np.max(np.abs(decoded[0][inner] - expected[inner])) < 2e-4


def test_both_copies_last_ten_seconds_and_are_what_players_know(clip: Clip, tmp_path: Path) -> None:
    for data, codec in [(clip.original, "flac"), (clip.viewing, "aac")]:
        answer = probe(data, tmp_path)
        assert float(answer["format"]["duration"]) == 10.0
        picture, sound = answer["streams"]
        assert (picture["codec_name"], picture["pix_fmt"], sound["codec_name"]) == ("h264", "yuv420p", codec)
        for stream in (picture, sound):
            assert float(stream["start_time"]) == 0.0
            assert float(stream["duration"]) == 10.0
        assert not {"creation_time", "encoder"} & set(answer["format"]["tags"])
        check = ["ffmpeg", "-v", "warning", "-i", str(tmp_path / "probe.mp4"), "-f", "null", "-"]
        result = subprocess.run(check, capture_output=True, text=True, check=True)
        assert result.stdout + result.stderr == ""


def test_the_clip_holds_the_frames_of_its_window_and_the_one_before(
    clip: Clip, window: ClipWindow, frame_number: Callable[[av.VideoFrame], int]
) -> None:
    """The start 3.533 s lies inside frame 88 (3.52 to 3.56 s): it is shown from zero on."""
    for data in (clip.original, clip.viewing):
        frames = frames_of(data)
        assert [frame_number(frame) for frame in frames] == list(range(88, 338 + 1))[: len(frames)]
        assert len(frames) in (250, 251)
        times = [frame.time for frame in frames]
        assert times[0] == 0.0
        expected = [number / 25 - window.start_s for number in range(89, 89 + len(frames) - 1)]
        assert times[1:] == pytest.approx(expected, abs=1 / 90_000)
    about = clip.description_original
    assert about["first_frame_offset_s"] == pytest.approx(3.52 - 3.533, abs=1e-6)
    assert (about["expected_frames"], about["missing_frames"]) == (250, 0)
    assert about["frames"] == len(frames_of(clip.original))


def test_a_snapped_clip_begins_with_its_frame(
    held: Street, window: ClipWindow, frame_number: Callable[[av.VideoFrame], int]
) -> None:
    snapped = snap_to_frame(window, frame_times_s=held.slice(window).frame_times_s)
    clip = held.clip(snapped)
    frames = frames_of(clip.original)
    assert snapped.start_sample == round(3.52 * RATE_HZ)
    assert [frame_number(frame) for frame in frames] == list(range(88, 338))
    assert clip.description_original["first_frame_offset_s"] == 0.0
    assert sound_of(clip.original).shape == (1, 480_000)


@pytest.mark.parametrize("copy", ["original", "viewing"])
@pytest.mark.parametrize("snap", [True, False])
def test_sound_and_picture_show_the_same_instant(
    held: Street,
    window: ClipWindow,
    frame_is_flash: Callable[[av.VideoFrame], bool],
    *,
    copy: str,
    snap: bool,
) -> None:
    if snap:
        window = snap_to_frame(window, frame_times_s=held.slice(window).frame_times_s)
    data = getattr(held.clip(window), copy)
    frames = frames_of(data)
    lit = [frame_is_flash(frame) for frame in frames]
    flashes = [f.time for f, now, before in zip(frames[1:], lit[1:], lit, strict=False) if now and not before]
    sound = sound_of(data)[0].astype(np.float64)
    loud = np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())
    onsets = loud[np.concatenate([[True], np.diff(loud) > 0.3 * RATE_HZ])] / RATE_HZ
    onsets = onsets[onsets > 0.2]
    assert len(flashes) == 5
    # a sine needs a few samples to pass the threshold; AAC smears an onset by less than a block
    allowed_s = 0.001 if copy == "original" else 0.005
    assert onsets[:5] == pytest.approx(flashes, abs=allowed_s)


def test_a_variable_frame_rate_is_kept(
    tmp_path: Path,
    street_factory: Callable[..., Path],
    beep_factory: Callable[..., NDArray[np.float32]],
    frame_number: Callable[[av.VideoFrame], int],
) -> None:
    steps = np.random.default_rng(3).choice([1 / 30, 1 / 25, 1 / 20], 330)
    times = np.round(np.concatenate([[0.0], np.cumsum(steps)]) * 90_000) / 90_000
    street = Street(street_factory(tmp_path / "vfr.mp4", list(times), sound=beep_factory(12.5)))
    window = clip_window(peak_sample=round(7.3 * RATE_HZ), rate_hz=RATE_HZ)
    frames = frames_of(street.clip(window).original)
    shown = [frame_number(frame) for frame in frames]
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    assert times[shown[0]] <= window.start_s < times[shown[1]]
    expected = [0.0, *(times[number] - window.start_s for number in shown[1:])]
    assert [frame.time for frame in frames] == pytest.approx(expected, abs=1 / 90_000)


def test_no_pixel_outside_the_mask_reaches_a_copy(held: Street, window: ClipWindow) -> None:
    seen: list[tuple[int, ...]] = []

    def lower_half(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        seen.append(picture.shape)
        masked = picture.copy()
        masked[: picture.shape[0] // 2] = 0
        return masked

    clip = held.clip(window, mask=lower_half)
    assert set(seen) == {(240, 320, 3)}
    assert len(seen) == clip.description_original["frames"] + clip.description_viewing["frames"]
    for data in (clip.original, clip.viewing):
        for frame in frames_of(data):
            picture = frame.to_ndarray(format="gray")
            assert picture[:112].max() <= 24
            assert picture[128:].mean() > 60


def test_a_mask_that_changes_the_size_is_refused(held: Street, window: ClipWindow) -> None:
    with pytest.raises(ValueError, match="the mask made"):
        held.clip(window, mask=lambda picture: picture[::2])


def test_the_same_input_gives_the_same_bytes_also_in_another_process(
    clip: Clip, held: Street, window: ClipWindow, street: Path
) -> None:
    again = held.clip(window)
    assert again == clip
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import hashlib, pathlib, test_media as t\n"
        f"w = t.clip_window(peak_sample={round(9.533 * RATE_HZ)}, rate_hz=48000)\n"
        f"c = t.Street(pathlib.Path({str(street)!r})).clip(w)\n"
        "print(hashlib.sha256(c.original + c.viewing).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(clip.original + clip.viewing).hexdigest()


def test_the_viewing_copy_is_loud_and_says_by_how_much() -> None:
    window = clip_window(peak_sample=300_000, rate_hz=RATE_HZ)
    t = np.arange(480_000) / RATE_HZ
    quiet = np.stack([0.2 * np.sin(2 * np.pi * 300 * t)] * 6).astype(np.float32)
    about = make_clip(window=window, samples=quiet, audio_rate_hz=RATE_HZ).description_viewing
    assert about["pascal_per_unit"] == pytest.approx(0.2 / 0.9, rel=1e-5)
    assert (about["channels"], about["sound"]) == (1, "channel 1 of 6")


def test_silence_stays_silence() -> None:
    window = clip_window(peak_sample=300_000, rate_hz=RATE_HZ)
    clip = make_clip(window=window, samples=np.zeros((1, 480_000), np.float32), audio_rate_hz=RATE_HZ)
    assert not sound_of(clip.original).any()
    assert np.max(np.abs(sound_of(clip.viewing))) < 1e-4


def test_a_clip_without_picture_says_that_it_is_no_evidence(tmp_path: Path) -> None:
    window = clip_window(peak_sample=300_000, rate_hz=RATE_HZ)
    clip = make_clip(window=window, samples=noise_window(1), audio_rate_hz=RATE_HZ)
    for data, about in [
        (clip.original, clip.description_original),
        (clip.viewing, clip.description_viewing),
    ]:
        (stream,) = probe(data, tmp_path)["streams"]
        assert float(stream["duration"]) == 10.0
        assert about["note"] == "no picture, not evidence"
        assert (about["frames"], about["first_frame_offset_s"]) == (0, None)
        assert "video" not in about["codec"]


def test_a_short_stream_gives_a_short_clip_of_the_same_make(held: Street) -> None:
    window = clip_window(peak_sample=100_000, rate_hz=RATE_HZ, end_of_stream=299_816)
    clip = held.clip(window)
    assert sound_of(clip.original).shape == (1, 299_816)
    assert clip.description_original["why"].endswith("not evidence")
    assert clip.description_original["duration_s"] == pytest.approx(6.246167)


def test_lost_packets_are_counted_as_missing_frames(held: Street, window: ClipWindow) -> None:
    packets = held.slice(window).packets
    start = min(time_s for time_s, packet in packets if packet.is_keyframe and time_s > 6.0)
    stop = min(time_s for time_s, packet in packets if packet.is_keyframe and time_s > start)
    kept = tuple((t, p) for t, p in packets if not start <= t < stop)
    about = held.clip(window, packets=kept).description_original
    assert about["missing_frames"] == 50
    assert about["frames"] + 50 in (250, 251)


def test_packets_that_cannot_be_decoded_are_survived_and_counted(held: Street, window: ClipWindow) -> None:
    packets = held.slice(window).packets
    rng = np.random.default_rng(1)
    broken = [(t, replace(p, data=rng.bytes(len(p.data))) if 6.0 < t < 8.0 else p) for t, p in packets]
    clip = held.clip(window, packets=broken)
    assert clip.description_original["missing_frames"] >= 25
    assert sound_of(clip.original).shape == (1, 480_000)


def test_frames_of_another_size_are_left_out(
    held: Street, window: ClipWindow, tmp_path: Path, street_factory: Callable[..., Path]
) -> None:
    """The mask was not drawn for them."""
    other = street_factory(tmp_path / "other.mp4", [n / 25 for n in range(50)], size=(480, 240))
    late = [(p.monotonic_ns / 1e9 + 10.0, p) for p in open_video(str(other)).packets()]
    early = [(t, p) for t, p in held.slice(window).packets if t < 10.0]
    clip = held.clip(window, packets=[*early, *late])
    about = clip.description_original
    assert (about["width"], about["height"]) == (320, 240)
    assert {(f.width, f.height) for f in frames_of(clip.original)} == {(320, 240)}
    assert about["missing_frames"] >= 45


def test_odd_sizes_and_other_codecs_are_encoded(
    tmp_path: Path, street_factory: Callable[..., Path], beep_factory: Callable[..., NDArray[np.float32]]
) -> None:
    path = street_factory(
        tmp_path / "old.avi",
        [n / 25 for n in range(275)],
        size=(322, 242),
        codec="mjpeg",
        options={"color_range": "pc"},
        sound=beep_factory(11.0),
        sound_codec="pcm_s16le",
    )
    street = Street(path)
    clip = street.clip(clip_window(peak_sample=6 * RATE_HZ, rate_hz=RATE_HZ), mask=lambda picture: picture)
    assert {(f.width, f.height) for f in frames_of(clip.viewing)} == {(322, 242)}
    assert clip.description_viewing["missing_frames"] == 0


def test_a_stale_picture_is_not_shown_as_the_start(held: Street, window: ClipWindow) -> None:
    packets = [(t, p) for t, p in held.slice(window).packets if t < 3.3 or t >= 6.0]
    about = held.clip(window, packets=packets).description_original
    assert about["first_frame_offset_s"] == pytest.approx(6.0 - window.start_s, abs=0.001)
    assert about["missing_frames"] in (61, 62)


def test_samples_that_do_not_fill_the_window_are_refused(window: ClipWindow) -> None:
    with pytest.raises(ValueError, match="do not fill"):
        make_clip(window=window, samples=np.zeros((1, 479_999), np.float32), audio_rate_hz=RATE_HZ)
    with pytest.raises(ValueError, match="do not fill"):
        make_clip(window=window, samples=np.zeros((1, 480_000), np.float32), audio_rate_hz=44_100)


@pytest.fixture
def opened_paths() -> Iterator[list[str]]:
    """Every path that this process opens for writing while the test runs."""
    opened: list[str] = []
    is_active = True

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if is_active and event == "open" and isinstance(args[2], int) and args[2] & 0o3:
            opened.append(str(args[0]))

    sys.addaudithook(watch)
    yield opened
    is_active = False


def test_nothing_is_written_to_a_disk(
    held: Street, window: ClipWindow, opened_paths: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    held.clip(window)
    assert opened_paths == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["street-motorcycle.mp4", "tailpipe-music.avi"])
def test_a_real_street_gives_an_exact_clip(corpus: Path, tmp_path: Path, name: str) -> None:
    street = Street(corpus / "video" / name, pascal_per_unit=20.0)
    rate_hz, end = street.sound.rate_hz, street.sound.end_sample
    window = clip_window(peak_sample=end - rate_hz, rate_hz=rate_hz, end_of_stream=end)
    near = street.pictures.read(window.start_s - 0.25, window.start_s + 0.25)
    window = snap_to_frame(window, frame_times_s=near.frame_times_s, end_of_stream=end)
    clip = street.clip(window)
    assert sound_of(clip.original).shape[1] == 480_000
    assert float(probe(clip.viewing, tmp_path)["format"]["duration"]) == 10.0
    about = clip.description_original
    assert about["missing_frames"] == 0
    assert about["frames"] == about["expected_frames"] == len(frames_of(clip.original))
    assert abs(about["first_frame_offset_s"]) < 1 / rate_hz
