"""`testamur demo`: two nations on this machine, a credential's life across their border, and what is not believed."""

from __future__ import annotations

import signal
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from services.cli.exit_codes import Code
from services.cli.local import AsJson
from services.cli.output import err, out, print_json

if TYPE_CHECKING:
    from services.cli.demo.stage import SceneOutcome, Stage
    from services.cli.demo.world import World

app = typer.Typer()

HEARD_AGAIN_SECONDS = 90.0
"""Seconds within which a nation that was silent is heard again at the latest: others ask it ever more rarely."""


@app.command()
def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Leave both nodes up afterwards, to try things by hand.")] = False,
    seed: Annotated[int, typer.Option(help="Decides which forged byte is written; the same seed, the same forgery.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show it all: two nations, a credential issued, verified, revoked across a border, and forgeries refused."""
    from services.cli.demo import world as demo_world

    with tempfile.TemporaryDirectory(prefix="testamur-demo-") as folder:
        world = demo_world.build(Path(folder))
        try:
            code = _perform(world, seed, serve=serve, as_json=as_json)
        finally:
            world.stop()
    raise typer.Exit(code)


def _perform(world: World, seed: int, *, serve: bool, as_json: bool) -> Code:
    from services.cli.demo.stage import Stage
    from services.cli.demo.story import tell

    stage = Stage(world, err if as_json else out)
    outcomes = tell(stage, seed)
    _conclude(outcomes, as_json=as_json)
    if serve:
        _leave_up(stage)
    return exit_code(outcomes)


def exit_code(outcomes: list[SceneOutcome]) -> Code:
    """Refused as soon as one answer was not the expected one, or none was given."""
    return Code.FINE if outcomes and all(outcome.as_expected for outcome in outcomes) else Code.REFUSED


def _conclude(outcomes: list[SceneOutcome], *, as_json: bool) -> None:
    wrong = [outcome for outcome in outcomes if not outcome.as_expected]
    if as_json:
        print_json([{**asdict(outcome), "as_expected": outcome.as_expected} for outcome in outcomes])
        return
    out.print()
    if not wrong:
        out.print(Text(f"All {len(outcomes)} answers came out as they should.", style="bold green"))
    for outcome in wrong:
        line = f"{outcome.shown}: it should be {outcome.expected}, and was {outcome.answered}"
        out.print(Text(line, style="bold red"))


def _leave_up(stage: Stage) -> None:
    """Estonia comes back; both stay until Ctrl-C or SIGTERM."""
    from services.cli.demo.world import until

    world = stage.world
    err.print("\nEstonia comes back; Lisbon tries it again every few seconds.", style="dim")
    world.estonia.start()
    until(
        lambda: stage.portugal.verify(stage.valid_credential),
        lambda report: report["verdict"] == "valid",
        HEARD_AGAIN_SECONDS,
    )
    err.print(Text("\nEstonia is back, Lisbon says valid again, and both nodes stay up until Ctrl-C.", style="bold"))
    for nation in world.nations:
        err.print(f"\n{nation.place}: {nation.url}", markup=False)
        for service in ("issuer", "registry", "verifier", "notifier"):
            err.print(f"  {nation.url}/{service}/docs", markup=False)
    for line in _curl_lines(stage):
        print(f"\n{line}")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _curl_lines(stage: Stage) -> list[str]:
    """What to try: verify in Lisbon, look up and revoke in Estonia, verify again."""
    estonia, portugal = stage.world.estonia, stage.world.portugal
    ref = stage.portugal.verify(stage.valid_credential)["credential"]["ref"]
    in_lisbon = f"curl -s -w '\\n' -H 'Authorization: Bearer {portugal.token('verifier')}'"
    in_tallinn = f"curl -s -w '\\n' -H 'Authorization: Bearer {estonia.token('registrar')}'"
    held = f"{estonia.url}/registry/credentials/{ref}"
    verify = f"-H 'Content-Type: application/vc+jwt' -d {stage.valid_credential} {portugal.url}/verifier/verifications"
    reason = """-H 'Content-Type: application/json' -H 'Idempotency-Key: try-1' -d '{"reason": "error"}'"""
    return [
        f"# Lisbon verifies a credential from Tartu:\n{in_lisbon} {verify}",
        f"# Estonia says how it stands:\n{in_tallinn} {held}",
        f"# Estonia revokes it; then let Lisbon verify it again:\n{in_tallinn} {reason} {held}/revoke",
    ]
