"""Which key signs a stream's next entry: of the generations in the node's folder the newest that this service's store knows
by its certificate. So a key signs nothing before the trust stream carries its certificate.

- The registry knows it from the very transaction that stores the announcing entry, which the key before it signed; every
  entry after that is the new key's. The issuer knows it once it has heard that entry, and so long after the registry.
- The key before is retired by an entry that its successor signs, when nothing of its own can follow any more. Places in the
  chains say which entries are whose: no clock is asked, and none that was signed in time is ever refused.

What is lost if the process dies here: nothing. The folder and the store say the same at the next start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.errors import Misconfigured
from shared.home.folder import Home
from shared.jose.signers import Signer
from shared.log.keyring import SERVICE_KEYS
from shared.store.port import Store


class Signing(Protocol):
    """Who signs."""

    async def now(self) -> Mapping[str, Signer]:
        """Per stream, the key that signs its next entry."""
        ...


class SigningKeys:
    """The keys that sign what one service says."""

    def __init__(self, home: Home, store: Store, me: str, streams: Sequence[str]) -> None:
        self._home = home
        self._store = store
        self._me = me
        self._names = {stream: home.name_of(stream) for stream in streams}
        self._listing: tuple[str, ...] = ()
        self._chosen: dict[str, Signer] = {}
        self._waiting = True

    async def now(self) -> Mapping[str, Signer]:
        """Per stream, the key that signs its next entry."""
        listing = self._home.generations.listing()
        if self._waiting or listing != self._listing:
            found = {name: await self._newest(name) for name in set(self._names.values())}
            self._chosen = {stream: found[name][0] for stream, name in self._names.items()}
            self._waiting = not all(is_newest for _, is_newest in found.values())
            self._listing = listing
        return self._chosen

    async def _newest(self, name: str) -> tuple[Signer, bool]:
        """The newest key of that name that is known here, and whether it is the newest in the folder."""
        first, *later = self._home.generations.of(name)
        for generation in reversed(later):
            signer = self._home.load(generation.name)
            if await self._is_usable(signer):
                return signer, generation is later[-1]
        signer = self._home.load(first.name)
        await self._is_usable(signer)
        return signer, not later

    async def _is_usable(self, signer: Signer) -> bool:
        row = await self._store.get(SERVICE_KEYS, f"{self._me}/{signer.kid}")
        if row is not None and row.body["retired"] is not None:
            raise Misconfigured(
                f"The key {signer.kid} was retired: the folder is older than the node's log. Restore its newest copy."
            )
        return row is not None and row.body["certificate"] is not None
