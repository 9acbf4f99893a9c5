"""What the steps look at: what was presented, what is known of its origin, by which policy, as of when.

- `Knowledge` is a reader's whole knowledge of one origin, taken from its replica in one reading. Nothing in it is fetched.
- A `Case` is a context with what follows from it at once: the folded state, the issuer's key, whether the signature holds.
- Of a credential that is not shown to be authentic nothing is told: otherwise a bare ref would do to ask about a person. It
  is authentic when its signature holds, or when its commitment is the registered one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from shared.credential.stack import PartReference
from shared.formats.port import ReadCredential
from shared.jose import gate
from shared.jose.keys import VerificationKey
from shared.status.facts import Fact, KeyCutoff
from shared.status.fold import NOTHING, State, fold
from shared.trust.accreditation import InstitutionKey, TrustBook
from shared.trust.federation_list import Standing
from shared.trust.identifiers import Contest
from shared.trust.nodes import Node
from shared.verification.policy import DEFAULT_POLICY, Policy
from shared.verification.presented import Presented


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known here of one origin. `node` None: the federation list has no such node."""

    node: Node | None
    list_standing: Standing
    trust: TrustBook | None
    facts: tuple[Fact, ...]
    """Those that name the credential."""
    cutoffs: tuple[KeyCutoff, ...]
    """Those of the key that signed it."""
    parked: bool
    """An event about it, or about its institution or key, is not understood here."""
    contradictory: bool
    """Two histories, both signed, were seen of this origin."""
    epoch: int
    seq: int
    """Registrations applied without a gap."""
    status_seq: int
    trust_seq: int
    age: float | None
    """Seconds since the newest checkpoint that is proven by what was applied; None: never. Where the question is of earlier
    knowledge (`Context.known_at`), how old the newest was that had been proven then; None also where that is not kept.
    """
    contest: Contest | None = None
    """An identifier of the institution that another nation claims for one of its own."""


@dataclass(frozen=True, slots=True)
class PartKnowledge:
    """What is known here of one part of a credential. `age`: as in `Knowledge`; None also where its nation is no active
    member, is unknown or contradicts itself, and where an event about the part is not understood here.
    """

    facts: tuple[Fact, ...] = ()
    cutoffs: tuple[KeyCutoff, ...] = ()
    age: float | None = None


class PartStanding(NamedTuple):
    """How one part stands, and whether that is known well enough."""

    part: PartReference
    state: State
    known: bool


UNKNOWN_ORIGIN = Knowledge(None, Standing.CURRENT, None, (), (), False, False, 1, 0, 0, 0, None)
"""What is known of a nation that nobody knows."""


@dataclass(frozen=True, slots=True)
class Context:
    """One question. `me` and `federation` name the verifying node; `country` (alpha-2) is where the answer is to be used."""

    presented: Presented
    knowledge: Knowledge
    now: datetime
    me: str
    federation: str
    policy: Policy = DEFAULT_POLICY
    as_of: datetime | None = None
    """Answer for that moment, by what is known now; None: for `now`."""
    known_at: datetime | None = None
    """Count only the status facts that were known here by then, and only if they were recent enough then."""
    country: str | None = None
    nonce: str | None = None
    """What the holder was asked to sign, to show that it is she or he who presents it now."""
    audience: str | None = None
    """Whom the holder was asked to present it to."""
    parts: Mapping[tuple[str, str], PartKnowledge] = field(default_factory=dict)
    """What is known of its parts, by (issuer, id): a reference belongs to its nation. Of those left out nothing is known."""


class Signature(Enum):
    """Whether the signature holds; UNTRIED where no key of the issuer's is known."""

    HOLDS = auto()
    FALSE = auto()
    UNTRIED = auto()


class Case(NamedTuple):
    """A readable credential, with what follows from the context at once."""

    presented: Presented
    token: gate.Token
    said: ReadCredential
    knowledge: Knowledge
    policy: Policy
    moment: datetime
    age: float | None
    """As of `moment`: a checkpoint made after it leaves nothing open."""
    country: str | None
    known_nation: bool
    state: State
    key: InstitutionKey | None
    signature: Signature
    nonce: str | None
    audience: str | None
    now: datetime
    parts: tuple[PartStanding, ...]
    is_of_then: bool
    """Whether it is to be judged by earlier knowledge."""
    authentic: bool
    """Whether this is shown to be the credential that its ref names."""

    @property
    def staleness(self) -> str | None:
        """Why what is known of the origin is too old, or was too old when it was known; None: it is young enough."""
        if self.age is not None and self.age <= self.policy.max_age:
            return None
        return "stale-then" if self.is_of_then else "stale"

    @property
    def registration(self) -> Fact | None:
        """Its registration, where it is authentic."""
        return self.state.registration if self.authentic else None


def case_of(context: Context, token: gate.Token, said: ReadCredential) -> Case:
    """The case behind a context whose credential could be read: folds the facts and tries the signature."""
    knowledge = context.knowledge
    known = knowledge.node is not None and knowledge.node.name == said.institution.node
    known = known and context.federation == said.institution.federation
    book = knowledge.trust if known else None
    key = book.key(said.institution.slug, token.kid) if book else None
    state = NOTHING
    if known and (knowledge.facts or knowledge.cutoffs):
        state = fold(knowledge.facts, knowledge.cutoffs, as_of=context.as_of, known_at=context.known_at)
    signature = Signature.UNTRIED if key is None else try_signature(token, key.verification_key)
    return Case(
        context.presented,
        token,
        said,
        knowledge,
        context.policy,
        context.as_of or context.now,
        _age(context, knowledge.age),
        context.country,
        known,
        state,
        key,
        signature,
        context.nonce,
        context.audience,
        context.now,
        tuple(_standing(context, part) for part in said.credential.parts),
        context.known_at is not None,
        signature is Signature.HOLDS or (signature is Signature.UNTRIED and _is_registered(state, context.presented)),
    )


def try_signature(token: gate.Token, key: VerificationKey) -> Signature:
    """Whether that key signed the token."""
    try:
        gate.verify(token, key)
    except gate.SignatureInvalid:
        return Signature.FALSE
    return Signature.HOLDS


def _is_registered(state: State, presented: Presented) -> bool:
    event = state.registered
    return event is not None and event.commitments.get(presented.format or "") == presented.commitment


def _standing(context: Context, part: PartReference) -> PartStanding:
    known = context.parts.get((part.issuer, part.id), PartKnowledge())
    state = fold(known.facts, known.cutoffs, as_of=context.as_of, known_at=context.known_at)
    age = _age(context, known.age)
    return PartStanding(part, state, age is not None and age <= context.policy.max_age)


def _age(context: Context, age: float | None) -> float | None:
    if age is None or context.as_of is None:
        return age
    return max(0.0, age - ((context.known_at or context.now) - context.as_of).total_seconds())
