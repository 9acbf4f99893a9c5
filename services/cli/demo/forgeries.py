"""The demo's forgeries, made outside the product's issuer, since it would sign none of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.clock import SystemClock
from shared.credential import draft
from shared.formats import vc_jwt
from shared.formats.port import Issuance, new_salt
from shared.ids import InstitutionId, new_ref
from shared.jose import gate
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner, Signer
from shared.jose.token import encode

NOWHERE = "zz"
"""A node that no federation list names: ISO 3166-1 never gives ZZ to a country."""


def one_byte_changed(credential: str, seed: int) -> tuple[str, str]:
    """The credential with its ECTS credits raised by changing one byte, its signature left as it was; and what changed."""
    token = gate.read(credential, typ=vc_jwt.NAME)
    before = b'"ects":2'
    if token.payload.count(before) != 1:
        raise ValueError("the demo's credential is one of 2 ECTS credits")
    digit = random.Random(seed).choice("3456789")  # noqa: S311 - a choice to be repeated, not a secret
    payload = token.payload.replace(before, before[:-1] + digit.encode())
    protected = token.signing_input.partition(b".")[0]
    forged = replace(token, payload=payload, signing_input=b"%b.%b" % (protected, encode(payload)))
    return forged.compact.decode(), f"2 ECTS credits are now {digit}"


def of_an_unaccredited_institution(members: Mapping[str, Any], federation: str, node: str) -> str:
    """Signed by a key that an institution of that node made for itself; the node never heard of it."""
    stranger = InstitutionId(federation, node, "academy-of-anything")
    renamed = _awarded_by(members, "Academy of Anything (specimen)")
    return signed_outside(renamed, stranger, LocalSigner.generate(Purpose.INSTITUTION))


def of_an_unknown_nation(members: Mapping[str, Any], federation: str) -> str:
    """Signed in the name of a node that is in no federation list."""
    stranger = InstitutionId(federation, NOWHERE, "national-academy")
    renamed = _awarded_by(members, "National Academy of Nowhere (specimen)")
    return signed_outside(renamed, stranger, LocalSigner.generate(Purpose.INSTITUTION))


def of_another_field(members: Mapping[str, Any], institution: InstitutionId, name: str, signer: Signer) -> str:
    """Signed by an accredited institution with its own true key, in a field that it is not accredited for."""
    return signed_outside(_awarded_by(members, name), institution, signer)


def signed_outside(members: Mapping[str, Any], institution: InstitutionId, signer: Signer) -> str:
    """A well-formed credential that never went through an issuer."""
    credential = draft.build(members, SystemClock().now())
    issuance = Issuance(ref=new_ref(), institution=institution, status=(), salt=new_salt())
    return vc_jwt.sign(credential, issuance, signer).decode()


def _awarded_by(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    body = {"legal_name": name, "country": members["awarding_body"]["country"]}
    return {**members, "awarding_body": body}
