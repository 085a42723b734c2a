"""Minimal metadata: nothing in an exported file says more of machine, user or place than the event record."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import sealed

from noisewatch.capture.camera import open_video
from noisewatch.capture.clip import clip_window
from noisewatch.capture.media import Material, make_original, make_viewing
from noisewatch.evidence import export, package

RATE_HZ = 48_000
#: What a camera may write into its stream, and what must not come out again.
MARKS = {
    "title": "CAM-SERIAL-4711",
    "artist": "installer Jan Janssens",
    "comment": "/home/janssens/street",
    "location": "+50.9650+005.5000/",
    "creation_time": "2026-03-01T21:14:06Z",
}
#: Tags that only say what kind of file it is.
HARMLESS_TAGS = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "language",
    "handler_name",
    "vendor_id",
    "encoder",
}
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"edts", b"dinf"}
PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"pHYs", b"gAMA", b"sRGB", b"tRNS", b"tEXt"}


def camera_file(folder: Path) -> Path:
    """A film as a talkative camera makes it."""
    path = folder / "camera.mp4"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(MARKS)
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.metadata["handler_name"] = MARKS["title"]
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 2 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Original and viewing copy of two seconds of that film."""
    path = camera_file(tmp_path_factory.mktemp("camera"))
    assert MARKS["title"].encode() in path.read_bytes(), "the camera does talk"
    source = open_video(str(path))
    packets = [(packet.monotonic_ns / 1e9, packet) for packet in source.packets()]
    source.close()
    window = clip_window(peak_sample=RATE_HZ, rate_hz=RATE_HZ, end_of_stream=2 * RATE_HZ)
    samples = np.zeros((1, window.end_sample - window.start_sample), np.float32)
    material = Material(window, samples, packets, None, 0)
    return {"original": make_original(material).data, "viewing": make_viewing(material).data}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, copies: dict[str, bytes]) -> Path:
    folder = tmp_path_factory.mktemp("metadata-of-an-export")
    place = sealed.make_place(folder, clip=copies["viewing"])
    order = export.Order(place.event_id, "officer", sealed.REASON, sealed.CASE)
    return export.export(order, node=place.node, custody=place.custody, out=folder / "out").package


def atoms(data: bytes, path: tuple[bytes, ...] = ()) -> Iterator[tuple[tuple[bytes, ...], bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if size < 8:
            return
        body = data[at + 8 : at + size]
        yield (*path, kind), body
        if kind in CONTAINERS:
            yield from atoms(body, (*path, kind))
        at += size


def probed_tags(data: bytes, folder: Path) -> dict[str, str]:
    file = folder / "film.mp4"
    file.write_bytes(data)
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(file)],
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    tags: dict[str, str] = dict(found["format"].get("tags", {}))
    for stream in found["streams"]:
        tags |= stream.get("tags", {})
    return tags


def machine_words(*folders: Path) -> set[bytes]:
    """What would tell of this machine and its user; words that are too common to mean it are left out."""
    words = {socket.gethostname(), socket.getfqdn(), str(Path.home()), str(Path.cwd()), *map(str, folders)}
    user = getpass.getuser()
    words |= {f"/home/{user}"} | ({user} if len(user) > 4 else set())
    return {word.encode() for word in words if len(word) > 4 and word != "localhost"}


def opened_up(data: bytes) -> bytes:
    """A file with its deflated parts beside it: PDF streams, PNG texts."""
    parts = [data]
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            parts.append(zlib.decompress(found[1]))
        except zlib.error:
            continue
    return b"\n".join(parts)


@pytest.mark.parametrize("name", ["original", "viewing"])
def test_a_copy_keeps_nothing_that_the_camera_wrote(copies: dict[str, bytes], name: str) -> None:
    data = copies[name]
    for mark in MARKS.values():
        assert mark.encode() not in data
    for kind in (b"\xa9xyz", b"\xa9nam", b"\xa9ART", b"loci", b"uuid"):
        assert kind not in data


@pytest.mark.parametrize("name", ["original", "viewing"])
def test_a_copy_states_no_time_of_making_and_only_harmless_tags(
    copies: dict[str, bytes], name: str, tmp_path: Path
) -> None:
    headers = [body for path, body in atoms(copies[name]) if path[-1] in (b"mvhd", b"tkhd", b"mdhd")]
    assert len(headers) == 5, "a movie, two tracks, two media"
    for body in headers:
        assert body[0] == 0, "version 0: four bytes a time"
        assert struct.unpack(">II", body[4:12]) == (0, 0), "neither created nor modified"
    tags = probed_tags(copies[name], tmp_path)
    assert set(tags) <= HARMLESS_TAGS
    assert tags.get("handler_name") in (None, "VideoHandler", "SoundHandler")


def test_ffprobe_would_show_a_tag_that_is_there(tmp_path: Path) -> None:
    """Negative control."""
    tags = probed_tags(camera_file(tmp_path).read_bytes(), tmp_path)
    assert tags["title"] == MARKS["title"]
    assert not set(tags) <= HARMLESS_TAGS


def test_exiftool_knows_no_more(copies: dict[str, bytes], tmp_path: Path) -> None:
    if shutil.which("exiftool") is None:
        pytest.fail("exiftool is missing; install it with: scripts/system-packages test")
    for name, data in copies.items():
        file = tmp_path / f"{name}.mp4"
        file.write_bytes(data)
        done = subprocess.run(["exiftool", "-j", "-G", str(file)], capture_output=True, check=True)
        shown = {k: str(v) for k, v in json.loads(done.stdout)[0].items() if k.startswith("QuickTime:")}
        dates = {key: value for key, value in shown.items() if "Date" in key}
        assert set(dates.values()) <= {"0000:00:00 00:00:00"}
        telling = (
            "GPS",
            "Author",
            "Artist",
            "Title",
            "Comment",
            "Serial",
            "Make",
            "Model",
            "Software",
            "Host",
        )
        assert [key for key in shown if any(word in key for word in telling)] == []


def test_no_exported_file_names_machine_user_or_folder(exported: Path) -> None:
    words = machine_words(exported.parent.parent, Path("/tmp"))  # noqa: S108 - looked for, not written to
    files = [path for path in exported.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        data = opened_up(path.read_bytes())
        # scripts for the reader's own shell may use a temporary folder
        allowed = {b"/tmp"} if path.suffix == ".sh" else set()
        assert [word for word in words - allowed if word in data] == [], path.name


def test_the_search_finds_a_folder_that_is_there(exported: Path) -> None:
    """Negative control, also inside a deflated stream."""
    word = sorted(machine_words(exported.parent.parent))[0]
    assert word in opened_up(b"1 0 obj\nstream\n" + zlib.compress(b"made in " + word) + b"endstream")


def test_pictures_hold_pixels_and_reports_no_author(exported: Path) -> None:
    pictures, reports = list(exported.rglob("*.png")), list(exported.rglob("*.pdf"))
    assert pictures
    assert reports
    for path in pictures:
        data, at, kinds = path.read_bytes(), 8, {}
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at : at + 8])
            kinds[kind] = data[at + 8 : at + 8 + size]
            at += 12 + size
        assert set(kinds) <= PNG_CHUNKS, path.name
        assert kinds.get(b"tEXt", b"Software").startswith(b"Software"), path.name
    for path in reports:
        data = opened_up(path.read_bytes())
        assert b"/Author" not in data
        assert b"/GPS" not in data


def test_a_zip_holds_names_and_bytes_only(exported: Path, tmp_path: Path) -> None:
    target = package.write_zip(exported, tmp_path / "package.zip")
    with zipfile.ZipFile(target) as archive:
        assert archive.comment == b""
        for info in archive.infolist():
            assert info.extra == b"", "no user, no group, no time of access"
            assert info.comment == b""
            assert not info.filename.startswith("/")
