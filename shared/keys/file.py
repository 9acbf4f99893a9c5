"""Private keys on disk, encrypted: a folder with one file a key, for development and small nodes.

- Each `<name>.jwe` is a JWE (RFC 7516; `dir`, A256GCM) over one private JWK. Its header binds name and purpose, so a file
  that is renamed or put in another's place does not open.
- The folder's master key is random. `master.jwe` holds it (A256KW, A256GCM) under a key made from the passphrase by
  scrypt (RFC 7914), whose salt and cost stand in the header's member `scrypt`. So the passphrase is stretched once for
  a folder, not once for a key. JWE's own PBES2 is not used: the library caps it at 16,384 rounds, and 210,000 is the least
  that is advised today.
- Folder 0700 and files 0600; others being able to read them is refused, not mended: the keys may be known by then.
- A file appears whole or not at all: written aside, synced, linked to its name (which never replaces another), synced.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from shared.errors import Conflict, Misconfigured
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.jose.token import decode, encode

SCRYPT_COST = 2**15
"""Memory and time to try one passphrase: 32 MB, about a tenth of a second."""
SCRYPT_BLOCK = 8
SCRYPT_PARALLEL = 1
MAX_SCRYPT_COST = 2**20
"""The highest cost we spend on a file's word: 1 GB."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_MASTER = "master"
_SUFFIX = ".jwe"
_TYP = "testamur-private-key"


class KeyExists(Conflict):
    """A key of that name is there already; none is ever replaced."""

    title = "There is a key of that name already."


class KeyMissing(Misconfigured):
    """There is no key of that name in the folder."""

    title = "There is no key of that name."


class KeyFile:
    """An open folder of encrypted private keys, by name: `event`, `root`, `institution-tartu`."""

    __slots__ = ("_master", "folder")

    def __init__(self, folder: Path, master: JWK) -> None:
        self.folder = folder
        self._master = master

    @classmethod
    def open(cls, folder: Path, passphrase: str, *, cost: int = SCRYPT_COST) -> KeyFile:
        """Open the folder, or make it where there is none. `cost` counts for a new one only. Raises `Misconfigured`."""
        if not passphrase:
            raise Misconfigured("The passphrase of the key folder is empty. Set one.")
        _prepare(folder)
        path = folder / (_MASTER + _SUFFIX)
        keys = any(folder.glob("*" + _SUFFIX))  # looked at first: another process may be making the folder just now
        if keys and not path.exists():
            raise Misconfigured(f"{path} is missing beside its keys. Restore it from a backup.")
        if not keys:
            with suppress(KeyExists):
                _write_new(path, _seal_master(passphrase, cost))
        return cls(folder, _open_master(_read(path), passphrase, path))

    def names(self) -> list[str]:
        """The names of the keys in the folder, sorted."""
        found = (path.stem for path in self.folder.glob("*" + _SUFFIX))
        return sorted(name for name in found if name != _MASTER and _NAME.fullmatch(name))

    def create(self, name: str, purpose: Purpose, alg: str = "ES256") -> LocalSigner:
        """Make a key and keep it; raises `KeyExists` and leaves the other one as it is."""
        signer = LocalSigner.generate(purpose, alg)
        header = {"alg": "dir", "enc": "A256GCM", "typ": _TYP, "nam": name, "pur": purpose.value}
        _write_new(self._path(name), _encrypt(orjson.dumps(signer.private_jwk()), header, self._master))
        return signer

    def load(self, name: str) -> LocalSigner:
        """The key of that name; raises `KeyMissing`, or `Misconfigured` where its file does not open."""
        path = self._path(name)
        if not path.exists():
            raise KeyMissing(f"{path} is not there. Create the key, or restore it from a backup.")
        header, plain = _decrypt(_read(path), self._master, "dir", path)
        if header.get("typ") != _TYP or header.get("nam") != name or header.get("pur") not in tuple(Purpose):
            raise Misconfigured(f"{path} holds another key than its name says. Restore it from a backup.")
        return LocalSigner.from_private_jwk(orjson.loads(plain), Purpose(header["pur"]))

    def load_or_create(self, name: str, purpose: Purpose, alg: str = "ES256") -> LocalSigner:
        """The key of that name, made when it is not there; raises `Misconfigured` when it is there for another purpose."""
        try:
            signer = self.create(name, purpose, alg) if not self._path(name).exists() else self.load(name)
        except KeyExists:  # another process was faster
            signer = self.load(name)
        if signer.purpose is not purpose:
            raise Misconfigured(f"The key {name} was made for another purpose. Choose another name.")
        return signer

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or name == _MASTER:
            raise Misconfigured("A key's name is lower-case letters, digits and hyphens, and not `master`.")
        return self.folder / (name + _SUFFIX)


def _seal_master(passphrase: str, cost: int) -> bytes:
    salt = secrets.token_bytes(16)
    work = {"n": cost, "r": SCRYPT_BLOCK, "p": SCRYPT_PARALLEL, "salt": encode(salt).decode()}
    header = {"alg": "A256KW", "enc": "A256GCM", "typ": _TYP, "nam": _MASTER, "scrypt": work}
    return _encrypt(secrets.token_bytes(32), header, _stretch(passphrase, salt, cost))


def _open_master(raw: bytes, passphrase: str, path: Path) -> JWK:
    try:
        work = orjson.loads(decode(raw.split(b".", 1)[0], "header"))["scrypt"]
        salt, cost = decode(work["salt"].encode(), "salt"), work["n"]
        if not 1 < cost <= MAX_SCRYPT_COST or (work["r"], work["p"]) != (SCRYPT_BLOCK, SCRYPT_PARALLEL):
            raise ValueError
        key = _stretch(passphrase, salt, cost)
    except Exception as error:
        raise Misconfigured(f"{path} is damaged. Restore it from a backup.") from error
    _, master = _decrypt(raw, key, "A256KW", path)
    return _symmetric(master)


def _stretch(passphrase: str, salt: bytes, cost: int) -> JWK:
    return _symmetric(Scrypt(salt=salt, length=32, n=cost, r=SCRYPT_BLOCK, p=SCRYPT_PARALLEL).derive(passphrase.encode()))


def _symmetric(secret: bytes) -> JWK:
    return JWK(kty="oct", k=encode(secret).decode())


def _encrypt(plain: bytes, header: dict[str, Any], key: JWK) -> bytes:
    token = JWE(plain, protected=orjson.dumps(header).decode(), recipient=key)
    return str(token.serialize(compact=True)).encode()


def _decrypt(raw: bytes, key: JWK, alg: str, path: Path) -> tuple[dict[str, Any], bytes]:
    """The authenticated header and the plain bytes, or `Misconfigured`."""
    token = JWE(algs=[alg, "A256GCM"])
    try:
        token.deserialize(raw.decode("ascii"), key)
        return orjson.loads(token.objects["protected"]), token.payload
    except Exception as error:
        raise Misconfigured(
            f"{path} does not open: give the right passphrase, or restore the file from a backup."
        ) from error


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"The key folder {folder} cannot be made. Choose one that this user may write to.") from error
    _refuse_readable(folder, "700")


def _read(path: Path) -> bytes:
    _refuse_readable(path, "600")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read. Give it to the user that runs this.") from error


def _refuse_readable(path: Path, mode: str) -> None:
    if path.stat().st_mode & 0o077:
        raise Misconfigured(
            f"{path} can be read by others. Run `chmod {mode} {path}`, and replace its keys if they may be known."
        )


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that was not there, durably and whole; raises `KeyExists`."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(aside, "xb", opener=_owner_only) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # unlike a rename, never replaces a key that another process has just made
    except FileExistsError as error:
        raise KeyExists(f"{path} is there already. Load it, or choose another name.") from error
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written. Choose a folder on a local disk with room.") from error
    finally:
        aside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
