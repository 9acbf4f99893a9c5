"""The one tree of errors: each is a sentence, and becomes one RFC 9457 problem document.

Rules
- A class is a *type* of problem: its name gives the slug (`CredentialAlreadyRevoked` -> `credential-already-revoked`), its
  `status` the HTTP status (RFC 9110), its `title` the sentence that is the same every time (RFC 9457, 3.1.3).
- `detail` speaks of this occurrence and ends with the next action. It never repeats what was sent.
- Services add their own nouns by subclassing the family that fits; nobody raises a bare `Exception` at a user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

PROBLEM_BASE = "/problems/"
"""Problem types are relative references, so each node serves its own explanation of them (RFC 9457, 3.1.1)."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class TestamurError(Exception):
    """The root of the tree. `detail` says what happened and what to do next; `members` are extra problem members."""

    __test__ = False  # the name begins like a test's; pytest must not collect it

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed on our side."

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.members = members

    @classmethod
    def slug(cls) -> str:
        """The stable name of this type of problem, in kebab case."""
        return _WORD.sub("-", cls.__name__).lower()

    def document(self, trace_id: str | None = None) -> dict[str, Any]:
        """Render as a problem document (RFC 9457, section 3): type, title, status, detail, then our own members."""
        body: dict[str, Any] = {
            "type": PROBLEM_BASE + self.slug(),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        if trace_id:
            body["trace_id"] = trace_id
        return body

    def headers(self) -> Mapping[str, str]:
        """HTTP headers that go with the answer, such as `Retry-After`; none by default."""
        return {}


class Malformed(TestamurError):
    """400: the bytes are not what they claim to be: not JSON, not a token, not within limits of form."""

    status = 400
    title = "What was sent could not be read."


class Invalid(TestamurError):
    """422: it could be read, and breaks a rule. `faults` lists each one with its path."""

    status = 422
    title = "What was sent breaks a rule."


class TooLarge(TestamurError):
    """413: more bytes than this service takes."""

    status = 413
    title = "What was sent is larger than this service takes."


class Unauthenticated(TestamurError):
    """401: no token, or one that does not hold."""

    status = 401
    title = "A valid access token is needed."

    def headers(self) -> Mapping[str, str]:
        """The challenge that RFC 6750, section 3 asks for."""
        return {"WWW-Authenticate": 'Bearer error="invalid_token"' if self.members else "Bearer"}


class Forbidden(TestamurError):
    """403: known, and not allowed."""

    status = 403
    title = "This token does not allow that."


class NotFound(TestamurError):
    """404: not there, or not yours; the two are never told apart."""

    status = 404
    title = "There is no such thing here."


class Conflict(TestamurError):
    """409: the thing is in a state that does not allow this."""

    status = 409
    title = "The present state does not allow that."


class PreconditionFailed(TestamurError):
    """412: somebody changed it since you read it (RFC 9110, 13.1.1)."""

    status = 412
    title = "It has changed since you read it."


class TooManyRequests(TestamurError):
    """429: the caller's budget is used up; `retry_after` seconds until the next one (RFC 6585)."""

    status = 429
    title = "Too many requests."

    def headers(self) -> Mapping[str, str]:
        """`Retry-After` in whole seconds."""
        return {"Retry-After": str(self.members.get("retry_after", 1))}


class Unavailable(TestamurError):
    """503: a part we depend on does not answer; the request may be repeated unchanged."""

    status = 503
    title = "A part of this node is not available right now."

    def headers(self) -> Mapping[str, str]:
        """`Retry-After` in whole seconds."""
        return {"Retry-After": str(self.members.get("retry_after", 2))}


class Misconfigured(TestamurError):
    """500: a setting or a file of this installation is wrong; the detail names it and the command that mends it."""

    title = "This installation is not set up right."
