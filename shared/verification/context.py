"""What the steps look at: what was presented, what is known of its origin, by which policy, as of when.

- `Knowledge` is a reader's whole knowledge of one origin, taken from its replica in one reading. Nothing in it is fetched.
- A `Case` is a context with what follows from it at once: the folded state, the issuer's key, whether the signature holds.
- Nothing is revealed about a credential that is not shown to be authentic: otherwise a bare ref would be enough to ask about
  a person. It is authentic when its signature holds, or when its commitment is the registered one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from shared.credential.stack import PartReference
from shared.events.chain import EPOCH_ONE
from shared.formats.port import ReadCredential
from shared.jose import gate
from shared.jose.keys import VerificationKey
from shared.status.facts import Fact, KeyCutoff
from shared.status.fold import NOTHING, State, fold
from shared.trust.accreditation import InstitutionKey, TrustBook
from shared.trust.federation_list import ListState
from shared.trust.identifiers import Contest
from shared.trust.nodes import Node
from shared.verification.policy import DEFAULT_POLICY, Policy
from shared.verification.presented import Presented


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known here of one origin. `node` None: the federation list has no such node."""

    node: Node | None = None
    list_state: ListState
    trust: TrustBook | None = None
    facts: tuple[Fact, ...] = ()
    """Those that name the credential."""
    cutoffs: tuple[KeyCutoff, ...] = ()
    """Those of the key that signed it."""
    parked: bool = False
    """An event about it, or about its institution or key, is not understood here."""
    contradictory: bool = False
    """Two histories of this origin, both signed, were seen."""
    epoch: int = EPOCH_ONE
    seq: int = 0
    """Registrations applied without a gap."""
    status_seq: int = 0
    trust_seq: int = 0
    age: float | None = None
    """Seconds since the newest checkpoint that is proven by what was applied; None: unknown. If the question is of earlier
    knowledge (`Context.known_at`), how old the newest was that had been proven then; None also where that is not kept.
    """
    contest: Contest | None = None
    """An identifier of the institution that another node claims for one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartKnowledge:
    """What is known here of one part of a credential. `age`: as in `Knowledge`; None also where the part's node is no active
    member, is unknown or contradicts itself, and where an event about the part is not understood here.
    """

    facts: tuple[Fact, ...] = ()
    cutoffs: tuple[KeyCutoff, ...] = ()
    age: float | None = None


class PartState(NamedTuple):
    """What became of one part; `fresh`: whether that is known well enough."""

    part: PartReference
    state: State
    fresh: bool


UNKNOWN_ORIGIN = Knowledge(list_state=ListState.CURRENT)
"""What is known of a node that the federation list does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """What is known of its parts, by (issuer, id): a reference belongs to its node. Of a part that is left out, nothing."""


class Signature(Enum):
    """Whether the signature holds; UNTRIED where no key of the issuer's is known."""

    HOLDS = auto()
    FALSE = auto()
    UNTRIED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A readable credential, with what follows from the context at once."""

    presented: Presented
    token: gate.Token
    credential: ReadCredential
    knowledge: Knowledge
    policy: Policy
    moment: datetime
    age: float | None
    """As of `moment`: a checkpoint made after it leaves nothing open."""
    country: str | None
    node_is_known: bool
    state: State
    key: InstitutionKey | None
    signature: Signature
    nonce: str | None
    audience: str | None
    now: datetime
    parts: tuple[PartState, ...]
    by_earlier_knowledge: bool
    authentic: bool
    """Whether this is shown to be the credential that its ref names."""

    @property
    def staleness(self) -> str | None:
        """Why what is known of the origin is too old, or was too old when it was known; None: it is young enough."""
        if self.age is not None and self.age <= self.policy.max_age:
            return None
        return "stale-then" if self.by_earlier_knowledge else "stale"

    @property
    def doubt(self) -> str | None:
        """Why what is known of the origin is too little to rely on its silence; None: it is enough."""
        if self.knowledge.contradictory:
            return "contradictory-log"
        if self.knowledge.parked:
            return "parked"
        return self.staleness

    @property
    def registration(self) -> Fact | None:
        """Its registration, where it is authentic."""
        return self.state.registration if self.authentic else None


def case_of(context: Context, token: gate.Token, credential: ReadCredential) -> Case:
    """The case behind a context whose credential could be read: folds the facts and tries the signature."""
    knowledge, institution = context.knowledge, credential.institution
    is_known = knowledge.node is not None and knowledge.node.name == institution.node
    is_known = is_known and context.federation == institution.federation
    book = knowledge.trust if is_known else None
    key = book.key(institution.slug, token.kid) if book else None
    state = NOTHING
    if is_known and (knowledge.facts or knowledge.cutoffs):
        state = fold(knowledge.facts, knowledge.cutoffs, as_of=context.as_of, known_at=context.known_at)
    signature = Signature.UNTRIED if key is None else try_signature(token, key.verification_key)
    by_commitment = signature is Signature.UNTRIED and _is_registered(state, context.presented)
    return Case(
        presented=context.presented,
        token=token,
        credential=credential,
        knowledge=knowledge,
        policy=context.policy,
        moment=context.as_of or context.now,
        age=_age(context, knowledge.age),
        country=context.country,
        node_is_known=is_known,
        state=state,
        key=key,
        signature=signature,
        nonce=context.nonce,
        audience=context.audience,
        now=context.now,
        parts=tuple(_part_state(context, part) for part in credential.award.parts),
        by_earlier_knowledge=context.known_at is not None,
        authentic=signature is Signature.HOLDS or by_commitment,
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


def _part_state(context: Context, part: PartReference) -> PartState:
    known = context.parts.get((part.issuer, part.id), PartKnowledge())
    state = fold(known.facts, known.cutoffs, as_of=context.as_of, known_at=context.known_at)
    age = _age(context, known.age)
    return PartState(part, state, age is not None and age <= context.policy.max_age)


def _age(context: Context, age: float | None) -> float | None:
    if age is None or context.as_of is None:
        return age
    return max(0.0, age - ((context.known_at or context.now) - context.as_of).total_seconds())
