"""Which bits of a status list are set: read from the credentials, whose statuses they are."""

from __future__ import annotations

from services.registry.credentials.domain import CredentialStatus
from services.registry.credentials.repository import CREDENTIALS
from shared.store.port import Reader
from shared.store.walk import every


async def indexes(reader: Reader, name: str, status: CredentialStatus) -> list[int]:
    """The indexes in the list of all credentials of that status."""
    rows = every(reader, CREDENTIALS, where={"status_list": name, "status": status})
    return [row.body["status_index"] async for row in rows]
