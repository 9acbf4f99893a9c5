"""One scene for the tests of verification: a university in Tartu, accredited, its credential registered, Lisbon asking.

Everything in it is true, so the answer is `valid`; each test changes one thing with `replace`-like keyword arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.credential.model import MicroCredential
from shared.events.base import Event
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialSuspended
from shared.events.trust import (
    AccreditationWithdrawn,
    InstitutionAccredited,
    InstitutionKeyAdded,
    InstitutionKeyRetired,
    Scope,
)
from shared.formats import vc_jwt
from shared.formats.port import Issuance
from shared.ids import InstitutionId, new_ref
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.status.facts import Fact
from shared.trust.accreditation import TrustBook, TrustFact
from shared.trust.federation_list import ListState
from shared.trust.nodes import Node
from shared.verification.context import Context, Knowledge
from shared.verification.presented import recognise
from shared.verification.report import Report
from shared.verification.verify import verify

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ISSUED = NOW - timedelta(days=30)
SIGNER = LocalSigner.generate(Purpose.INSTITUTION)
THIEF = LocalSigner.generate(Purpose.INSTITUTION)
ROOT = LocalSigner.generate(Purpose.ROOT)
TARTU = InstitutionId("europe", "ee", "tartu")
REF = new_ref()
ACCREDITATION = new_ref()
TYPE = "micro-credential"


def hash_of(number: int) -> str:
    """A well-formed digest that stands for an entry's hash."""
    return f"{number:043d}"


def award(**changes: Any) -> MicroCredential:
    """A complete and coherent micro-credential, with some members changed."""
    body = {
        "holder": {"given_name": "Specimen", "family_name": "Learner"},
        "title": {"en": "Data literacy"},
        "awarding_body": {"legal_name": {"en": "University of Tartu"}, "country": "EE"},
        "issued": ISSUED.isoformat(),
        "learning_outcomes": ({"title": {"en": "Reads a chart and questions its source"}},),
        "workload": {"ects": 2.0, "hours": 52.0},
        "level": {"eqf": 6},
        "assessment": {"type": {"label": {"en": "project work"}}},
        "participation": {"label": {"en": "blended"}},
        "quality_assurance": {"type": {"label": {"en": "Institutional Quality Assurance"}}},
        "credential_type": TYPE,
        "isced_f": "0612",
    }
    return MicroCredential.model_validate(body | changes)


def signed(signer: LocalSigner = SIGNER, ref: str = REF, institution: InstitutionId = TARTU, **changes: Any) -> bytes:
    """The credential, signed."""
    return vc_jwt.sign(award(**changes), Issuance(ref=ref, institution=institution, status=(), salt=b"s" * 32), signer)


def accredited(**changes: Any) -> InstitutionAccredited:
    """Estonia accredits the University of Tartu up to EQF 7 in the field of computing."""
    body: dict[str, Any] = {
        "institution": "tartu",
        "accreditation": ACCREDITATION,
        "name": "University of Tartu",
        "country": "EE",
        "scope": Scope(credential_types=(TYPE,), eqf_max=7, isced_f=("06",)),
        "valid_from": NOW - timedelta(days=400),
    }
    return InstitutionAccredited(**(body | changes))


def key_added(signer: LocalSigner = SIGNER, institution: str = "tartu") -> InstitutionKeyAdded:
    """The institution signs with this key."""
    return InstitutionKeyAdded(institution=institution, kid=signer.kid, jwk=signer.public_jwk)


def key_retired(reason: Any, stand_to: int | None = None, signer: LocalSigner = SIGNER) -> InstitutionKeyRetired:
    """The key signs no more."""
    return InstitutionKeyRetired(institution="tartu", kid=signer.kid, reason=reason, registrations_stand_to=stand_to)


def withdrawn() -> AccreditationWithdrawn:
    """The accreditation ends."""
    return AccreditationWithdrawn(institution="tartu", accreditation=ACCREDITATION, effective=NOW)


def book(*events: Event, registrations: int = 0) -> TrustBook:
    """A trust book of these events at sequences 1, 2, 3, ..., the registrations chain standing at `registrations`."""
    aft = {"registrations": registrations}
    return TrustBook(TrustFact(event, 1, seq, aft) for seq, event in enumerate(events, 1))


def node(**changes: Any) -> Node:
    """Estonia's entry in the federation list."""
    jwk = {name: ROOT.public_jwk[name] for name in ("kty", "crv", "x", "y")}
    body: dict[str, Any] = {"name": "ee", "jurisdictions": ("EE",), "roots": (jwk,), "url": "https://ee.example"}
    return Node(**(body | changes))


def registration(raw: bytes, seq: int = 1, trust_seq: int = 2, **changes: Any) -> Fact:
    """The registration of a signed credential."""
    presented = recognise(raw)
    body: dict[str, Any] = {
        "ref": presented.ref,
        "commitments": {"vc+jwt": presented.commitment},
        "institution": "tartu",
        "kid": presented.kid,
        "credential_type": TYPE,
    }
    return Fact(
        event=CredentialRegistered(**(body | changes)),
        epoch=1,
        seq=seq,
        hash=hash_of(1),
        known_at=NOW,
        trust_seq=trust_seq,
        at=ISSUED + timedelta(hours=1),
    )


def status_fact(event: CredentialRevoked | CredentialSuspended | CredentialReinstated, seq: int = 1) -> Fact:
    """A fact of the status stream."""
    return Fact(event=event, epoch=1, seq=seq, hash=hash_of(100 + seq), known_at=NOW, trust_seq=2, at=event.effective)


def revoked(**changes: Any) -> Fact:
    """The credential was revoked an hour ago."""
    body: dict[str, Any] = {"ref": REF, "version": 1, "effective": NOW - timedelta(hours=1), "reason": "error"}
    return status_fact(CredentialRevoked(**(body | changes)))


def suspended() -> Fact:
    """The credential was suspended an hour ago."""
    return status_fact(CredentialSuspended(ref=REF, version=1, effective=NOW - timedelta(hours=1)))


@dataclass(frozen=True)
class Scene:
    """A credential and what Lisbon knows of Estonia; `ask` gives Lisbon's answer."""

    raw: bytes
    knowledge: Knowledge

    def knowing(self, **changes: Any) -> Scene:
        """The same scene, with some of the knowledge changed."""
        return replace(self, knowledge=replace(self.knowledge, **changes))

    def also(self, *facts: Fact) -> Scene:
        """The same scene, with further facts known."""
        return self.knowing(facts=(*self.knowledge.facts, *facts))

    def context(self, **changes: Any) -> Context:
        """The question that Lisbon asks."""
        asked = Context(
            presented=recognise(self.raw), knowledge=self.knowledge, now=NOW, me="pt", federation="europe", country="EE"
        )
        return replace(asked, **changes)

    def ask(self, **changes: Any) -> Report:
        """Lisbon's answer."""
        return verify(self.context(**changes))


def scene(raw: bytes | None = None, **changes: Any) -> Scene:
    """The scene in which everything is true, with some knowledge changed; a given credential is registered as it is."""
    raw = signed() if raw is None else raw
    known = Knowledge(
        node=node(),
        list_state=ListState.CURRENT,
        trust=book(accredited(), key_added()),
        facts=(registration(raw),),
        cutoffs=(),
        parked=False,
        contradictory=False,
        epoch=1,
        seq=10,
        status_seq=10,
        trust_seq=2,
        age=30.0,
    )
    return Scene(raw, replace(known, **changes))
