"""What a credential costs: the gate alone, a whole verification, and issuing one durably."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from services.issuer.credentials.commands import IssueCredential
from services.issuer.credentials.handlers import draft_credential, issue_credential
from services.verifier.commands import VerifyCredential
from services.verifier.handlers import check
from shared.jose import gate
from shared.jose.keys import VerificationKey
from shared.jose.purpose import CREDENTIAL
from tests.bench.measure import ROUNDS, Row, at_least, fdatasync_rate, rate, timed
from tests.world import Nation, federate, found, running

WAITERS = 64
ISSUED = 1_280


async def rows(folder: Path) -> list[Row]:
    """All rows of this group."""
    ee = found(folder / "ee", "ee")
    federate([ee])
    async with running(ee) as nation:
        await nation.accredits("tartu")
        credentials = [(await nation.issues("tartu")).encode() for _ in range(50)]
        verified = [_gate_verify(nation, credentials[0]), await _verify_credential(nation, credentials)]
    async with running(ee, ["issuer"]) as issuer:
        return [*verified, await _issue_durable(issuer, folder)]


def raw_verify(token: gate.Token, key: VerificationKey) -> Callable[[], None]:
    """The library's own verification of a token's signature, with everything around it made beforehand."""
    half, public, algorithm = len(token.signature) // 2, key.public, ec.ECDSA(SHA256())
    r, s = (int.from_bytes(part) for part in (token.signature[:half], token.signature[half:]))
    signature, signed = encode_dss_signature(r, s), token.signing_input
    return lambda: public.verify(signature, signed, algorithm)  # type: ignore[union-attr, call-arg, arg-type]


def _gate_verify(nation: Nation, raw: bytes) -> Row:
    key = nation.home.signer("institution-tartu").verification_key()
    token = gate.read(raw, typ=CREDENTIAL)
    bare = raw_verify(token, key)
    pairs = [(rate(lambda: gate.check(raw, typ=CREDENTIAL, keys=lambda _: key)), rate(bare)) for _ in range(ROUNDS)]
    return at_least("gate-verify", "gate ES256 verify / raw cryptography verify of the same bytes", pairs, 0.60)


async def _verify_credential(nation: Nation, credentials: list[bytes]) -> Row:
    context = nation.apps["verifier"].state.context
    key = nation.home.signer("institution-tartu").verification_key()
    bare = [raw_verify(gate.read(raw, typ=CREDENTIAL), key) for raw in credentials]
    pairs = []
    for _ in range(ROUNDS):

        async def whole() -> int:
            for _ in range(20):
                for raw in credentials:
                    report = await check(context, VerifyCredential(credential=raw.decode()))
            assert report.verdict.value == "valid"
            return 20 * len(credentials)

        pairs.append((await timed(whole), rate(lambda: [one() for one in bare]) * len(bare)))
    return at_least("verify-credential", "whole in-process verification, all steps / raw ES256 verify", pairs, 0.50)


async def _issue_durable(nation: Nation, folder: Path) -> Row:
    context, outbox = nation.apps["issuer"].state.context, nation.engine("issuer").outbox
    command = IssueCredential(institution="tartu", credential=nation.draft())
    pairs = []

    async def waiter() -> None:
        for _ in range(ISSUED // WAITERS):
            draft = await draft_credential(context, command)
            await outbox.transact(lambda unit, draft=draft: issue_credential(unit, draft), "bench")  # type: ignore[misc]

    async def all_waiters() -> int:
        await asyncio.gather(*(waiter() for _ in range(WAITERS)))
        return ISSUED

    for _ in range(ROUNDS):
        against = fdatasync_rate(folder)
        pairs.append((await timed(all_waiters), against))
        await nation.settles(120)
    return at_least("issue-durable", "credentials signed, stored and queued/s at 64 waiters / fdatasync rate", pairs, 0.5)
