"""Signatures as data: a folder with ``signature.toml``, ``model.skops`` and ``card.md``; never code."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from noisewatch.errors import ConfigurationError, MissingInputError
from noisewatch.recognition.behaviour import BEHAVIOURS
from noisewatch.recognition.featuresets import NAMES, width_of
from noisewatch.recognition.model import Model, load_model

#: The files of a signature, in the order in which they are hashed.
FILES = ("card.md", "model.skops", "signature.toml")
#: The largest signature folder that is loaded, in bytes.
LARGEST_BYTES = 5_000_000
_HOURS = re.compile(r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")


@dataclass(frozen=True, slots=True)
class Veto:
    """A competing class, and by how much its probability must exceed the signature's to veto a window."""

    label: str
    margin: float


@dataclass(frozen=True, slots=True)
class Signature:
    """A loaded signature: what is looked for, and when it counts.

    Parameters
    ----------
    name, version, description : str
        Who it is.
    labels : tuple of str
        Labels of the corpus that its own class gathers.
    sublabels : tuple of str
        Sublabels, or kinds of synthetic clips, that it gathers among these; empty means all.
    unclear : tuple of str
        Sublabels of which nobody can say: they neither trained it nor count for or against it.
    gate_db : float
        LAFmax in dB from which a window counts.
    threshold : float
        Calibrated probability from which an event, or a file, is a match.
    opening : float
        Calibrated probability from which a window can be part of an event; at most the threshold.
    minimum_duration_s : float
        Seconds that matching windows must cover.
    behaviours : tuple of str
        Behaviours that it is meant for; empty means any.
    hours : tuple of str
        Spans of local time such as "22:00-24:00"; empty means always.
    budget_per_day : int
        Events a day that may be sealed.
    vetoes : tuple of Veto
        Competing classes.
    sha256 : str
        Hash of the folder's content.
    feature_set : str
        The features that the model needs.
    classes : tuple of str
        Classes that the model knows; the first is the signature's own.
    model : Model
        The classifier.
    folder : Path
        Where it was loaded from.
    """

    name: str
    version: str
    description: str
    labels: tuple[str, ...]
    sublabels: tuple[str, ...]
    unclear: tuple[str, ...]
    gate_db: float
    threshold: float
    opening: float
    minimum_duration_s: float
    behaviours: tuple[str, ...]
    hours: tuple[str, ...]
    budget_per_day: int
    vetoes: tuple[Veto, ...]
    sha256: str
    feature_set: str
    classes: tuple[str, ...]
    model: Model
    folder: Path


class _VetoKeys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    label: str = Field(min_length=1)
    margin: float = Field(ge=0.0, le=1.0)


class WishKeys(BaseModel):
    """The keys of ``signature.toml`` that a person writes; training finds the others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    description: str = Field(default="", max_length=300)
    labels: list[str] = Field(min_length=1)
    sublabels: list[str] = Field(default_factory=list)
    unclear: list[str] = Field(default_factory=list)
    limits: list[str] = Field(default_factory=list)
    gate_db: float = Field(ge=30.0, le=140.0)
    minimum_duration_s: float = Field(ge=0.0, le=10.0)
    behaviours: list[str] = Field(default_factory=list)
    hours: list[str] = Field(default_factory=list)
    budget_per_day: int = Field(ge=1, le=100_000)
    feature_set: str | None = None
    vetoes: list[_VetoKeys] = Field(default_factory=list)

    @field_validator("hours")
    @classmethod
    def _are_spans(cls, value: list[str]) -> list[str]:
        for span in value:
            if not _HOURS.match(span):
                raise ValueError(f"{span!r} is not a span such as '22:00-24:00'")
        return value

    @field_validator("behaviours")
    @classmethod
    def _are_known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in BEHAVIOURS:
                raise ValueError(f"{name[:40]!r} is none of {', '.join(BEHAVIOURS)}")
        return value


class _SignatureKeys(WishKeys):
    """Every key that ``signature.toml`` may have."""

    feature_set: str = Field(min_length=1)
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    threshold: float = Field(gt=0.0, lt=1.0)
    opening: float | None = Field(default=None, gt=0.0, lt=1.0)


_Keys = TypeVar("_Keys", bound=WishKeys)


def load_signature(folder: Path) -> Signature:
    """Load and check a signature folder.

    Raises
    ------
    MissingInputError
        The folder or one of its files is not there.
    ConfigurationError
        A key is unknown, missing or out of range; the model is a pickle, was changed, or holds types that are
        not trusted; the file and the key are named.
    """
    if not folder.is_dir():
        raise MissingInputError("no such signature folder", where=folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise MissingInputError(f"{name} is not there", where=folder, remedy="train the signature again")
    contents = {name: (folder / name).read_bytes() for name in FILES}
    if sum(map(len, contents.values())) > LARGEST_BYTES:
        raise ConfigurationError(f"larger than {LARGEST_BYTES} bytes", where=folder)
    keys = _read_keys(folder / "signature.toml", contents["signature.toml"])
    toml = folder / "signature.toml"
    if keys.feature_set not in NAMES:
        raise ConfigurationError(
            f"key 'feature_set': {keys.feature_set!r} is not known here",
            where=toml,
            remedy=f"use one of {', '.join(NAMES)}",
        )
    model = load_model(folder / "model.skops")
    if hashlib.sha256(contents["model.skops"]).hexdigest() != keys.model_sha256:
        raise ConfigurationError(
            "key 'model_sha256' does not agree with model.skops: one of them was changed", where=toml
        )
    _check_model(keys, model, toml)
    return Signature(
        name=keys.name,
        version=keys.version,
        description=keys.description,
        labels=tuple(keys.labels),
        sublabels=tuple(keys.sublabels),
        unclear=tuple(keys.unclear),
        gate_db=keys.gate_db,
        threshold=keys.threshold,
        opening=keys.threshold if keys.opening is None else keys.opening,
        minimum_duration_s=keys.minimum_duration_s,
        behaviours=tuple(keys.behaviours),
        hours=tuple(keys.hours),
        budget_per_day=keys.budget_per_day,
        vetoes=tuple(Veto(veto.label, veto.margin) for veto in keys.vetoes),
        sha256=content_sha256(contents),
        feature_set=keys.feature_set,
        classes=model.classes,
        model=model,
        folder=folder,
    )


def content_sha256(contents: dict[str, bytes]) -> str:
    """Hash a signature's files: SHA-256 over one line ``<sha256>  <name>`` for each, sorted by name.

    The same as ``sha256sum card.md model.skops signature.toml | sha256sum`` in the folder.

    Examples
    --------
    >>> content_sha256({"a": b""})[:16]
    'fba1930570cf2d33'
    """
    lines = [f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def signature_folders() -> list[Path]:
    """Return the folders of the signatures that come with noisewatch, sorted by name."""
    package = Path(__file__).resolve().parents[1]
    for root in (package.parent / "signatures", package / "share" / "signatures"):
        if root.is_dir():
            return sorted(entry for entry in root.iterdir() if (entry / "signature.toml").is_file())
    return []


def find_signature(name_or_folder: str) -> Path:
    """Return the folder of a signature, by its name or path.

    Raises
    ------
    MissingInputError
        There is neither such a folder nor such a name.
    """
    for folder in signature_folders():
        if folder.name == name_or_folder:
            return folder
    folder = Path(name_or_folder)
    if folder.is_dir():
        return folder
    known = ", ".join(entry.name for entry in signature_folders()) or "none"
    raise MissingInputError(f"there is no signature {name_or_folder!r}", remedy=f"known: {known}")


def read_wish_keys(path: Path) -> WishKeys:
    """Read the keys that a person writes; what an earlier training wrote beside them is passed over.

    Raises
    ------
    ConfigurationError
        A key is unknown, missing or out of range.
    """
    found = _toml(path, path.read_bytes())
    by_training = set(_SignatureKeys.model_fields) - set(WishKeys.model_fields)
    return _checked(WishKeys, {key: item for key, item in found.items() if key not in by_training}, path)


def _read_keys(path: Path, content: bytes) -> _SignatureKeys:
    keys = _checked(_SignatureKeys, _toml(path, content), path)
    if keys.opening is not None and keys.opening > keys.threshold:
        raise ConfigurationError(
            "key 'opening': above the threshold",
            where=path,
            remedy="a window opens more easily than an event",
        )
    return keys


def _toml(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"not TOML ({error})", where=path) from error


def _checked(kind: type[_Keys], found: Mapping[str, Any], path: Path) -> _Keys:
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        # an unknown key explains a missing one, so it comes first
        first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(kind.model_fields)
            raise ConfigurationError(f"unknown key {key!r}", where=path, remedy=f"known: {known}") from error
        raise ConfigurationError(f"key {key!r}: {first['msg']}", where=path) from error


def _check_model(keys: _SignatureKeys, model: Model, path: Path) -> None:
    if model.feature_set != keys.feature_set:
        raise ConfigurationError(
            f"key 'feature_set': the model needs {model.feature_set!r}, not {keys.feature_set!r}", where=path
        )
    if model.mean.size != width_of(keys.feature_set):
        raise ConfigurationError(
            "the model was trained on other features", where=path, remedy="train it again"
        )
    for index, veto in enumerate(keys.vetoes):
        if veto.label not in model.classes[1:]:
            others = ", ".join(model.classes[1:])
            raise ConfigurationError(
                f"key 'vetoes.{index}.label': {veto.label!r} is no competing class of the model",
                where=path,
                remedy=f"choose from {others}",
            )
