"""Keeping an answer that holds a credential under that credential's own key, so that erasing reaches it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from services.issuer.credentials import encryption, repository
from services.issuer.credentials.commands import IssuedCredentialView
from shared.log.outbox import Unit
from shared.store.port import Reader
from shared.web.problems import Unexpected


class CredentialVault:
    """An `AnswerVault` for answers that are a `IssuedCredentialView`."""

    async def encrypt(self, unit: Unit, body: bytes, result: BaseModel) -> dict[str, Any]:
        """Encrypt the answer with the key of the credential in it."""
        assert isinstance(result, IssuedCredentialView)
        key = await repository.credential_key(unit.tx, result.ref)
        if key is None:
            raise Unexpected("The answer could not be kept. Send the request again.")
        return {"ref": result.ref, "box": encryption.encrypt(key, result.ref, "answer", body)}

    async def open(self, reader: Reader, encrypted: Mapping[str, Any]) -> bytes | None:
        """The answer again, or None once the credential was erased."""
        key = await repository.credential_key(reader, encrypted["ref"])
        return encryption.decrypt(key, encrypted["ref"], "answer", encrypted["box"]) if key else None


VAULT = CredentialVault()
