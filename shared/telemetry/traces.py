"""Traces: spans made by hand, and the context that carries a trace across the bus and the border.

- Automatic instrumentation halves the throughput, so a span stands where somebody will look for it, and nowhere else.
- Spans are exported where `OTEL_EXPORTER_OTLP_ENDPOINT` says, if the OTLP exporter is installed (the extra `production`).
  Otherwise they are not recorded and still carry a trace id, so that log lines here and abroad can be laid side by side.
- `traceparent` (W3C Trace Context, 3.2) is unsigned: a malformed one is as good as none, and only observability uses it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags, Tracer

from shared.telemetry.acting import labels

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_EXPORTER = "opentelemetry.exporter.otlp.proto.http"
_FLUSH_MILLIS = 3_000


def configure() -> None:
    """Make the provider of this process. It stays ours: a library that found it would begin to trace by itself."""
    _provider()


def flush() -> None:
    """Export what still waits."""
    _provider().force_flush(_FLUSH_MILLIS)


@contextmanager
def span(name: str, **attributes: str | float | bool) -> Iterator[Span]:
    """A unit of work with a name; spans inside it become its children. Attributes hold no personal data."""
    with _tracer().start_as_current_span(name, attributes={**labels(), **attributes}) as started:
        yield started


def current_traceparent() -> str:
    """The present span as a `traceparent` header, or an empty string outside any."""
    present = trace.get_current_span().get_span_context()
    if not present.is_valid:
        return ""
    return f"00-{present.trace_id:032x}-{present.span_id:016x}-{present.trace_flags & TraceFlags.SAMPLED:02x}"


def current_trace_id() -> str:
    """The present trace's id in hex, or an empty string outside any."""
    present = trace.get_current_span().get_span_context()
    return f"{present.trace_id:032x}" if present.is_valid else ""


@contextmanager
def continue_from(traceparent: str) -> Iterator[None]:
    """Let spans inside belong to the trace that somebody else began; a malformed value changes nothing."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        yield
        return
    flags = TraceFlags(int(match[3], 16) & TraceFlags.SAMPLED)
    remote = SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=flags)
    token = otel_context.attach(trace.set_span_in_context(NonRecordingSpan(remote)))
    try:
        yield
    finally:
        otel_context.detach(token)


@cache
def _provider() -> TracerProvider:
    """With an exporter, sampling is as OTEL_TRACES_SAMPLER says (all, by default); without one nothing is recorded."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or not _installed(_EXPORTER):
        return TracerProvider(sampler=ALWAYS_OFF)
    provider = TracerProvider(resource=Resource.create({"service.namespace": "testamur"}))
    exporter = import_module(f"{_EXPORTER}.trace_exporter").OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


@cache
def _tracer() -> Tracer:
    return _provider().get_tracer("testamur")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
