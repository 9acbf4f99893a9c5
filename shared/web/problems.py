"""Every refusal of the API becomes one problem document (RFC 9457), and none repeats what was sent.

- Our own errors render themselves; the framework's (404, 405, a failed validation) are given the same form.
- `faults` lists what was wrong with a request: `{path, message}`. A path is a JSON Pointer into the body (RFC 6901),
  `?name` for the query, `name:` for a header; a member name that is not shaped like one of ours shows as `*`.
- A malformed path parameter is 404 like any other thing that is not there; a malformed header is 400; the rest is 422.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.errors import Invalid, Malformed, NotFound, TestamurError
from shared.telemetry import current_trace_id, get_logger

MEDIA_TYPE = "application/problem+json"
"""RFC 9457, 3."""

_log = get_logger("web")
_OUR_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_ECHOING = {
    "union_tag_invalid": "This kind is not known here.",
    "uuid_parsing": "Input should be a valid UUID",
    "url_parsing": "Input should be a valid URL",
    "extra_forbidden": "A member here is not known. Leave it out; /openapi.json lists those that are.",
    "model_type": "Input should be a JSON object",
    "model_attributes_type": "Input should be a JSON object",
}
"""Fault types whose own message would repeat part of the input, or name our classes; and what is said instead."""


class MethodNotAllowed(TestamurError):
    """405: the address is right, the method is not."""

    status = 405
    title = "That method is not possible here."


class UnsupportedMediaType(TestamurError):
    """415: the body is not of a type that this address reads."""

    status = 415
    title = "That kind of content is not read here."


class IdempotencyKeyMissing(Malformed):
    """400: a request that makes something came without a usable `Idempotency-Key`."""

    title = "This request needs an Idempotency-Key."


class Unexpected(TestamurError):
    """500: a fault of ours; the log has the rest, under the trace id."""

    title = "Something failed on our side."


_FRAMEWORK: Mapping[int, type[TestamurError]] = {404: NotFound, 405: MethodNotAllowed, 400: Malformed}


class ProblemResponse(Response):
    """An error as its problem document, with its headers and the trace id."""

    media_type = MEDIA_TYPE

    def __init__(self, error: TestamurError, headers: Mapping[str, str] | None = None) -> None:
        document = orjson.dumps(error.document(current_trace_id() or None), default=str)
        super().__init__(document, error.status, {**error.headers(), **(headers or {})})


async def on_testamur_error(_request: Request, error: Exception) -> Response:
    """Our own errors; those that are our fault are logged with their detail, which goes out as well."""
    assert isinstance(error, TestamurError)
    if error.status >= 500:
        _log.warning("request failed", problem=error.slug(), detail=error.detail)
    return ProblemResponse(error)


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """What the framework raises by itself: no such route, no such method."""
    assert isinstance(error, HTTPException)
    family = _FRAMEWORK.get(error.status_code, Malformed if error.status_code < 500 else Unexpected)
    advice = "Check the address and the method against /openapi.json." if error.status_code < 500 else ""
    return ProblemResponse(family(advice), error.headers)


async def on_invalid_request(_request: Request, error: Exception) -> Response:
    """A request that does not fit its route's declared parameters and body."""
    assert isinstance(error, RequestValidationError)
    return ProblemResponse(refusal(error.errors()))


def on_unexpected(error: Exception) -> Response:
    """Whatever nobody foresaw: the log keeps it, the answer says nothing of it."""
    _log.error("unhandled exception", exc_info=error)
    return ProblemResponse(Unexpected("Try again later; if it persists, give the operator the trace id."))


def refusal(errors: Sequence[Mapping[str, Any]]) -> TestamurError:
    """One problem for all the faults that pydantic found, by where they lie."""
    places = {error["loc"][0] for error in errors if error["loc"]}
    if "path" in places:
        return NotFound("Nothing has such an address. Check it against /openapi.json.")
    faults = [{"path": _pointer(error), "message": _message(error)} for error in errors]
    if any(fault["path"] == "idempotency-key:" for fault in faults):
        return IdempotencyKeyMissing("Send 1 to 128 visible ASCII characters, new for each thing that is to be made.")
    if "header" in places:
        return Malformed("A header is missing or malformed. Correct those that `faults` names.", faults=faults)
    return Invalid("Correct what `faults` names and send it again.", faults=faults)


def all_problems() -> Iterable[type[TestamurError]]:
    """Every type of problem that this process can answer with, each once, families before their members."""
    found: dict[type[TestamurError], None] = {}
    waiting = [TestamurError]
    while waiting:
        children = waiting.pop(0).__subclasses__()
        waiting += [child for child in children if child not in found]
        found.update(dict.fromkeys(children))
    return found


def _pointer(error: Mapping[str, Any]) -> str:
    place, *rest = error["loc"] or ("body",)
    if place == "header":
        return ".".join(map(str, rest)).lower() + ":"  # names that the route declares
    steps = [str(step) if isinstance(step, int) or _OUR_NAME.fullmatch(step) else "*" for step in rest]
    if error["type"] == "extra_forbidden":
        steps[-1:] = ["*"]
    if place == "body":
        return "".join(f"/{step}" for step in steps)
    return "?" + ".".join(steps)


def _message(error: Mapping[str, Any]) -> str:
    return _ECHOING.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")


class Schema:
    """How problems stand in the API documents."""

    NAME: ClassVar[str] = "Problem"
    DOCUMENTED: ClassVar[tuple[int, ...]] = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
    """What any operation may answer; a route adds others with `problem_responses`."""
    BODY: ClassVar[dict[str, Any]] = {
        "type": "object",
        "title": "Problem",
        "description": "A problem document (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "description": "Names the type of problem; stable."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened this time, and what to do next."},
            "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "faults": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["path", "message"],
                    "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    }


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these problems."""
    by_status = {error.status: error.title for error in reversed([*all_problems()]) if error.__module__ == "shared.errors"}
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Schema.NAME}"}}}
    return {status: {"description": by_status.get(status, "A problem."), "content": content} for status in statuses}
