"""Logs: one structured line an event, on standard error, so that standard output stays a program's answer.

- JSON lines by default; coloured text where a person reads along (a terminal). `TESTAMUR_LOG_FORMAT` decides otherwise.
- Each line carries level, time, service and node, and inside a span its trace id.
- What libraries log through the standard library takes the same way, from `warning` on.
- A line holds no personal data and nothing that a caller sent: names of things and counts only.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from shared.telemetry.acting import labels
from shared.telemetry.traces import current_trace_id

Logger = FilteringBoundLogger
"""What `get_logger` returns: `log.info("entry sequenced", seq=7)`."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, style: str) -> None:
    """Write lines of `level` and above as `json`, `console`, or `auto` for whichever suits where they go."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    common: list[Processor] = [_who, structlog.stdlib.add_log_level, structlog.processors.TimeStamper("iso", utc=True)]
    ending = _console() if console else _json()
    structlog.configure(
        processors=[*common, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,  # standard error may be redirected after this
    )
    _route_standard_library(common, ending)


def get_logger(name: str) -> Logger:
    """A logger whose lines are named after a part of the product: `get_logger("registry.sequencer")`."""
    if not structlog.is_configured():
        configure("warning", "auto")
    return cast("Logger", structlog.get_logger(part=name))


def _who(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.update(labels())
    if trace_id := current_trace_id():
        event["trace_id"] = trace_id
    return event


def _json() -> list[Processor]:
    # without local variables: they hold keys and people
    plain = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    return [plain, structlog.processors.JSONRenderer(_dumps)]


def _console() -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _dumps(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class _Standard(logging.Handler):
    """Hands the standard library's records on; finds standard error anew for each, as our own lines do."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)  # noqa: T201 - this is where log lines end


def _route_standard_library(common: list[Processor], ending: list[Processor]) -> None:
    handler = _Standard(logging.WARNING)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name, structlog.processors.format_exc_info],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(one for one in root.handlers if not isinstance(one, _Standard)), handler]
