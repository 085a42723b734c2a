"""``node.toml``: every key commented, validated once, unknown keys refused by name.

The comments in the file are the descriptions of the fields below, so that the two cannot drift apart.
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from noisewatch.errors import ConfigurationError, MissingInputError
from noisewatch.node.section import (
    AlertsSection,
    MetricsSection,
    PeriodSection,
    Section,
    SiteSection,
    TelemetrySection,
    toml_value,
)

#: A configuration is a page of text; anything far larger is a mistake or an attack.
MAXIMUM_BYTES = 256 * 1024

Point = tuple[Annotated[float, Field(ge=0.0, le=1.0)], Annotated[float, Field(ge=0.0, le=1.0)]]


class AudioSection(Section):
    """The microphone."""

    source: str = Field(
        "",
        max_length=4096,
        description="Sound source when `run` gets no --audio: a file, "
        '"device:NAME", or empty for the sound of the video.',
    )
    rate_hz: int = Field(
        48000, ge=8000, le=192000, description="Sample rate asked of a live microphone, in hertz."
    )
    channels: int = Field(
        1, ge=1, le=8, description="Channels asked of a live microphone; the first one measures."
    )
    positions_m: tuple[tuple[float, float, float], ...] = Field(
        (),
        max_length=8,
        description="Places of the microphones as [x, y, z] in metres, one per channel: x along the road to "
        "the right as seen from the box, y towards the road, z up. With two or more the sound's direction "
        "helps to tell vehicles apart.",
    )
    ring_s: float = Field(60.0, ge=20, le=300, description="Seconds of sound and picture held in memory.")


class VideoSection(Section):
    """The camera."""

    source: str = Field(
        "",
        max_length=4096,
        description='Picture source when `run` gets no --video: a file, "rtsp://…" or "/dev/videoN".',
    )
    credentials_file: str = Field(
        "",
        max_length=4096,
        description='File with the camera\'s login, one line "user:password", readable by its owner only; '
        "relative to this folder. Never write a login into the address.",
    )
    camera_clock: bool = Field(
        default=True,
        description="Place pictures by the camera's own clock (RTCP sender reports) where it tells one that "
        "can be believed; false: by time of arrival. The camera's clock must then be kept by NTP.",
    )
    lens_angle_deg: float | None = Field(
        None,
        gt=1,
        lt=180,
        description="Horizontal angle of the lens in degrees; with the lane's distance it tells how many "
        "pixels a plate is wide.",
    )
    pan_deg: float = Field(
        0.0,
        ge=-80,
        le=80,
        description="How far to the right of straight across the road the camera looks, in degrees; it tells "
        "when a vehicle is in front of the microphone.",
    )
    picture_width_m: float | None = Field(
        None,
        gt=0.5,
        le=200,
        description="Width of the street that the picture shows at the lane, in metres, where measured; "
        "counts before lens_angle_deg.",
    )
    minimum_frames_share: float = Field(
        0.95, ge=0, le=1, description="A clip with a smaller share of its frames is not evidence."
    )
    carriageway: tuple[Point, ...] = Field(
        (),
        description="Polygon of the carriageway as [x, y] shares of the picture, from the top left. "
        "Outside it nothing is recorded; without it a node records no picture "
        "(a trial node: the whole picture).",
    )

    @field_validator("source")
    @classmethod
    def _holds_no_login(cls, source: str) -> str:
        if "://" in source and "@" in source.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError("holds a login; write it into a file and name that in video.credentials_file")
        return source

    @field_validator("carriageway")
    @classmethod
    def _has_an_area(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        if points and len(points) < 3:
            raise ValueError("a polygon needs at least three points")
        return points


class TriggerSection(Section):
    """When an event opens, and how many."""

    signatures: tuple[str, ...] = Field(
        ("exhaust",),
        min_length=1,
        max_length=16,
        description="Signatures that may open an event: names, or folders.",
    )
    gate_db: float | None = Field(
        None,
        ge=30,
        le=140,
        description="LAFmax from which a match counts, in dB; default: the signature's own gate.",
    )
    merge_gap_s: float = Field(
        3.0,
        ge=0.5,
        le=30,
        description="Matches that lie closer together than this are one event, in seconds.",
    )
    cooldown_s: float = Field(
        2.0, ge=0, le=3600, description="Pause after an event before the next may open, in seconds."
    )
    longest_event_s: float = Field(
        30.0, ge=5, le=120, description="An event is closed after this time, even if it goes on, in seconds."
    )
    time_zone: str = Field(
        "Europe/Brussels",
        pattern=r"^[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+)*$",
        max_length=60,
        description="Time zone of hours and periods; summer time is followed.",
    )
    holidays: tuple[date, ...] = Field(
        (), max_length=400, description='Holidays by local date, as ["2026-12-25"]; see periods.'
    )
    periods: tuple[PeriodSection, ...] = Field(
        (),
        max_length=50,
        description='Times with a gate of their own, the first that holds counts: [{name = "night", '
        'gate_db = 75.0, hours = ["22:00-06:00"], weekdays = [], holidays = "also"}].',
    )
    budget_per_day: int | None = Field(
        None,
        ge=0,
        le=10000,
        description="Events a day that may be sealed; default: the signature's own budget.",
    )


class CalibrationSection(Section):
    """When a reading may stand as evidence."""

    allow_uncalibrated: bool = Field(
        default=False,
        description='Seal without a valid calibration; every record and package then says "indicative".',
    )
    maximum_age_days: float = Field(
        7.0, gt=0, le=365, description="A calibration older than this is stale, in days."
    )
    maximum_drift_db: float = Field(
        0.5, gt=0, le=5, description="A check that drifted by more than this is not valid, in dB."
    )
    sync_maximum_age_days: float = Field(
        30.0, gt=0, le=365, description="A measured audio-video offset older than this is stale, in days."
    )
    flash_hour: int | None = Field(
        None,
        ge=0,
        le=23,
        description="Hour of the night in which the run looks for a minute at a lamp that flashes and beeps, "
        "and notes what error is left between sound and picture; default: there is no such lamp.",
    )
    flash_distance_m: float = Field(
        1.0, ge=0, le=50, description="Distance from that lamp's buzzer to the microphone, in metres."
    )
    allow_unsynchronised: bool = Field(
        default=False,
        description="Let a live event stand as evidence without a valid audio-video offset; "
        "its record says so.",
    )
    microphone_class: int = Field(
        2,
        ge=1,
        le=2,
        description="Class of the microphone by its data sheet (1 or 2); decides the uncertainty.",
    )
    accepted_flags: tuple[Literal["overload", "clipped", "under-range", "dc", "wind", "rain"], ...] = Field(
        (),
        description="Flags of the sound under which an event may still stand as evidence; none by default.",
    )
    windscreen: bool = Field(default=True, description="Whether a windscreen is mounted.")


class RetentionSection(Section):
    """How long anything lives. It can be shortened here, never lengthened."""

    maximum_days: int = Field(
        30,
        ge=1,
        le=30,
        description="Days after which a day's clips end; never later than one calendar month.",
    )
    minutes_days: int = Field(
        400,
        ge=1,
        le=800,
        description="Days after which the one-minute levels of a day end; they hold no sound.",
    )


class MemorySection(Section):
    """What keeps sound and picture that match nothing in memory."""

    lock: bool = Field(
        default=True, description="Lock the program's memory, so that no page of it is swapped out."
    )
    allow_plain_swap: bool = Field(
        default=False,
        description="Run beside swap that is neither encrypted nor zram; every start then warns.",
    )


class NodeConfig(Section):
    """A node's whole configuration."""

    version: int = Field(1, ge=1, le=1, description="Version of this file's form.")
    name: str = Field(
        "node", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Name of the node: a-z, 0-9 and hyphens."
    )
    site: SiteSection = Field(
        default_factory=SiteSection, description="Where the box hangs; part of every event."
    )
    audio: AudioSection = Field(default_factory=AudioSection, description="The microphone.")
    video: VideoSection = Field(default_factory=VideoSection, description="The camera.")
    trigger: TriggerSection = Field(
        default_factory=TriggerSection, description="When an event opens, and how many."
    )
    calibration: CalibrationSection = Field(
        default_factory=CalibrationSection, description="When a reading may stand as evidence."
    )
    retention: RetentionSection = Field(
        default_factory=RetentionSection,
        description="How long anything lives. It can be shortened here, never lengthened.",
    )
    memory: MemorySection = Field(
        default_factory=MemorySection,
        description="What keeps sound and picture that match nothing in memory.",
    )
    telemetry: TelemetrySection = Field(
        default_factory=TelemetrySection, description="What is told to a broker; no host: nothing."
    )

    alerts: AlertsSection = Field(
        default_factory=AlertsSection, description="Who is told when the box can't do its work."
    )
    metrics: MetricsSection = Field(
        default_factory=MetricsSection, description="Figures of operation for Prometheus; no sound levels."
    )

    @model_validator(mode="after")
    def _tells_where(self) -> NodeConfig:
        if self.telemetry.host and self.site.position_deg is None:
            raise ValueError("telemetry needs site.position_deg: its notices name a place")
        return self


def load_config(path: Path) -> NodeConfig:
    """Read and validate ``node.toml``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    NodeConfig
        The validated configuration.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigurationError
        If it is not TOML, or a key is unknown or has a wrong value; file and key are named.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        raise MissingInputError(
            "there is no node here", where=path, remedy="make one with: noisewatch init NODE --custody DIR"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot be read ({error.strerror})", where=path) from None
    return parse_config(data, where=path)


def parse_config(data: bytes, *, where: Path) -> NodeConfig:
    """Validate the bytes of a ``node.toml``.

    Examples
    --------
    >>> parse_config(b'name = "genk-1"', where=Path("node.toml")).name
    'genk-1'
    """
    if len(data) > MAXIMUM_BYTES:
        raise ConfigurationError(f"is larger than {MAXIMUM_BYTES} bytes", where=where)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigurationError("is not UTF-8 text", where=where) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"is not valid TOML: {error}", where=where) from None
    except RecursionError:
        raise ConfigurationError("is nested too deeply", where=where) from None
    try:
        return NodeConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(
            _explain(error.errors()[0]), where=where, remedy=_remedy(error.errors()[0])
        ) from None


def render_config(config: NodeConfig) -> str:
    """Return ``config`` as TOML with a comment above every key.

    Examples
    --------
    >>> parse_config(render_config(NodeConfig()).encode(), where=Path("node.toml")) == NodeConfig()
    True
    """
    lines = ["# noisewatch node. Unknown keys are errors; restart the node after a change.", ""]
    _render_section(config, lines, prefix="")
    return "\n".join(lines).rstrip() + "\n"


def _render_section(section: Section, lines: list[str], *, prefix: str) -> None:
    tables: list[tuple[str, Section]] = []
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            tables.append((key, value))
            continue
        lines.append(f"# {field.description}")
        lines.append(f"# {key} =" if value is None else f"{key} = {toml_value(value)}")
    for key, table in tables:
        description = type(section).model_fields[key].description
        lines += ["", f"# {description}", f"[{prefix}{key}]"]
        _render_section(table, lines, prefix=f"{prefix}{key}.")


def _key_of(error: ErrorDetails) -> str:
    return ".".join(str(part) for part in error["loc"])


def _explain(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key '{_key_of(error)}'"
    return f"key '{_key_of(error)}': {error['msg']}"


def _remedy(error: ErrorDetails) -> str:
    if error["type"] != "extra_forbidden":
        return "correct the value or take the line out"
    *path, wrong = [str(part) for part in error["loc"]]
    section: Any = NodeConfig
    for part in path:
        section = section.model_fields[part].annotation
    near = difflib.get_close_matches(wrong, list(section.model_fields), n=1, cutoff=0.5)
    prefix = ".".join([*path, ""]) if path else ""
    return f"did you mean '{prefix}{near[0]}'?" if near else "take the line out"
