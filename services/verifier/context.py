"""What questions are answered with, made once in the lifespan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fastapi import Request

from services.verifier.replica import Replica
from shared.clock import Clock
from shared.engine.engine import Engine
from shared.jose.signers import Signer
from shared.seals.trusted_list import TrustedList
from shared.trust.identifiers import Decided
from shared.verification.policy import Policy


class ReceiptSigner(NamedTuple):
    """The key that signs receipts, and what the node's root says of it."""

    signer: Signer
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierContext:
    """The replica, the clock, the policy, and who is asked."""

    replica: Replica
    clock: Clock
    policy: Policy
    me: str
    federation: str
    trusted_lists: tuple[TrustedList, ...] = ()
    shapes: Path | None = None
    receipt_signer: Callable[[], ReceiptSigner] | None = None
    """Gives what signs receipts now."""

    @staticmethod
    def of(request: Request) -> VerifierContext:
        """The context of the app that answers this request."""
        context: VerifierContext = request.app.state.context
        return context


def open_context(
    engine: Engine, policy: Policy, decided: Decided, lists: tuple[TrustedList, ...] = (), shapes: Path | None = None
) -> VerifierContext:
    """What questions are answered with, on a running engine."""
    return VerifierContext(
        replica=Replica(engine.store, engine.inbox, engine.membership, decided),
        clock=engine.clock,
        policy=policy,
        me=engine.settings.node,
        federation=engine.settings.federation,
        trusted_lists=lists,
        shapes=shapes,
        receipt_signer=lambda: ReceiptSigner(*engine.home.certified("receipt")),
    )
