"""A sealed Europass credential as it is read: the seal, and what the sealed document says, the three roles apart.

- The *sealer* holds the key of the certificate; the *issuer* and the *awarding body* are who the document says they are.
  Real files have three different ones, in different countries.
- The document is read from the sealed bytes themselves. What our model has no room for stays in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.credential import coherence, completeness, draft
from shared.credential.completeness import ElementReport
from shared.credential.faults import Fault
from shared.credential.vocabulary import country_of_authority
from shared.errors import TestamurError
from shared.formats.elm import read as elm
from shared.formats.elm import schema as elm_schema
from shared.formats.elm.linked_data import Node, is_a, nodes, one, only_text, only_uri
from shared.formats.elm.schema import SchemaFault
from shared.jose import strict_json
from shared.seals import jades

NAME = "europass+jades"
"""The format's name."""

MEDIA_TYPE = "application/vc+ld+json"
"""What such a file is sent as; `application/json` is taken too."""


class Party(NamedTuple):
    """A role as the document names it: names by language, ISO 3166-1 alpha-2 country, its identifiers in registers."""

    names: Mapping[str, str]
    country: str | None
    identifiers: tuple[str, ...]


class Sealed(NamedTuple):
    """One sealed file: the seal, and what the document in it says."""

    seal: jades.Seal
    document: Node
    issuer: Party
    awarding_bodies: tuple[Party, ...]
    titles: tuple[Mapping[str, str], ...]
    valid_from: datetime | None
    valid_until: datetime | None
    draft: dict[str, Any] | None
    """What it awards, as a draft; None where that is not one learning achievement."""


def recognise(raw: bytes) -> str | None:
    """The format's name when the bytes look like a sealed file."""
    return NAME if jades.looks_sealed(raw) else None


def read(raw: bytes) -> Sealed:
    """A sealed file. Raises `TokenMalformed`, or `NotElm` where something else was sealed."""
    seal = jades.read(raw)
    document = strict_json.loads(seal.payload)
    if not isinstance(document, dict) or not is_a(document, "EuropeanDigitalCredential"):
        raise elm.NotElm(
            "Something is sealed here, and it is no EuropeanDigitalCredential. Ask the holder for the credential."
        )
    person = one(document, "credentialSubject")
    claims = nodes(person, "hasClaim")
    bodies = [_party(body) for claim in claims for body in nodes(one(claim, "awardedBy"), "awardingBody")]
    return Sealed(
        seal=seal,
        document=document,
        issuer=_party(one(document, "issuer")),
        awarding_bodies=tuple(body for place, body in enumerate(bodies) if body not in bodies[:place]),
        titles=tuple(_texts(claim.get("title")) for claim in claims),
        valid_from=_moment(only_text(document, "validFrom")),
        valid_until=_moment(only_text(document, "validUntil") or only_text(document, "expirationDate")),
        draft=_draft(document),
    )


def elements(sealed: Sealed) -> tuple[ElementReport, ...] | None:
    """The sixteen elements of Annex I; None where the file does not award one learning achievement."""
    return None if sealed.draft is None else completeness.report(sealed.draft)


def incoherent(sealed: Sealed, policy: coherence.CoherencePolicy) -> tuple[Fault, ...]:
    """What the document says against itself, and what in it has a form that cannot be meant."""
    if sealed.draft is None:
        return ()
    try:
        whole = draft.build(sealed.draft, policy=policy)
    except draft.DraftRefused as refusal:
        warned = coherence.faults_of(refusal.parts, policy)
        return tuple(dict.fromkeys((*refusal.faults, *warned)))
    return coherence.faults(whole, policy)


def departures(sealed: Sealed) -> tuple[SchemaFault, ...]:
    """What the JSON Schema of the European Learning Model has against the document."""
    return elm_schema.faults(sealed.document)


def _draft(document: Node) -> dict[str, Any] | None:
    try:
        return elm.draft_of(document)
    except TestamurError:
        return None


def _party(node: Node) -> Party:
    authority = only_uri(one(node, "location", "address"), "countryCode")
    kinds = ("registration", "vatIdentifier", "taxIdentifier", "eIDASIdentifier", "identifier")
    notations = (only_text(entry, "notation") for kind in kinds for entry in nodes(node, kind))
    country = country_of_authority(authority) if authority else None
    return Party(_texts(node.get("legalName")), country, tuple(notation for notation in notations if notation))


def _texts(value: Any) -> dict[str, str]:
    """A text by language; several texts in one language are joined."""
    if not isinstance(value, dict):
        return {}
    joined = {language: "; ".join(text) if _are_texts(text) else text for language, text in value.items()}
    return {language: text for language, text in joined.items() if isinstance(text, str)}


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _moment(written: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(written) if written else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):  # the latter at either end of the calendar, in a zone beside UTC
        return None
