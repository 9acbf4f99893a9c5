"""The keys that credentials are signed with: each institution's own, and throwaway ones to rehearse with.

- An institution's first key is the file `institution-<slug>`, the ones after it `institution2-<slug>` and so on: up to the
  first hyphen stands the number, so no slug can be mistaken for another's.
- A key signs from when the registry has announced it until it is retired; which that is, the trust book says.
- Key files are read in a thread, since they are slow to open, and once; the folder is looked at again when no key serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.home.folder import Home
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner

REHEARSALS = 1000
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
        """The institution's newest key that nobody has announced yet, made where there is none."""
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
    """A key for rehearsals; nobody trusts it, and it never leaves this object."""

    def __init__(self) -> None:
        self._left = 0
        self._signer: LocalSigner
        self._key: VerificationKey

    def take(self) -> tuple[LocalSigner, VerificationKey]:
        """The key and its public half; a fresh one every `REHEARSALS` times."""
        if self._left == 0:
            self._signer = LocalSigner.generate(Purpose.INSTITUTION)
            self._key = self._signer.verification_key()
            self._left = REHEARSALS
        self._left -= 1
        return self._signer, self._key


def _newest(held: list[LocalSigner] | tuple[()], is_good: IsGood) -> LocalSigner | None:
    return next((signer for signer in reversed(held) if is_good(signer.kid)), None)


def _name(slug: str, number: int) -> str:
    return f"institution-{slug}" if number == 1 else f"institution{number}-{slug}"
