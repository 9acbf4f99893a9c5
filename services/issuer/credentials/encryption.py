"""Encrypting a credential under a key of its own, so that destroying one small document erases it. Pure.

- AES-256-GCM (NIST SP 800-38D): a random key a credential, a random nonce a message. The ref and the use are bound in as
  associated data, so a box that is moved to another row or to another use does not open.
- One key encrypts a few messages: the credential in each of its formats, and the stored answer to the request that made it.
- Boxes and keys lie apart so that a credential can be erased. The node itself has both, and can read.
"""

from __future__ import annotations

import secrets

import pybase64
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import Misconfigured

Use = str
"""What a box holds: `credential` (in the format that the row names), `answer`, or the name of a further format."""

KEY_BYTES = 32
NONCE_BYTES = 12
"""96 bits, as SP 800-38D, 8.2 recommends; with a few messages a key, random nonces cannot meet."""


class BoxDamaged(Misconfigured):
    """An encrypted credential does not open with its own key."""

    title = "A stored credential cannot be opened."


def new_key() -> bytes:
    """A fresh key for one credential."""
    return secrets.token_bytes(KEY_BYTES)


def encrypt(key: bytes, ref: str, use: Use, plain: bytes) -> str:
    """Encrypt; the box is base64 of nonce, ciphertext and tag."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return pybase64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, _bound(ref, use))).decode()


def decrypt(key: bytes, ref: str, use: Use, box: str) -> bytes:
    """Decrypt; raises `BoxDamaged` for another key, ref or use, or a changed box."""
    try:
        raw = pybase64.b64decode(box, validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(ref, use))
    except (InvalidTag, ValueError) as error:
        raise BoxDamaged("Restore the issuer's store from a backup; what was issued still verifies.") from error


def _bound(ref: str, use: Use) -> bytes:
    return f"{use} {ref}".encode()
