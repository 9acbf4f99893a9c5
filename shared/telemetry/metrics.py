"""Metrics: OpenTelemetry instruments, read at `/metrics` in the Prometheus text format.

A name is `testamur_<service>_<noun>_<unit>`: `testamur_verifier_check_seconds`. An instrument may be made where its module
is imported; it costs nothing until it first measures. Every combination of label values is kept for good, so a label takes
few values and never an id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from shared.telemetry.acting import labels

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter as OtelCounter
    from opentelemetry.metrics import Histogram as OtelHistogram
    from opentelemetry.metrics import Meter
    from opentelemetry.metrics import _Gauge as OtelGauge

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of what `render` returns."""

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper bounds of a histogram's buckets where the unit is seconds: from half a millisecond to a minute."""

_NAME = re.compile(r"testamur_[a-z]+(_[a-z0-9]+)+")
_REGISTRY = CollectorRegistry()


@dataclass(frozen=True)
class _Instrument:
    name: str
    help: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a metric is named testamur_<service>_<noun>_<unit>, and {self.name} is not")


class Counter(_Instrument):
    """Counts what only grows."""

    def add(self, amount: float = 1, **given: str) -> None:
        """Count `amount` more under these labels and those of whoever acts."""
        self._made.add(amount, {**labels(), **given})

    @cached_property
    def _made(self) -> OtelCounter:
        return _meter().create_counter(self.name, description=self.help)


class Histogram(_Instrument):
    """Shows how a measure is spread; a name that ends in `_seconds` gets the buckets of `SECONDS`."""

    def record(self, value: float, **given: str) -> None:
        """Add one measurement."""
        self._made.record(value, {**labels(), **given})

    @cached_property
    def _made(self) -> OtelHistogram:
        bounds = SECONDS if self.name.endswith("_seconds") else None
        return _meter().create_histogram(self.name, description=self.help, explicit_bucket_boundaries_advisory=bounds)


class Gauge(_Instrument):
    """Shows what is now."""

    def set(self, value: float, **given: str) -> None:
        """Replace the value under these labels."""
        self._made.set(value, {**labels(), **given})

    @cached_property
    def _made(self) -> OtelGauge:
        return _meter().create_gauge(self.name, description=self.help)


def counter(name: str, description: str) -> Counter:
    """A counter of that name; `description` is its help text."""
    return Counter(name, description)


def histogram(name: str, description: str) -> Histogram:
    """A histogram of that name."""
    return Histogram(name, description)


def gauge(name: str, description: str) -> Gauge:
    """A gauge of that name."""
    return Gauge(name, description)


def render() -> bytes:
    """Everything this process has measured."""
    _meter()
    return generate_latest(_REGISTRY)


@cache
def _meter() -> Meter:
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=_REGISTRY)
    return MeterProvider(metric_readers=[reader], shutdown_on_exit=False).get_meter("testamur")
