"""Logs, traces and metrics: switched on once in a process, labelled by service and node.

Several nodes may live in one process (the demo, the embedded node): which one acts is known from the context that
`Telemetry.active` sets, and everything done inside it is labelled so.

Read in this order: `acting` (who acts), `traces`, `metrics`, `logs`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from shared.settings import NodeSettings
from shared.telemetry import acting, logs, metrics, traces
from shared.telemetry.logs import Logger, get_logger
from shared.telemetry.metrics import METRICS_TYPE, Counter, Gauge, Histogram, counter, gauge, histogram
from shared.telemetry.traces import continue_from, current_trace_id, current_traceparent, span

__all__ = [
    "METRICS_TYPE",
    "Counter",
    "Gauge",
    "Histogram",
    "Logger",
    "Telemetry",
    "continue_from",
    "counter",
    "current_trace_id",
    "current_traceparent",
    "gauge",
    "get_logger",
    "histogram",
    "setup",
    "span",
]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One service of one node, as logs, traces and metrics name it."""

    service: str
    node: str

    def active(self) -> AbstractContextManager[None]:
        """Everything done inside, and every task started there, is labelled with this service and node."""
        return acting.acting_as(service=self.service, node=self.node)

    def metrics(self) -> bytes:
        """What the whole process has counted, in the Prometheus text format (`METRICS_TYPE`)."""
        return metrics.render()

    def flush(self) -> None:
        """Hand over the spans that still wait to be exported; blocks for a few seconds at most."""
        traces.flush()


def setup(service: str, node: str, settings: NodeSettings) -> Telemetry:
    """Switch logs and traces on (repeating it is harmless; the latest log settings count), and name this service."""
    logs.configure(settings.log_level, settings.log_format)
    traces.configure()
    return Telemetry(service, node)
