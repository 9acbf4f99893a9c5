"""What the issuer answers about an institution's key."""

from __future__ import annotations

from shared.web.command import View


class SigningKeyView(View):
    """An institution's signing key: its public half, to be announced by the registry before it signs."""

    institution: str
    kid: str
    jwk: dict[str, str]
