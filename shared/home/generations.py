"""A service key's generations in a node's folder: rotation makes the next one, and nothing is ever deleted.

    keys/registry.jwe     certificates/registry.jwt        the first generation
    keys/registry-2.jwe   certificates/registry-2.jwt      the second
    certificates/registry.retired                          why the first signs no more: `superseded` or `compromised`

- A key that has no certificate yet is only prepared: it signs nothing. The certificate is put in place last and in one step.
  Before that nothing has changed, after it services take the generation up by themselves.
- The access-token key is certified by nobody. There it is the mark of retirement that is put in place last.
- What a superseded key signed stands. A compromised one is not believed any more outside the chains; inside them its end is
  the place of the entry that retires it (`shared.log.keyring`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple, get_args

Reason = Literal["superseded", "compromised"]
"""Why a generation signs no more."""

UNCERTIFIED = "access-token"
"""The one service key that no root certifies: its tokens are read by this node alone."""


class Generation(NamedTuple):
    """A generation that is, or was, in use: its key's file name, its certificate (empty: none is needed), its end."""

    name: str
    certificate: str
    retired: Reason | None


class Generations:
    """The generations of every service key of one folder, oldest first."""

    def __init__(self, folder: Path) -> None:
        self._keys, self._certificates = folder / "keys", folder / "certificates"
        self._seen: tuple[str, ...] = ()
        self._found: dict[str, list[Generation]] = {}

    def listing(self) -> tuple[str, ...]:
        """The names of all files that say anything of a generation; another listing means that something has changed."""
        try:
            return tuple(sorted(path.name for path in self._certificates.iterdir() if not path.name.startswith(".")))
        except FileNotFoundError:
            return ()

    def of(self, name: str) -> list[Generation]:
        """The generations of a key; none where the folder is not set up yet."""
        seen = self.listing()
        if seen != self._seen or not seen:
            self._seen, self._found = seen, {}
        if name not in self._found:
            self._found[name] = list(self._read(name))
        return self._found[name]

    def next_name(self, name: str) -> str:
        """What the file of the next generation's key is called."""
        return next(one for place, one in enumerate(_names(name)) if place == len(self.of(name)))

    def retire(self, name: str, reason: Reason) -> None:
        """Say why the generation of that file name signs no more; it counts once there is another."""
        self._certificates.mkdir(exist_ok=True)
        put(self._certificates / f"{name}.retired", f"{reason}\n".encode())

    def certify(self, name: str, certificate: str) -> None:
        """Put the certificate of the key of that file name in place: from now on it is a generation."""
        self._certificates.mkdir(exist_ok=True)
        put(self.certificate_file(name), f"{certificate}\n".encode())

    def certificate_file(self, name: str) -> Path:
        """Where the certificate of the key of that file name lies."""
        return self._certificates / f"{name}.jwt"

    def _read(self, name: str) -> Iterator[Generation]:
        before: Reason | None = "superseded"
        for one in _names(name):
            if name == UNCERTIFIED:
                is_there, certificate = before is not None and (self._keys / f"{one}.jwe").exists(), ""
            else:
                is_there = self.certificate_file(one).exists()
                certificate = self.certificate_file(one).read_text().strip() if is_there else ""
            if not is_there:
                return
            before = self._retired(one)
            yield Generation(one, certificate, before)

    def _retired(self, name: str) -> Reason | None:
        path = self._certificates / f"{name}.retired"
        written = path.read_text().strip() if path.exists() else None
        return next((reason for reason in get_args(Reason) if reason == written), None)


def put(path: Path, content: bytes) -> None:
    """Put a file in place in one step and durably: services read it meanwhile, and must not see half of it."""
    arriving = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with arriving.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    arriving.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _names(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        yield f"{name}-{number}"
