"""`noisewatch run`: the main job over files, and what it says of inputs that it cannot use."""

from __future__ import annotations

import fcntl
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from command import Result, noisewatch

EVENT_KEYS = {
    "event", "id", "onset_s", "peak_s", "end_s", "lafmax_db", "expanded_uncertainty_db", "signature",
    "probability", "behaviour", "attribution", "sealed", "why",
}  # fmt: skip
SUMMARY_KEYS = {"event", "duration_s", "events", "sealed", "lost_samples", "missing_frames", "speed_x"}


def run(trial: Path, *arguments: object) -> Result:
    config = trial / "node" / "node.toml"
    return noisewatch(
        "run", "--config", config, "--pace", "fast", "--pascal-per-unit", 20, "--json", *arguments
    )


def stored(trial: Path) -> list[Path]:
    """Everything of the store but its index and lock."""
    return sorted(p for p in (trial / "node" / "store" / "clips").rglob("*") if p.is_file())


def test_the_street_gives_one_sealed_event_where_the_truth_has_it(
    trial: Path, street_mp4: Path, street_flac: Path, truth: dict[str, Any]
) -> None:
    result = run(trial, "--audio", street_flac, "--video", street_mp4, "--start", "2026-03-01T12:00:00Z")
    assert result.code == 0, result.err
    *events, summary = result.documents
    assert [set(event) >= EVENT_KEYS for event in events] == [True]
    assert set(summary) >= SUMMARY_KEYS
    (event,) = events
    (true,) = [t for t in truth["events"] if t["label"] == "exhaust"]
    assert event["sealed"] is True
    assert event["peak_s"] == pytest.approx(true["closest_s"], abs=1.5)
    assert event["lafmax_db"] == pytest.approx(true["lafmax_db"], abs=1.0)
    assert event["id"].startswith("20260301-1200")
    assert (summary["events"], summary["sealed"], summary["lost_samples"]) == (1, 1, 0)
    assert {path.suffix for path in stored(trial)} == {".age"}


def test_the_sound_of_the_video_is_used_where_none_is_named(trial: Path, street_mp4: Path) -> None:
    *events, _ = run(trial, "--video", street_mp4).documents
    assert [event["sealed"] for event in events] == [True]


def test_sound_without_picture_gives_the_event_but_keeps_no_clip(trial: Path, street_flac: Path) -> None:
    *events, summary = run(trial, "--audio", street_flac).documents
    assert len(events) == 1
    assert events[0]["sealed"] is False
    assert "no picture, not evidence" in events[0]["why"]
    assert summary["sealed"] == 0
    assert {path.name for path in stored(trial)} == {"event.age"}


def test_several_files_in_a_row_are_one_street(trial: Path, street_flac: Path, tmp_path: Path) -> None:
    """Cut inside the pass: a street that began anew at the cut would lose or double the event."""
    samples, rate_hz = soundfile.read(str(street_flac), dtype="int32")
    (whole, _) = run(trial, "--audio", street_flac).documents
    cut = int(whole["peak_s"] * rate_hz)
    soundfile.write(str(tmp_path / "a.flac"), samples[:cut], rate_hz, subtype="PCM_24")
    soundfile.write(str(tmp_path / "b.flac"), samples[cut:], rate_hz, subtype="PCM_24")
    *events, summary = run(trial, "--audio", tmp_path / "a.flac", "--audio", tmp_path / "b.flac").documents
    assert len(events) == 1
    assert events[0]["peak_s"] == whole["peak_s"]
    assert events[0]["lafmax_db"] == whole["lafmax_db"]
    assert summary["duration_s"] == pytest.approx(len(samples) / rate_hz)


def test_nothing_in_the_clear_reaches_the_node_folder(trial: Path, street_mp4: Path) -> None:
    assert run(trial, "--video", street_mp4).code == 0
    for path in (trial / "node").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"ftyp" not in data[:64], path
            assert b"fLaC" not in data, path
    sealed = stored(trial)
    assert {path.name for path in sealed} == {"event.age", "original.age", "viewing.age", "levels.age"}
    assert all(path.read_bytes().startswith(b"age-encryption.org/v1\n") for path in sealed)


def test_a_run_killed_by_sigterm_seals_what_it_recorded(trial: Path, street_mp4: Path) -> None:
    config = trial / "node" / "node.toml"
    command = [sys.executable, "-m", "noisewatch.cli.main", "run", "--config", str(config), "--json"]
    command += ["--video", str(street_mp4), "--pace", "real", "--pascal-per-unit", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "listening to street.mp4" in process.stderr.readline()
        # the pass peaks at 15.4 s and is over at 17; its event is still open then, and the file has 6 s to go
        time.sleep(18)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert '"event": "summary"' in out.splitlines()[-1]
    assert "SIGTERM" in err
    assert '"sealed": true' in out.splitlines()[0]


# --- inputs that cannot be used -------------------------------------------------------------------------


def write(path: Path, samples: np.ndarray, rate_hz: int = 48000, **options: str) -> Path:
    soundfile.write(str(path), samples, rate_hz, **options)
    return path


def test_a_missing_file_is_named(trial: Path, tmp_path: Path) -> None:
    result = run(trial, "--audio", tmp_path / "none.wav")
    assert result.code == 66
    assert "none.wav" in result.error_line


def test_an_empty_file_is_named(trial: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    result = run(trial, "--audio", tmp_path / "empty.wav")
    assert result.code == 65
    assert "empty.wav" in result.error_line


def test_a_truncated_video_seals_what_came_before_and_says_where_it_broke(
    trial: Path, street_mp4: Path, tmp_path: Path
) -> None:
    data = street_mp4.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    result = run(trial, "--video", tmp_path / "cut.mp4")
    assert result.code == 65
    assert "cut.mp4" in result.error_line


def test_a_picture_that_breaks_off_ends_the_picture_not_the_sound(
    trial: Path, street_mp4: Path, street_flac: Path, tmp_path: Path
) -> None:
    # the index at the front, so that what is left of a cut file still opens
    options = {"movflags": "+faststart"}
    whole = str(tmp_path / "whole.mp4")
    with av.open(str(street_mp4)) as source, av.open(whole, "w", options=options) as target:
        inlet = source.streams.video[0]
        outlet = target.add_stream_from_template(inlet)
        for packet in source.demux(inlet):
            if packet.dts is not None:
                packet.stream = outlet
                target.mux(packet)
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 4])
    result = run(trial, "--audio", street_flac, "--video", tmp_path / "cut.mp4")
    assert result.code == 65
    *events, summary = result.documents
    assert summary["duration_s"] == pytest.approx(24.0)
    assert [event["sealed"] for event in events] == [False]


def test_a_truncated_recording_is_measured_up_to_where_it_broke(
    trial: Path, street_flac: Path, tmp_path: Path
) -> None:
    data = street_flac.read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) * 9 // 10])
    result = run(trial, "--audio", tmp_path / "cut.flac")
    assert result.code == 65
    assert "cut.flac" in result.error_line
    *events, summary = result.documents
    assert len(events) == 1
    assert summary["duration_s"] > 15


def test_silence_is_measured_without_an_event(trial: Path, tmp_path: Path) -> None:
    result = run(trial, "--audio", write(tmp_path / "silent.wav", np.zeros(48000 * 3)))
    assert result.code == 0
    assert [d["event"] for d in result.documents] == ["summary"]


def test_samples_that_are_no_numbers_are_refused_with_their_second(trial: Path, tmp_path: Path) -> None:
    samples = np.full(48000, np.nan, dtype=np.float32)
    result = run(trial, "--audio", write(tmp_path / "nan.wav", samples, subtype="FLOAT"))
    assert result.code == 65
    assert "nan.wav" in result.error_line
    assert "0.000 s" in result.error_line


@pytest.mark.parametrize(
    ("name", "rate_hz", "channels", "subtype"),
    [("8bit.wav", 48000, 1, "PCM_U8"), ("96k.wav", 96000, 1, "PCM_24"), ("six.wav", 48000, 6, "PCM_16")],
)
def test_odd_but_good_recordings_are_measured(
    trial: Path, tmp_path: Path, name: str, rate_hz: int, channels: int, subtype: str
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, (rate_hz * 2, channels))
    result = run(trial, "--audio", write(tmp_path / name, noise, rate_hz, subtype=subtype))
    assert result.code == 0, result.err
    assert result.documents[-1]["duration_s"] == pytest.approx(2.0)


def test_a_video_without_sound_says_so(trial: Path, tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(25):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    result = run(trial, "--video", path)
    assert result.code == 65
    assert "no sound" in result.error_line


def test_a_text_file_is_no_recording(trial: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("not a recording")
    result = run(trial, "--audio", tmp_path / "notes.wav")
    assert result.code == 65
    assert "notes.wav" in result.error_line


# --- settings, keys and the store ------------------------------------------------------------------------


def test_a_store_that_another_process_holds_says_try_again(trial: Path, street_flac: Path) -> None:
    with (trial / "node" / "store" / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run(trial, "--audio", street_flac)
    assert result.code == 75
    assert result.out == ""


def test_an_unknown_key_ends_with_78_and_names_file_and_key(trial: Path, street_flac: Path) -> None:
    config = trial / "node" / "node.toml"
    config.write_text(config.read_text().replace("merge_gap_s", "merge_gap"))
    result = run(trial, "--audio", street_flac)
    assert result.code == 78
    assert "trigger.merge_gap" in result.error_line
    assert "node.toml" in result.error_line


def test_a_signing_key_that_others_can_read_is_refused(trial: Path, street_flac: Path) -> None:
    (trial / "node" / "keys" / "node.key").chmod(0o644)
    result = run(trial, "--audio", street_flac)
    assert result.code == 77
    assert "node.key" in result.error_line


def test_an_altered_bundle_of_day_keys_is_refused(trial: Path, street_flac: Path) -> None:
    bundle = trial / "node" / "keys" / "bundle.json"
    bundle.write_bytes(bundle.read_bytes().replace(b'"trial":true', b'"trial":false'))
    result = run(trial, "--audio", street_flac)
    assert result.code == 78
    assert "bundle.json" in result.error_line


@pytest.mark.parametrize(
    ("option", "spec"),
    [("--audio", "device:road"), ("--video", "/dev/video0"), ("--video", "rtsp://192.0.2.1/x")],
)
def test_a_trial_node_takes_no_live_source_from_elsewhere(
    trial: Path, street_flac: Path, option: str, spec: str
) -> None:
    config = trial / "node" / "node.toml"
    sources = ["--audio", street_flac, option, spec] if option == "--video" else [option, spec]
    result = noisewatch("run", "--config", config, *sources)
    assert result.code == 78
    assert "trial" in result.error_line


def test_credentials_of_a_camera_never_reach_a_message(trial: Path, street_flac: Path) -> None:
    config = trial / "node" / "node.toml"
    spec = "rtsp://someone:very-secret@192.0.2.1/x"
    result = noisewatch("run", "--config", config, "--audio", street_flac, "--video", spec)
    assert result.code == 78
    assert "very-secret" not in result.err + result.out


def test_a_signature_that_is_a_pickle_is_refused(trial: Path, street_flac: Path, root: Path) -> None:
    import pickle
    import shutil

    folder = trial / "mine"
    shutil.copytree(root / "signatures" / "exhaust", folder)
    (folder / "model.skops").write_bytes(pickle.dumps({"evil": hashlib.sha256}))
    config = trial / "node" / "node.toml"
    config.write_text(config.read_text().replace('signatures = ["exhaust"]', f'signatures = ["{folder}"]'))
    result = run(trial, "--audio", street_flac)
    assert result.code == 78
    assert "model.skops" in result.error_line


def test_a_run_without_any_source_says_what_to_add(trial: Path) -> None:
    result = noisewatch("run", "--config", trial / "node" / "node.toml")
    assert result.code == 2
    assert "--audio" in result.error_line


def test_a_folder_that_is_no_node_says_how_to_make_one(tmp_path: Path) -> None:
    result = noisewatch("run", "--config", tmp_path / "node.toml", "--audio", "x.wav")
    assert result.code == 66
    assert "noisewatch init" in result.error_line


def test_options_for_files_are_refused_for_a_microphone(trial: Path) -> None:
    config = trial / "node" / "node.toml"
    result = noisewatch("run", "--config", config, "--audio", "device:road", "--pascal-per-unit", 20)
    assert result.code == 2
