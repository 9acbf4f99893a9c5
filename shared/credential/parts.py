"""The parts of a micro-credential, each as Annex I of Council Recommendation 2022/C 243/02 asks for it.

The number of the element stands with each part. Only `Holder` holds personal data; only grade and assessment speak of how
that person did.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from shared.credential.duration import parse_duration
from shared.credential.text import MOST_ITEMS, Country, Day, Moment, Multilingual, Name, Part, Quantity, Text, Uri

Cycle = Literal["short", "first", "second", "third"]
"""A cycle of the QF-EHEA: short cycle, bachelor, master, doctorate."""

_Coordinate = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{32,88}$")]


class PublicKey(Part):
    """The holder's public key as a JWK (RFC 7517; RFC 8037 for OKP). A private parameter is unknown, so refused."""

    kty: Literal["EC", "OKP"]
    crv: Literal["P-256", "P-384", "Ed25519"]
    x: _Coordinate
    y: _Coordinate | None = None


class Holder(Part):
    """Element 1, the learner: given and family name, or a full name (some people have one name). The only personal part."""

    given_name: Name | None = None
    family_name: Name | None = None
    full_name: Name | None = None
    date_of_birth: Day | None = None
    key: PublicKey | None = None

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.full_name is None and (self.given_name is None or self.family_name is None):
            raise ValueError("a holder has a given_name and a family_name, or a full_name")
        return self

    @property
    def display_name(self) -> str:
        """The name as it is shown."""
        return self.full_name or f"{self.given_name} {self.family_name}"


class WithheldHolder(Holder):
    """Element 1 as it is presented where the learner chose to show no name, or only a part of one."""

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        return self

    @property
    def display_name(self) -> str:
        """What was shown of the name."""
        return self.full_name or self.given_name or self.family_name or "(not shown)"


class Identifier(Part):
    """A name in somebody's register: `scheme` is the register (`vat`, `eter`, `registration`), `value` the entry."""

    scheme: Name
    value: Name


class AwardingBody(Part):
    """Elements 3 and 4: who awards, and in which country."""

    legal_name: Multilingual
    country: Country
    identifiers: Annotated[tuple[Identifier, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    homepage: Uri | None = None


class LearningOutcome(Part):
    """Element 6, one outcome; `skills` are URIs of ESCO or another classification."""

    title: Multilingual
    skills: Annotated[tuple[Uri, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()


def _not_a_span(value: Any) -> Any:
    if isinstance(value, str) and (span := parse_duration(value)):
        raise ValueError(f"that duration is {span}, a span of time; write the hours of learning, such as 52 or PT52H")
    return value


class Workload(Part):
    """Element 7: hours of notional learning, ECTS credits, or both."""

    hours: Annotated[Quantity | None, BeforeValidator(_not_a_span)] = None
    ects: Quantity | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.hours is None and self.ects is None:
            raise ValueError("a workload says hours, ects or both")
        return self


class Level(Part):
    """Element 8: EQF level, national level (EU Vocabularies URI or the country's own code), QF-EHEA cycle; one at least."""

    eqf: Annotated[int, Field(strict=True, ge=1, le=8)] | None = None
    nqf: Name | None = None
    cycle: Cycle | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.eqf is None and self.nqf is None and self.cycle is None:
            raise ValueError("a level says eqf, nqf, cycle or several of them; or say reason where none applies")
        return self


class NotApplicable(Part):
    """Element 8 where no level applies, said explicitly and with the reason."""

    reason: Text


def _kind_of_level(value: Any) -> str:
    says_why = "reason" in value if isinstance(value, dict) else isinstance(value, NotApplicable)
    return "no level" if says_why else "a level"


LevelOrNot = Annotated[
    Annotated[Level, Tag("a level")] | Annotated[NotApplicable, Tag("no level")], Discriminator(_kind_of_level)
]
"""Element 8: a level, or the reason why there is none."""


class Term(Part):
    """A word of a controlled list: its label, and its URI where it has one. A label alone is somebody's own word."""

    label: Multilingual
    uri: Uri | None = None


class Assessment(Part):
    """Element 9, and the optional 13 (`supervision` includes identity verification) and 14 (`grade`)."""

    type: Term
    supervision: Term | None = None
    grade: Multilingual | None = None
    grading_scheme: Multilingual | None = None


class QualityAssurance(Part):
    """Element 11: the type of quality assurance, who assures it (and from which country), the report, and its end."""

    type: Term
    agency: Name | None = None
    agency_country: Country | None = None
    report: Uri | None = None
    valid_until: Moment | None = None


class Stackability(Part):
    """Element 15: whether it stands alone or is meant as a part of something larger."""

    kind: Literal["stand-alone", "stackable"]
    note: Multilingual | None = None
