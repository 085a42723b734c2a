"""What the sections of ``node.toml`` share: how they are checked and written, and the periods of a street."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A span of local time, over midnight too.
HOURS = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"


#: A mail address without spaces or line breaks; whether it exists only a mail can tell.
ADDRESS = r"^([^@\s,;<>\"]+@[^@\s,;<>\"]+)?$"


class Section(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PeriodSection(Section):
    """A time with a gate of its own: a school zone, a night."""

    name: str = Field(min_length=1, max_length=40, description="As reasons call it.")
    gate_db: float = Field(ge=30, le=140, description="LAFmax from which a match counts then, in dB.")
    hours: tuple[Annotated[str, Field(pattern=HOURS)], ...] = Field(
        (), description="Spans of local time; empty means the whole day."
    )
    weekdays: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        (), description="Days; empty means all. A night belongs to the day on which it began."
    )
    holidays: Literal["also", "only", "never"] = Field(
        "also", description="What holidays have to do with it."
    )


class SiteSection(Section):
    """Where the box hangs; part of every event."""

    name: str = Field(
        "unnamed site", min_length=1, max_length=80, description="Name of the site, as reports print it."
    )
    street: str = Field("", max_length=120, description="Street, without a house number.")
    lane_distance_m: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Distance from the microphone to the middle of the nearest lane, in metres.",
    )
    air_temperature_c: float | None = Field(
        None,
        ge=-40,
        le=60,
        description="Temperature of the air at the site in °C, for how long sound takes from the lane; "
        "default: 15 °C is assumed, and every record says so.",
    )
    position_deg: (
        tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]] | None
    ) = Field(
        None, description="Latitude and longitude in degrees, as [50.9653, 5.5005]; told to the broker only."
    )


class TelemetrySection(Section):
    """A broker of the city (MQTT 5 over TLS); files are relative to the node's folder."""

    host: str = Field(
        "",
        max_length=253,
        pattern=r"^[A-Za-z0-9.:-]*$",
        description="Name of the broker, as its certificate says it; empty: nothing is told to anybody.",
    )
    port: int = Field(8883, ge=1, le=65535, description="Port of the broker; TLS always.")
    topic: str = Field(
        "noisewatch",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        max_length=100,
        description="Topics begin with this and the node's name.",
    )
    authority_file: str = Field(
        "",
        max_length=4096,
        description="Certificates that the broker's must come from (PEM); empty: those of the system.",
    )
    credentials_file: str = Field(
        "",
        max_length=4096,
        description='File with the login, one line "user:password", readable by its owner only.',
    )
    certificate_file: str = Field(
        "", max_length=4096, description="The node's own certificate for the broker (PEM), where it asks one."
    )
    key_file: str = Field(
        "", max_length=4096, description="Key of that certificate (PEM), readable by its owner only."
    )
    heartbeat_s: float = Field(60.0, ge=5, le=3600, description="Time between signs of life, in seconds.")
    maximum_waiting: int = Field(
        5000,
        ge=100,
        le=100_000,
        description="Notices that wait in memory while the broker is away; then the oldest hours go, "
        "then the oldest events.",
    )


class AlertsSection(Section):
    """Who is told when the box can't do its work; files are relative to the node's folder."""

    hook: tuple[str, ...] = Field(
        (),
        max_length=20,
        description="Program and arguments that get each alert as JSON on standard input, "
        'as ["/usr/local/bin/tell-us"].',
    )
    mail_host: str = Field("", max_length=253, description="Mail server; empty: no mail.")
    mail_port: int = Field(587, ge=1, le=65535, description="Its port.")
    mail_tls: Literal["starttls", "always"] = Field(
        "starttls", description='"starttls", or "always" from the first byte (port 465).'
    )
    mail_from: str = Field("", max_length=254, pattern=ADDRESS, description="Sender of the mails.")
    mail_to: tuple[Annotated[str, Field(max_length=254, pattern=ADDRESS)], ...] = Field(
        (), max_length=20, description="Who gets them."
    )
    mail_credentials_file: str = Field(
        "", max_length=4096, description='Login, one line "user:password", readable by its owner only.'
    )
    mail_authority_file: str = Field(
        "", max_length=4096, description="Certificates that the server's must come from (PEM)."
    )
    repeat_h: float = Field(
        24.0, ge=1, le=720, description="An alert that stays open is told again after this, in hours."
    )
    flood_per_hour: int = Field(
        30, ge=1, le=10_000, description="More events than this in an hour are an alert: what is loud here?"
    )

    @model_validator(mode="after")
    def _names_people(self) -> AlertsSection:
        if self.mail_host and not (self.mail_from and self.mail_to):
            raise ValueError("mail needs mail_from and mail_to")
        if self.hook and not self.hook[0].startswith("/"):
            raise ValueError("hook needs the whole path of its program")
        return self


class MetricsSection(Section):
    """Figures of operation for Prometheus; no sound levels."""

    port: int = Field(
        0, ge=0, le=65535, description="Port on this machine (127.0.0.1 only); 0: no figures are served."
    )
    textfile: str = Field(
        "",
        max_length=4096,
        description="File for node_exporter's textfile collector, ending in .prom; empty: none.",
    )


def toml_value(value: object) -> str:
    """Return a value as TOML."""
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Section):
        keys = (f"{key} = {toml_value(item)}" for key, item in value)
        return "{" + ", ".join(keys) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    # JSON strings and numbers are TOML strings and numbers
    return json.dumps(value, ensure_ascii=False)
