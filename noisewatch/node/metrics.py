"""Figures of operation for Prometheus: text on loopback, or a file for node_exporter. No sound levels.

The names end in their units (Prometheus' own rules); what was not measured is left out, never given as 0.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from noisewatch import __version__
from noisewatch.errors import ConfigurationError
from noisewatch.node.health import State
from noisewatch.node.section import MetricsSection

#: How often the file is written, in seconds.
TEXTFILE_EVERY_S = 15.0

#: name, help, where it stands in what a run tells, and whether it only ever grows
_FIGURES: tuple[tuple[str, str, tuple[str, ...], bool], ...] = (
    ("noisewatch_uptime_seconds", "Seconds since the run began.", ("uptime_s",), False),
    ("noisewatch_blocks", "Blocks of sound that were processed.", ("blocks",), True),
    ("noisewatch_sound_age_seconds", "Seconds since the last block.", ("sound_age_s",), False),
    ("noisewatch_lost_samples", "Samples that were lost.", ("sound", "lost_samples"), True),
    ("noisewatch_xruns", "Overflows that the sound card told of.", ("sound", "xruns"), True),
    ("noisewatch_sound_stalls", "Times that the microphone stalled.", ("sound", "stalls"), True),
    (
        "noisewatch_sound_reconnects",
        "Times the microphone was opened anew.",
        ("sound", "reconnects"),
        True,
    ),
    ("noisewatch_sound_drift_ppm", "Sample rate against the monotonic clock.", ("sound", "drift_ppm"), False),
    ("noisewatch_frames", "Pictures that arrived.", ("picture", "packets"), True),
    ("noisewatch_camera_connected", "Whether the camera is connected.", ("picture", "is_connected"), False),
    ("noisewatch_camera_failures", "Connections to the camera that failed.", ("picture", "failures"), True),
    ("noisewatch_clock_synchronised", "Whether the clock is kept.", ("clock", "synchronised"), False),
    ("noisewatch_clock_bound_seconds", "Bound of the clock's error.", ("clock", "bound_s"), False),
    ("noisewatch_clock_steps", "Times that the clock was set.", ("clock", "steps"), True),
    ("noisewatch_events", "Events of this run.", ("events",), True),
    ("noisewatch_events_sealed", "Events whose original was sealed.", ("sealed",), True),
    ("noisewatch_clips_waiting", "Clips that wait to be sealed.", ("queue",), False),
    ("noisewatch_clips_late", "Clips for which there was no room.", ("late",), True),
    ("noisewatch_seal_seconds", "How long the last original took to be sealed.", ("seal_s",), False),
    ("noisewatch_past_their_end", "Events that should be gone (retention debt).", ("past_their_end",), False),
    ("noisewatch_calibration_age_days", "Age of the calibration.", ("calibration_age_days",), False),
    ("noisewatch_key_days", "Days for which there are keys.", ("key_days",), False),
    ("noisewatch_disk_free_bytes", "Free bytes where the store lies.", ("free_bytes",), False),
    ("noisewatch_memory_resident_bytes", "Resident memory of the run.", ("resident_bytes",), False),
    ("noisewatch_processor_celsius", "Temperature of the processor.", ("temperature_c",), False),
    ("noisewatch_broker_connected", "Whether the broker is connected.", ("broker", "is_connected"), False),
    ("noisewatch_broker_waiting", "Notices that wait for the broker.", ("broker", "waiting"), False),
    ("noisewatch_broker_refused", "Notices that the broker refused.", ("broker", "refused"), True),
    ("noisewatch_broker_dropped", "Notices given up for want of room.", ("broker", "dropped"), True),
)


def families(told: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield what is known of a run as Prometheus' metric families; pure.

    Examples
    --------
    >>> [family.name for family in families({"events": 3, "sound": {"xruns": None}})]
    ['noisewatch_build', 'noisewatch_events']
    """
    yield InfoMetricFamily("noisewatch_build", "Software that runs.", value={"version": __version__})
    for name, words, path, grows in _FIGURES:
        value = _at(told, path)
        if value is not None:
            family = CounterMetricFamily if grows else GaugeMetricFamily
            yield family(name, words, value=value)
    if "state" in told:
        states = GaugeMetricFamily(
            "noisewatch_state", "Health: 1 for the state that holds.", labels=["state"]
        )
        for state in State:
            states.add_metric([state.value], float(told["state"] == state.value))
        yield states


def _at(told: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = told
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


class _Collector:
    def __init__(self, told: Callable[[], Mapping[str, Any]]) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        yield from families(self._told())


def exposition(told: Mapping[str, Any]) -> bytes:
    """Return the figures as Prometheus reads them (text format 0.0.4)."""
    return generate_latest(_registry(lambda: told))


def _registry(told: Callable[[], Mapping[str, Any]]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(told))
    return registry


class Metrics:
    """Serves or writes the figures while it lasts; a context manager.

    Parameters
    ----------
    settings : MetricsSection
        Port on loopback, or file.
    told : callable
        What the run tells now.
    folder : Path
        The node's folder; the file is relative to it.

    Raises
    ------
    ConfigurationError
        The port is taken, or the file's name does not end in ``.prom``.
    """

    def __init__(
        self, settings: MetricsSection, *, told: Callable[[], Mapping[str, Any]], folder: Path
    ) -> None:
        if settings.textfile and not settings.textfile.endswith(".prom"):
            raise ConfigurationError("must end in .prom", where="metrics.textfile")
        self.failures = 0
        self._settings = settings
        self._registry = _registry(told)
        self._path = folder / settings.textfile if settings.textfile else None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name="metrics", daemon=True)
        self._server: Any = None

    def __enter__(self) -> Metrics:
        """Begin to serve and to write."""
        if self._settings.port:
            try:
                self._server, _ = start_http_server(
                    self._settings.port, addr="127.0.0.1", registry=self._registry
                )
            except OSError as error:
                where = f"metrics.port {self._settings.port}"
                raise ConfigurationError(f"can't be used ({error.strerror})", where=where) from None
        if self._path is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving; take the file away, so that nobody reads old figures as new."""
        self._ending.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._path is not None:
            self._thread.join(timeout=5.0)
            self._path.unlink(missing_ok=True)

    def _write_often(self) -> None:
        while not self._ending.is_set():
            try:
                write_to_textfile(str(self._path), self._registry)
            except OSError:
                self.failures += 1
            self._ending.wait(TEXTFILE_EVERY_S)
