"""What a key is for, and which type of token a key of that purpose may sign.

A token's `typ` (RFC 7515, 4.1.9; RFC 8725, 3.11) decides what it can be taken for, and a key record's purpose decides
what it can have signed. Bound together, a stolen list key signs no event, and an event can never pass for a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Purpose(StrEnum):
    """What a key is for; a key has exactly one purpose all its life."""

    ROOT = "root"
    """A node's offline key: certifies its service keys, opens epochs."""
    EVENT = "event"
    """Signs the entries of a node's log."""
    CHECKPOINT = "checkpoint"
    """Signs a node's checkpoints."""
    STATUS_LIST = "status-list"
    """Signs published status lists."""
    NODE_TOKEN = "node-token"  # noqa: S105 - the name of a purpose
    """Signs the short-lived tokens by which nodes know one another."""
    ACCESS_TOKEN = "access-token"  # noqa: S105 - the name of a purpose
    """Signs the bearer tokens of people and programs."""
    RECEIPT = "receipt"
    """Signs what a node's verifier found, for its own node."""
    INSTITUTION = "institution"
    """An awarding body's key: signs credentials."""
    HOLDER = "holder"
    """A learner's key: shows that it is the holder who presents a credential."""
    ANCHOR = "anchor"
    """Signs the federation list."""


ENTRY = "testamur-entry+jwt"
"""One event in a node's log."""
CHECKPOINT = "testamur-checkpoint+jwt"
"""How far a node's log has come."""
KEY_CERTIFICATE = "testamur-key+jwt"
"""A service key, certified by its node's root."""
NODE_TOKEN = "testamur-node+jwt"  # noqa: S105 - the name of a token type
"""A node, showing another who it is."""
RECEIPT = "testamur-receipt+jwt"
"""What a node's verifier found of one credential."""
FEDERATION_LIST = "testamur-federation+jwt"
"""The list of nodes."""
CREDENTIAL = "vc+jwt"
"""A verifiable credential (VC-JOSE-COSE, 3.1.1); a Bitstring Status List is one too."""
SD_CREDENTIAL = "dc+sd-jwt"
"""A credential with selective disclosure (SD-JWT VC, 2.2.1)."""
KEY_BINDING = "kb+jwt"
"""A holder, showing that a credential is hers or his (RFC 9901, 4.3)."""
STATUS_LIST = "statuslist+jwt"
"""A Token Status List."""
ACCESS_TOKEN = frozenset({"at+jwt", "application/at+jwt"})
"""An OAuth 2 access token, in both spellings that RFC 9068, section 4 asks us to take."""

TYP_PURPOSE: Mapping[str, frozenset[Purpose]] = MappingProxyType(
    {
        ENTRY: frozenset({Purpose.EVENT}),
        CHECKPOINT: frozenset({Purpose.CHECKPOINT}),
        KEY_CERTIFICATE: frozenset({Purpose.ROOT}),
        NODE_TOKEN: frozenset({Purpose.NODE_TOKEN}),
        RECEIPT: frozenset({Purpose.RECEIPT}),
        FEDERATION_LIST: frozenset({Purpose.ANCHOR}),
        CREDENTIAL: frozenset({Purpose.INSTITUTION, Purpose.STATUS_LIST}),
        SD_CREDENTIAL: frozenset({Purpose.INSTITUTION}),
        KEY_BINDING: frozenset({Purpose.HOLDER}),
        STATUS_LIST: frozenset({Purpose.STATUS_LIST}),
        **dict.fromkeys(ACCESS_TOKEN, frozenset({Purpose.ACCESS_TOKEN})),
    }
)
"""Which purposes may sign a token type; a type that is not here is signed by nobody."""


def may_sign(purpose: Purpose, typ: str) -> bool:
    """Whether a key of that purpose may sign a token of that type."""
    return purpose in TYP_PURPOSE.get(typ, ())
