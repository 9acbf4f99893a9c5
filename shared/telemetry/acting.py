"""Who acts: the labels that every log line, span and measurement made in the present context carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_NOBODY: Mapping[str, str] = {}
_acting: ContextVar[Mapping[str, str]] = ContextVar("acting", default=_NOBODY)


def labels() -> Mapping[str, str]:
    """The labels of whoever acts now, `service` and `node`; empty outside any service."""
    return _acting.get()


@contextmanager
def acting_as(**labels: str) -> Iterator[None]:
    """Label everything that is done inside, and every task that is started there."""
    before = _acting.get()
    _acting.set(labels)
    try:
        yield
    finally:
        _acting.set(before)  # not reset: a lifespan may end in another context than it began in
