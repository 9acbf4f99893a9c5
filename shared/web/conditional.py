"""Conditional requests (RFC 9110, 13): an entity tag is the version of a stored document, `"3"`.

- Tags are strong (8.8.1). `If-Match` guards a change against one that came in between (13.1.1): 412.
- `If-None-Match` saves an answer that the caller has already (13.1.2): 304 without a body.
"""

from __future__ import annotations

import re

from fastapi import Request, Response

from shared.errors import Malformed, PreconditionFailed

_VERSION = re.compile(r'"([1-9][0-9]{0,14})"')
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e]*")')


class IfMatchMalformed(Malformed):
    """400: `If-Match` is not one entity tag of ours."""

    title = "If-Match could not be read."


def etag(version: int) -> str:
    """The entity tag of a document's version."""
    return f'"{version}"'


def if_match(request: Request) -> int | None:
    """The version that the caller saw, or None where it does not care (no header, or `*`)."""
    given = request.headers.get("if-match", "*").strip()
    if given == "*":
        return None
    match = _VERSION.fullmatch(given)
    if match is None:
        raise IfMatchMalformed('Send the ETag as it was answered, such as "3".')
    return int(match[1])


def require_match(expected: int | None, version: int) -> None:
    """Raise `PreconditionFailed` when the caller saw another version than the present one."""
    if expected is not None and expected != version:
        raise PreconditionFailed("Read it again, and decide anew whether to change it.")


def not_modified(request: Request, tag: str) -> Response | None:
    """The 304 answer when the caller has `tag` already (compared weakly, RFC 9110, 8.8.3.2); otherwise None."""
    given = request.headers.get("if-none-match")
    if given is None:
        return None
    if given.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(given):
        return Response(status_code=304, headers={"ETag": tag})
    return None
