"""How credentials are stored: encrypted, and their keys apart.

A credential's row never changes: what became of it is folded from the facts of its ref and key (`replica`). No row holds
anything of the learner in the clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import pybase64

from services.issuer.credentials.domain import CredentialUnknown, Draft, Identity
from shared.clock import rfc3339
from shared.store.port import Collection, Document, DuplicateKey, Index, Reader, Transaction

CREDENTIALS = Collection("credentials", (Index(("institution",)),))
"""By ref: who signed it by which key, dates, commitment, place in the status list, and `box`, the encrypted credential;
`further` holds it in further formats, by name;
`parts` the refs that a stacked one names."""

CREDENTIAL_KEYS = Collection("credential_keys")
"""By ref: `{key}`, and the `institution` of one that was accepted before it was issued. Deleting the document erases the
credential, the row it was accepted with, and every stored answer that holds it."""

ERASURES = Collection("erasures")
"""By ref: `{at}`, when what the credential said of its learner was erased, and the `institution` where that was before it
was issued. Refs are no names: nothing personal is kept."""

ERASED_EARLY = Collection("erased_early")
"""By institution, empty: its version rises when the key of what was accepted and not issued is destroyed, so a transaction
can tell whether that came in between."""

REPLACEMENTS = Collection("replacements")
"""By the ref of the credential that was corrected: `{by}`. One correction each."""

LOST = Collection("lost_credentials")
"""By ref: `{institution, commitments, issued}` of what was issued after the backup that this store was made from; who holds
the credential has all of it, this store nothing more."""

COLLECTIONS = (CREDENTIALS, CREDENTIAL_KEYS, ERASURES, ERASED_EARLY, REPLACEMENTS, LOST)


async def insert_credential(tx: Transaction, draft: Draft) -> None:
    """Keep a credential and its key."""
    await tx.insert(CREDENTIALS, draft.ref, _row_of(draft))
    await tx.insert(CREDENTIAL_KEYS, draft.ref, {"key": pybase64.b64encode(draft.key).decode()})


async def insert_accepted(tx: Transaction, drafts: Sequence[Draft], cohort: str) -> None:
    """Keep credentials whose keys were kept when they were accepted; raises `DuplicateKey` when one was issued already."""
    await tx.insert_many(CREDENTIALS, [(draft.ref, {**_row_of(draft), "cohort": cohort}) for draft in drafts])


async def accept(tx: Transaction, identities: Sequence[Identity], institution: str) -> None:
    """Keep the keys of what is to be issued."""
    rows = [(one.ref, {"key": pybase64.b64encode(one.key).decode(), "institution": institution}) for one in identities]
    await tx.insert_many(CREDENTIAL_KEYS, rows)


def _row_of(draft: Draft) -> dict[str, Any]:
    event, (first, *others) = draft.event, draft.boxes
    further = {name: draft.boxes[name] for name in others}
    return {
        "institution": event.institution,
        "kid": event.kid,
        "credential_type": event.credential_type,
        "format": first,
        "commitment": event.commitments[first],
        "status_list": event.status_list,
        "status_index": event.status_index,
        "issued": rfc3339(event.issued),
        "valid_from": rfc3339(draft.valid_from),
        "valid_until": rfc3339(event.valid_until) if event.valid_until else None,
        "replaces": event.replaces,
        "box": draft.boxes[first],
        **({"further": further} if further else {}),
        **({"parts": list(draft.parts)} if draft.parts else {}),
    }


async def find_credential(reader: Reader, ref: str, tenant: str | None) -> Document:
    """The row of a credential; `CredentialUnknown` where there is none, or it is not that tenant's."""
    row = await reader.get(CREDENTIALS, ref)
    if row is None or tenant not in (None, row.body["institution"]):
        raise CredentialUnknown("Check the reference, and that the token acts for the credential's institution.")
    return row


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
