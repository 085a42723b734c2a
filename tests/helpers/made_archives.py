"""Small archives in the very form of the public collections, with made sounds."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zipfile

import numpy as np
import soundfile


def sound_file(
    seed: int, *, rate_hz: int = 16_000, seconds: float = 0.5, channels: int = 1, gain: float = 0.1
) -> bytes:
    samples = gain * np.random.default_rng(seed).standard_normal((int(seconds * rate_hz), channels))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def csv_text(header: str, rows: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([line.split(",") for line in [header, *rows]])
    return text.getvalue().encode()


def esc50_files() -> dict[str, bytes]:
    rows = [
        "1-100-A-0.wav,1,0,dog,True,100,A",
        "1-100-B-0.wav,1,0,dog,True,100,B",
        "2-200-A-44.wav,2,44,engine,False,200,A",
    ]
    files = {
        "ESC-50-master/README.md": b"about",
        "ESC-50-master/meta/esc50.csv": csv_text("filename,fold,target,category,esc10,src_file,take", rows),
    }
    for number, row in enumerate(rows):
        files[f"ESC-50-master/audio/{row.split(',')[0]}"] = sound_file(number, rate_hz=44_100)
    return files


def urbansound8k_files() -> dict[str, bytes]:
    rows = [
        "300-5-0-0.wav,300,0.0,0.5,1,1,5,engine_idling",
        "300-5-0-1.wav,300,0.5,1.0,1,1,5,engine_idling",
        "400-8-0-0.wav,400,0.0,0.5,2,10,8,siren",
    ]
    files = {
        # the table comes after the sound in the real archive, too
        "UrbanSound8K/audio/fold1/300-5-0-0.wav": sound_file(10, rate_hz=96_000, channels=2),
        "UrbanSound8K/audio/fold1/300-5-0-1.wav": sound_file(11, rate_hz=22_050, gain=2.0),
        "UrbanSound8K/audio/fold10/400-8-0-0.wav": sound_file(12, rate_hz=8_000),
        "UrbanSound8K/audio/fold1/.DS_Store": b"desk",
        "UrbanSound8K/FREESOUNDCREDITS.txt": b"thanks",
    }
    header = "slice_file_name,fsID,start,end,salience,fold,classID,class"
    return {**files, "UrbanSound8K/metadata/UrbanSound8K.csv": csv_text(header, rows)}


def idmt_files() -> dict[str, bytes]:
    names = [
        "2019-10-22-08-40_Fraunhofer-IDMT_30Kmh_1116695_M_D_CR_ME_CH12",
        "2019-10-22-08-40_Fraunhofer-IDMT_30Kmh_1116695_M_D_CR_SE_CH34",
        "2019-11-12-13-00_Schleusinger-Allee_unknownKmh_903672_A_W_ML_SE_CH12",
        "2019-11-12-13-00_Schleusinger-Allee_unknownKmh_99_SE_CH12-BG",
    ]
    files = {
        f"IDMT_Traffic/audio/{n}.wav": sound_file(i, rate_hz=48_000, channels=2) for i, n in enumerate(names)
    }
    files["IDMT_Traffic/annotation/idmt_traffic_all.txt"] = "\n".join(names).encode() + b"\n"
    files["IDMT_Traffic/annotation/eusipco_2021_train.txt"] = names[0].encode() + b"\n"
    return files


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # a date of its own, or an archive made two seconds later would have another hash
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra:
            archive.addfile(info)
    return gzip.compress(buffer.getvalue(), mtime=0)
