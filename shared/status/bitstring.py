"""The W3C Bitstring Status List v1.0 (Recommendation, 15 May 2025): one bit a credential, published for the world.

- At least 131,072 entries (16 KB), so that a reader of the list hides among them (sections 2.2 and 6.1).
- Index 0 is the leftmost bit: the most significant bit of byte 0 (section 2.2).
- `encodedList` is "u" (multibase, base64url without padding) and the GZIP of the bits (sections 2.2, 3.3 and 3.4).
- A list of another makes may be a bomb: at most `max_bytes` are ever unpacked (section 6.5), and from one GZIP member.
- The list travels as a VC 2.0 credential of type `BitstringStatusListCredential`, secured by whoever seals the payload.

Lists are derived: lose one, make it again from the states. The same indexes give the same bytes.
"""

from __future__ import annotations

import binascii
import gzip
import re
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import orjson
import pybase64

from shared.clock import rfc3339
from shared.errors import Invalid, Malformed

MIN_ENTRIES = 131_072
"""The least length of a list in entries (section 2.2)."""

MAX_BYTES = 2 * 1024 * 1024
"""The most we unpack of a list: 16 million entries."""

VC_CONTEXT = "https://www.w3.org/ns/credentials/v2"
"""The JSON-LD context that defines both the credential and the list (VC 2.0)."""

StatusPurpose = Literal["revocation", "suspension"]
"""What a set bit means: revocation is for ever, suspension is not (section 2.2)."""

_MULTIBASE = re.compile("u[A-Za-z0-9_-]+")
_GZIP = 16 + zlib.MAX_WBITS


class StatusListMalformed(Malformed):
    """The encoded list is not one that the standard describes."""

    title = "The status list could not be read."


class StatusIndexOutOfRange(Invalid):
    """The list has no such entry."""

    title = "The status list has no entry of that index."


def encode(indexes_set: Iterable[int], length: int = MIN_ENTRIES) -> str:
    """The `encodedList` of a list of `length` entries with these bits set; `length` is a multiple of 8."""
    if length < MIN_ENTRIES or length % 8:
        raise StatusIndexOutOfRange(f"A list has {MIN_ENTRIES} entries or more, a multiple of 8. Make it longer.")
    bits = bytearray(length // 8)
    for index in indexes_set:
        if not 0 <= index < length:
            raise StatusIndexOutOfRange("The index lies beyond the list's length. Use the list that allocated it.")
        bits[index >> 3] |= 0x80 >> (index & 7)
    return "u" + pybase64.urlsafe_b64encode(gzip.compress(bits, mtime=0)).rstrip(b"=").decode()


def decode(text: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bits behind an `encodedList`; raises `StatusListMalformed`. Never unpacks more than `max_bytes`."""
    if len(text) > 2 * max_bytes or not _MULTIBASE.fullmatch(text):
        raise StatusListMalformed("An encodedList begins with u and stays within limits. Ask its publisher for another.")
    try:
        packed = pybase64.urlsafe_b64decode(text[1:] + "=" * (-(len(text) - 1) % 4))
        unpacker = zlib.decompressobj(wbits=_GZIP)
        bits = unpacker.decompress(packed, max_bytes + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise StatusListMalformed("It is not base64url of GZIP. Ask its publisher for another.") from None
    if len(bits) > max_bytes or not unpacker.eof or unpacker.unused_data:
        raise StatusListMalformed("It unpacks to too much, or not to one whole list. Ask its publisher for another.")
    if len(bits) * 8 < MIN_ENTRIES:
        raise StatusListMalformed(f"It has fewer than {MIN_ENTRIES} entries. Ask its publisher for a longer one.")
    return bits


def is_set(bits: bytes, index: int) -> bool:
    """Whether the entry of that index is set; raises `StatusIndexOutOfRange`."""
    if not 0 <= index < len(bits) * 8:
        raise StatusIndexOutOfRange("The index lies beyond the list's end. Use the list that the credential names.")
    return bool(bits[index >> 3] & (0x80 >> (index & 7)))


def status_list_payload(
    *, url: str, issuer: str, purpose: StatusPurpose, encoded: str, valid_from: datetime, valid_until: datetime
) -> bytes:
    """The payload of a `BitstringStatusListCredential` (section 2.2), to be sealed with a status list key as `vc+jwt`.

    `url` is where the list is served, `issuer` the URI of the node that publishes it, `encoded` the result of `encode`.
    """
    subject = {"id": f"{url}#list", "type": "BitstringStatusList", "statusPurpose": purpose, "encodedList": encoded}
    credential = {
        "@context": [VC_CONTEXT],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": rfc3339(valid_from),
        "validUntil": rfc3339(valid_until),
        "credentialSubject": subject,
    }
    return orjson.dumps(credential)
