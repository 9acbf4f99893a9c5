"""What MongoDB's driver says, in sentences that name the next action and never the password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from shared.errors import TestamurError, TooLarge
from shared.store.port import StoreUnavailable

CLOSED = "It was closed; start this service again."
UNKNOWN = "MongoDB did not say whether it kept this. Repeat the request as it was: with the same key nothing is done twice."
REFUSED = (
    "MongoDB refused to write this, and another version of this service may be at work on it. See its log, then repeat."
)

_UNREACHABLE = "MongoDB does not answer, or has no primary. See that it runs and that TESTAMUR_STORE names it, then repeat."
_REFUSED_USER = "MongoDB refused the name or password in TESTAMUR_STORE. Correct them, or name their database by authSource."
_RIGHTS = "The user in TESTAMUR_STORE may not do this. Grant it readWrite on the databases of this node, then repeat."
_BUSY = "Other processes write to this store all the time; repeat the request."
_TOO_LARGE = "MongoDB cannot take so much in one transaction; send less at once."

TOO_LARGE_FOR_CACHE = 388
"""MongoDB's code for a transaction that its cache had no room for; said of the whole command, or of one operation in it."""

_AUTHENTICATION_FAILED, _UNAUTHORISED = 18, 13


def worded(error: PyMongoError) -> TestamurError:
    """The error of ours that an error of the driver's becomes."""
    if isinstance(error, OperationFailure):
        return _answered(error)
    if isinstance(error, ConnectionFailure):
        return StoreUnavailable(_UNREACHABLE)
    return StoreUnavailable(REFUSED)


def _answered(error: OperationFailure) -> TestamurError:
    if error.code == _AUTHENTICATION_FAILED:
        return StoreUnavailable(_REFUSED_USER)
    if error.code == _UNAUTHORISED:
        return StoreUnavailable(_RIGHTS)
    if error.code == TOO_LARGE_FOR_CACHE:
        return TooLarge(_TOO_LARGE)
    return StoreUnavailable(_BUSY if is_transient(error) else REFUSED)


def is_transient(error: PyMongoError) -> bool:
    """Whether a transaction that met this error is surely not kept, and may be run again."""
    return error.has_error_label("TransientTransactionError") or isinstance(error, ConnectionFailure) or is_too_large(error)


def is_too_large(error: PyMongoError) -> bool:
    """Whether the server's cache had no room for a transaction: it is lost, and may fit later, or in parts."""
    return isinstance(error, OperationFailure) and error.code == TOO_LARGE_FOR_CACHE


@contextmanager
def in_words() -> Iterator[None]:
    """Whatever the driver raises in here comes out as an error of ours."""
    try:
        yield
    except PyMongoError as error:
        raise worded(error) from error
