"""How credentials are stored: encrypted, and their keys apart.

A credential's row never changes: what became of it is folded from the facts of its ref and key (`replica`). No row holds
anything of the learner in the clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pybase64

from services.issuer.credentials.domain import CredentialIdentity, CredentialUnknown, Draft
from shared.clock import rfc3339
from shared.store.port import Collection, Document, DuplicateKey, Index, Reader, Transaction

CREDENTIALS = Collection("credentials", (Index(("institution",)),))
"""By ref: a `StoredCredential`."""

CREDENTIAL_KEYS = Collection("credential_keys")
"""By ref: `{key}`, and the `institution` of one that was accepted before it was issued. Deleting the document erases the
credential, the row it was accepted with, and every stored answer that holds it."""

ERASURES = Collection("erasures")
"""By ref: `{at}`, when the credential was erased, and the `institution` if that was before it was issued. A ref is no name:
nothing personal is kept."""

ERASED_EARLY = Collection("erased_early")
"""By institution, empty. Its version rises when the key of a row is destroyed that was accepted and not issued yet, so a
transaction can compare it."""

REPLACEMENTS = Collection("replacements")
"""By the ref of the credential that was corrected: `{by}`. One correction each."""

LOST_CREDENTIALS = Collection("lost_credentials")
"""By ref: `{institution, commitments, issued}` of a credential that was issued after the backup that this store was made
from. Its holder has all of it; this store has no more than this."""

COLLECTIONS = (CREDENTIALS, CREDENTIAL_KEYS, ERASURES, ERASED_EARLY, REPLACEMENTS, LOST_CREDENTIALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCredential:
    """A credential as it is stored: who signed it by which key, its dates, and itself, encrypted. Times are RFC 3339."""

    ref: str
    institution: str
    kid: str
    credential_type: str
    format: str
    """The format of what `box` holds, the one that was asked for first."""
    commitment: str
    status_list: str
    status_index: int
    issued: str
    valid_from: str
    valid_until: str | None
    replaces: str | None
    box: str
    """The encrypted credential."""
    further: Mapping[str, str] = field(default_factory=dict)
    """The credential in its further formats, each encrypted, by the format's name."""
    parts: Sequence[str] = ()
    """The refs of the parts that a stacked one names."""
    cohort: str | None = None
    """The cohort that it was issued in."""

    @classmethod
    def of(cls, draft: Draft, cohort: str | None = None) -> StoredCredential:
        """What is stored of a draft."""
        event, (first, *others) = draft.event, draft.boxes
        return cls(
            ref=draft.ref,
            institution=event.institution,
            kid=event.kid,
            credential_type=event.credential_type,
            format=first,
            commitment=event.commitments[first],
            status_list=event.status_list,
            status_index=event.status_index,
            issued=rfc3339(event.issued),
            valid_from=rfc3339(draft.valid_from),
            valid_until=rfc3339(event.valid_until) if event.valid_until else None,
            replaces=event.replaces,
            box=draft.boxes[first],
            further={name: draft.boxes[name] for name in others},
            parts=draft.parts,
            cohort=cohort,
        )

    @classmethod
    def from_row(cls, row: Document) -> StoredCredential:
        """The credential of a row of `CREDENTIALS`."""
        return cls(ref=row.key, **row.body)

    def to_row(self) -> dict[str, Any]:
        """The body of its row; members that only some credentials have are left out where they are empty."""
        row: dict[str, Any] = {
            "institution": self.institution,
            "kid": self.kid,
            "credential_type": self.credential_type,
            "format": self.format,
            "commitment": self.commitment,
            "status_list": self.status_list,
            "status_index": self.status_index,
            "issued": self.issued,
            "valid_from": self.valid_from,
            "valid_until": self.valid_until,
            "replaces": self.replaces,
            "box": self.box,
        }
        optional = {"further": self.further, "parts": list(self.parts), "cohort": self.cohort}
        return row | {name: member for name, member in optional.items() if member}


async def insert_credential(tx: Transaction, draft: Draft) -> None:
    """Keep a credential and its key."""
    await tx.insert(CREDENTIALS, draft.ref, StoredCredential.of(draft).to_row())
    await tx.insert(CREDENTIAL_KEYS, draft.ref, {"key": pybase64.b64encode(draft.key).decode()})


async def insert_accepted(tx: Transaction, drafts: Sequence[Draft], cohort: str) -> None:
    """Keep credentials whose keys were kept when they were accepted; raises `DuplicateKey` when one was issued already."""
    rows = [(draft.ref, StoredCredential.of(draft, cohort).to_row()) for draft in drafts]
    await tx.insert_many(CREDENTIALS, rows)


async def accept(tx: Transaction, identities: Sequence[CredentialIdentity], institution: str) -> None:
    """Keep the keys of what is to be issued."""
    rows = [(one.ref, {"key": pybase64.b64encode(one.key).decode(), "institution": institution}) for one in identities]
    await tx.insert_many(CREDENTIAL_KEYS, rows)


async def get_credential(reader: Reader, ref: str) -> StoredCredential | None:
    """A credential, or None where none of that reference was issued."""
    row = await reader.get(CREDENTIALS, ref)
    return StoredCredential.from_row(row) if row else None


async def find_credential(reader: Reader, ref: str, tenant: str | None) -> StoredCredential:
    """A credential; raises `CredentialUnknown` where there is none, or it is not that tenant's."""
    found = await get_credential(reader, ref)
    if found is None or tenant not in (None, found.institution):
        raise CredentialUnknown("Check the reference, and that the token acts for the credential's institution.")
    return found


async def credential_key(reader: Reader, ref: str) -> bytes | None:
    """The key that opens a credential, or None once it was erased."""
    row = await reader.get(CREDENTIAL_KEYS, ref)
    return pybase64.b64decode(row.body["key"], validate=True) if row else None


async def erase(tx: Transaction, ref: str, at: datetime) -> None:
    """Destroy the key that opens a credential and every stored answer that holds it, and note when; a repeat changes
    nothing.
    """
    with suppress(DuplicateKey):
        await tx.insert(ERASURES, ref, {"at": rfc3339(at)})
    await tx.delete(CREDENTIAL_KEYS, ref)


async def erase_early(tx: Transaction, ref: str, at: datetime, tenant: str | None) -> tuple[str, str, bool]:
    """Destroy the key of what was accepted and not issued: its institution, when that was, and whether it was now; raises
    `CredentialUnknown` where nothing of that reference was accepted, or it is not that tenant's.
    """
    key, erasure = await tx.get(CREDENTIAL_KEYS, ref), await tx.get(ERASURES, ref)
    found = key or erasure
    institution: str | None = found.body.get("institution") if found else None
    if institution is None or tenant not in (None, institution):
        raise CredentialUnknown("Check the reference, and that the token acts for the credential's institution.")
    if erasure is not None:
        return institution, erasure.body["at"], False
    await tx.insert(ERASURES, ref, {"at": rfc3339(at), "institution": institution})
    await tx.delete(CREDENTIAL_KEYS, ref)
    await tx.put(ERASED_EARLY, institution, {}, expect=await erased_early(tx, institution))
    return institution, rfc3339(at), True


async def erased_early(reader: Reader, institution: str) -> int:
    """How many keys of what was accepted and not issued an institution has destroyed."""
    row = await reader.get(ERASED_EARLY, institution)
    return row.version if row else 0


async def erased_at(reader: Reader, ref: str) -> str | None:
    """When a credential was erased; None while it can be opened."""
    row = await reader.get(ERASURES, ref)
    return row.body["at"] if row else None


async def take_replacement(tx: Transaction, replaced: str, by: str) -> None:
    """Note that one credential replaces another; raises `DuplicateKey` when another does already."""
    await tx.insert(REPLACEMENTS, replaced, {"by": by})
