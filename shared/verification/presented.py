"""What was presented: bytes, read within limits, and what they say, none of it believed yet."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import TestamurError
from shared.formats import registry
from shared.formats.port import ReadCredential
from shared.ids import InstitutionId
from shared.jose import gate
from shared.jose.sd_jwt import Presentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A credential as it was read; or, with `refusal` and `detail`, why it could not be. Nothing of it is verified."""

    format: str | None
    token: gate.Token | None = None
    credential: ReadCredential | None = None
    commitment: str | None = None
    """SHA-256 of the signing input, to be compared with the registered one."""
    presentation: Presentation | None = None
    """What else was shown, of a credential with selective disclosure."""
    refusal: str | None = None
    """`malformed` or `unknown-format`."""
    detail: str = ""

    @property
    def institution(self) -> InstitutionId | None:
        """The institution that it says has signed it."""
        return self.credential.institution if self.credential else None

    @property
    def origin(self) -> str | None:
        """The node in whose namespace it is to be read."""
        return self.credential.institution.node if self.credential else None

    @property
    def ref(self) -> str | None:
        """Its reference, inside that namespace."""
        return self.credential.ref if self.credential else None

    @property
    def kid(self) -> str | None:
        """The id of the key that is said to have signed it."""
        return self.token.kid if self.token else None


def recognise(raw: bytes | str) -> Presented:
    """Step 0's work: recognise the format, read within limits. Never raises; what cannot be read holds its refusal."""
    name = registry.recognise(raw)
    if name is None:
        return Presented(format=None, refusal="unknown-format")
    try:
        reading = registry.read(raw, name)
    except TestamurError as error:
        return Presented(format=name, refusal="malformed", detail=error.detail)
    return Presented(
        format=reading.format,
        token=reading.token,
        credential=reading.credential,
        commitment=reading.commitment,
        presentation=reading.presentation,
    )
