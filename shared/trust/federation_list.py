"""The federation list: which nodes there are, by which offline root keys, signed by the anchors. Pure.

- Written as JWS General JSON Serialization (RFC 7515, 7.2.1). Each signature is joined with the payload to a compact token
  of type `testamur-federation+jwt` and passes the one gate; a list counts when enough *pinned* anchors signed it (m of n).
- The anchors that count are those the reader has pinned, never those the list brings. How many of them must have signed is
  the most of three: what is pinned, what the list in use asks for, what the new list itself asks for. So a stolen anchor
  alone lowers nothing, and a federation lowers its threshold by a list that the old one suffices for.
- Versions rise: a list that is older than the one in use is refused, and so is a different one of the same version: two of
  one version are two histories. A list dated ahead of our clock is not taken.
- Past its expiry it warns for 14 days, then makes verdicts `indeterminate`, never `invalid`: one missed ceremony must not
  switch Europe off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from shared.clock import MAX_SKEW
from shared.errors import Invalid, Malformed, Misconfigured
from shared.events.entry import digest
from shared.jose import gate, purpose, strict_json
from shared.jose.keys import VerificationKey
from shared.jose.refusals import TokenRefused
from shared.jose.signers import Signer, sign
from shared.jose.strict_json import NotStrictJson
from shared.trust.nodes import FederationList
from shared.trust.pinned import Pinned

GRACE = timedelta(days=14)
"""How long an expired list still serves, with a warning."""

MAX_LIST_BYTES = 1024 * 1024
"""The longest list we read; a node takes about one kilobyte."""

MAX_SIGNATURES = 32
"""The most signatures we look at."""


class FederationListMalformed(Malformed):
    """The bytes are not a federation list."""

    title = "The federation list could not be read."


class FederationListRefused(Invalid):
    """A list that too few of the pinned anchors signed, of another federation, or dated ahead of our clock."""

    title = "The federation list is not taken."


class FederationListOlder(FederationListRefused):
    """A list of a lower version than the one in use."""

    title = "The federation list is older than the one in use here."


class FederationListContradicts(FederationListRefused):
    """A list of the version that is in use, which says something else."""

    title = "Two federation lists have the same version."


class ListState(Enum):
    """Whether the list may be used at a moment."""

    CURRENT = "current"
    GRACE = "grace"
    """Expired for less than 14 days: it serves, with a warning."""
    EXPIRED = "expired"
    """It makes nothing invalid, and nothing valid."""


class RememberedList(NamedTuple):
    """What is remembered of the newest list that was in use: the next one is measured by it. Version 0: none was."""

    version: int = 0
    threshold: int = 1
    digest: str = ""
    """SHA-256 of its payload; empty where only the version was remembered."""


NO_LIST = RememberedList()
"""None was in use yet."""


class Taken(NamedTuple):
    """A list that is to be believed, and what is to be remembered of it."""

    list: FederationList
    remembered: RememberedList


def sign_list(federation: FederationList, signers: Iterable[Signer]) -> bytes:
    """The list with each anchor's signature, in JSON; raises `Misconfigured` when they are fewer than its threshold."""
    payload = federation.model_dump_json(exclude_none=True).encode()
    tokens = [sign({"typ": purpose.FEDERATION_LIST}, payload, signer).decode().split(".") for signer in signers]
    if len(tokens) < federation.threshold:
        raise Misconfigured(f"The list needs {federation.threshold} anchors to sign it. Bring the others' keys.")
    signatures = [{"protected": protected, "signature": signature} for protected, _, signature in tokens]
    return orjson.dumps({"payload": tokens[0][1], "signatures": signatures}, option=orjson.OPT_INDENT_2)


def verify(
    raw: bytes,
    *,
    pinned: Pinned,
    now: datetime,
    remembered: RememberedList = NO_LIST,
    federation: str | None = None,
) -> Taken:
    """The list behind `raw`, when it is to be believed; raises a `FederationListMalformed` or a `FederationListRefused`.

    `pinned` says whose signatures count and how many there must be at least, `remembered` which list was taken before (by
    default none), `federation` the name it must carry.
    """
    believed = _believed(_parts(raw), pinned.anchors)
    if not believed:
        raise FederationListRefused("No anchor that is pinned here signed it. Check where it came from.")
    payload = next(iter(believed.values()))
    listed = _list(payload)
    here = RememberedList(listed.version, listed.threshold, digest(payload))
    if len(believed) < max(pinned.threshold, remembered.threshold, listed.threshold):
        raise FederationListRefused("Too few of the anchors that are pinned here signed it. Ask for the finished list.")
    if federation is not None and listed.federation != federation:
        raise FederationListRefused("It is the list of another federation. Fetch the list of this one.")
    if listed.version < remembered.version:
        raise FederationListOlder("A newer list was taken before. Fetch the newest one.")
    if here.version == remembered.version and remembered.digest not in ("", here.digest):
        raise FederationListContradicts(
            "A different one of this version was taken before. Ask the anchors which one they mean."
        )
    if listed.issued > now + MAX_SKEW:
        raise FederationListRefused("It is dated ahead of this clock. Check the clock, or wait.")
    return Taken(listed, here)


def list_state(federation: FederationList, now: datetime) -> ListState:
    """Whether the list is current, in its grace period, or expired at `now`."""
    if now < federation.expires:
        return ListState.CURRENT
    return ListState.GRACE if now < federation.expires + GRACE else ListState.EXPIRED


def _parts(raw: bytes) -> list[str]:
    """Each signature joined with the payload to a compact token (RFC 7515, 7.2.1)."""
    if len(raw) > MAX_LIST_BYTES:
        raise FederationListMalformed("It is over a megabyte. Fetch the list itself and nothing else.")
    try:
        members: Any = strict_json.loads(raw)
        payload, signatures = members["payload"], members["signatures"]
        tokens = [f"{item['protected']}.{payload}.{item['signature']}" for item in signatures[:MAX_SIGNATURES]]
    except (KeyError, TypeError, NotStrictJson):
        raise FederationListMalformed("It has no payload and signatures (RFC 7515, 7.2.1). Fetch the signed list.") from None
    return tokens


def _believed(tokens: Iterable[str], anchors: Mapping[str, VerificationKey]) -> dict[str, bytes]:
    """The payload by each pinned anchor that signed it; a signature that does not hold counts for nothing."""
    believed: dict[str, bytes] = {}
    for raw in tokens:
        try:
            token = gate.check(
                raw, typ=purpose.FEDERATION_LIST, keys=lambda header: anchors.get(header["kid"]), max_bytes=MAX_LIST_BYTES
            )
        except TokenRefused:
            continue
        believed[token.kid] = token.payload
    return believed


def _list(payload: bytes) -> FederationList:
    try:
        strict_json.loads(payload)
        return FederationList.model_validate_json(payload)
    except NotStrictJson as error:
        raise FederationListMalformed(error.detail) from None
    except ValidationError as error:
        places = ", ".join(sorted({str(fault["loc"][0]) if fault["loc"] else "the whole" for fault in error.errors()}))
        raise FederationListMalformed(f"It is wrong in: {places}. Sign a corrected list.") from None
