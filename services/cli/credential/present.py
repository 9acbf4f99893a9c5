"""`testamur present`: the learner's side. Choose what to show of a credential, and show that it is yours. Offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.credential.credentials import File, Out, check_out
from services.cli.credential.drafts import LARGEST_CREDENTIAL, read_file
from services.cli.output import note
from shared.clock import SystemClock
from shared.errors import Invalid
from shared.formats import holder
from shared.jose import strict_json
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner

app = typer.Typer()


class KeyNotGiven(Invalid):
    """What was asked for needs the holder's key, with a nonce and an audience."""

    title = "It cannot be shown to be yours without all of these."


@app.command()
def present(
    file: File,
    show: Annotated[str, typer.Option(help="What to show, with commas: givenName,familyName,dateOfBirth,grade.")] = "",
    key: Annotated[
        Path | None, typer.Option(help="Your private key (a JWK file), which the credential is bound to.")
    ] = None,
    nonce: Annotated[str | None, typer.Option(help="What the verifier asked you to sign.")] = None,
    audience: Annotated[str | None, typer.Option(help="Whom you present it to.")] = None,
    out: Out = None,
) -> None:
    """Present a credential with selective disclosure: only what is named is shown, everything public always is."""
    check_out(out)
    chosen = [name.strip() for name in show.split(",") if name.strip()]
    shown = holder.choose(read_file(file, LARGEST_CREDENTIAL).strip(), chosen)
    if (key, nonce, audience) != (None, None, None):
        if key is None or nonce is None or audience is None:
            raise KeyNotGiven("Give --key, --nonce and --audience together.")
        signer = LocalSigner.from_private_jwk(_read_jwk(key), Purpose.HOLDER)
        shown = holder.bind(shown, signer, nonce=nonce, audience=audience, now=SystemClock().now())
    note(f"Shown: {', '.join(chosen) or 'nothing personal'}.")
    if out is None:
        print(shown.decode())
    else:
        out.write_bytes(shown + b"\n")


def _read_jwk(path: Path) -> dict[str, str]:
    try:
        found = strict_json.loads(read_file(path, LARGEST_CREDENTIAL))
    except strict_json.NotStrictJson:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise KeyNotGiven(f"{path} is no private key as a JWK. Give the one that the credential is bound to.")
    return {name: value for name, value in found.items() if name in ("kty", "crv", "x", "y", "d")}
