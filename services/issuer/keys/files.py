"""The keys that credentials are signed with: each institution's own, and throwaway ones to rehearse with.

- An institution's first key is the file `institution-<slug>`, the ones after it `institution2-<slug>` and so on: up to the
  first hyphen stands the number, so no slug can be mistaken for another's.
- A key signs from when the registry has announced it until it is retired; the trust book says so of each.
- Key files are slow to open: they are read in a thread, and once. The folder is read again when no key will do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.home.folder import Home
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner

REHEARSALS_PER_KEY = 1000
"""How many rehearsals one throwaway key serves."""

IsGood = Callable[[str], bool]
"""Whether a key of that id will do."""


class InstitutionKeys:
    """The institutions' signing keys that this node holds."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._held: dict[str, list[LocalSigner]] = {}
        self._making = asyncio.Lock()

    async def newest(self, slug: str, is_good: IsGood) -> LocalSigner | None:
        """The institution's newest key that will do, or None."""
        found = _newest(self._held.get(slug, ()), is_good)
        if found is None:
            self._held[slug] = await asyncio.to_thread(self._read, slug)
            found = _newest(self._held[slug], is_good)
        return found

    async def make(self, slug: str, is_announced: IsGood) -> LocalSigner:
        """The institution's newest key that is not announced yet, made where there is none."""
        async with self._making:
            waiting = await self.newest(slug, lambda kid: not is_announced(kid))
            if waiting is not None:
                return waiting
            name = _name(slug, len(self._held[slug]) + 1)
            made = await asyncio.to_thread(self._home.keys.load_or_create, name, Purpose.INSTITUTION)
            self._held[slug].append(made)
            return made

    def _read(self, slug: str) -> list[LocalSigner]:
        """The institution's keys, the oldest first."""
        names = set(self._home.keys.names())
        found: list[LocalSigner] = []
        while (name := _name(slug, len(found) + 1)) in names:
            found.append(self._home.signer(name))
        return found


class Throwaway:
    """A key for rehearsals. No record trusts it, and it never leaves this object."""

    def __init__(self) -> None:
        self._left = 0
        self._signer: LocalSigner
        self._key: VerificationKey

    def take(self) -> tuple[LocalSigner, VerificationKey]:
        """The key and its public half; a fresh one every `REHEARSALS_PER_KEY` times."""
        if self._left == 0:
            self._signer = LocalSigner.generate(Purpose.INSTITUTION)
            self._key = self._signer.verification_key()
            self._left = REHEARSALS_PER_KEY
        self._left -= 1
        return self._signer, self._key


def _newest(signers: list[LocalSigner] | tuple[()], is_good: IsGood) -> LocalSigner | None:
    return next((signer for signer in reversed(signers) if is_good(signer.kid)), None)


def _name(slug: str, number: int) -> str:
    return f"institution-{slug}" if number == 1 else f"institution{number}-{slug}"
