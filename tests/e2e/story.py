"""The demo's own story, told of nations that run elsewhere: in processes of their own, in containers, on other clusters.

    outcomes = story.tell(estonia, portugal)     # all scenes: the answers must be test_demo.EXPECTED
    outcomes = story.tell_at_home(estonia)       # one nation alone: issued, verified, revoked, forged

Scenes, words and expected answers are those of `testamur demo`; only the stage is another one.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console

from services.cli.demo import forgeries
from services.cli.demo import story as scenes
from services.cli.demo.stage import SceneOutcome, Stage
from services.cli.demo.world import DemoNode, World, until
from services.cli.federation.anchor import AnchorFolder
from shared.client import SERVICES, Client, NodeUnreachable, ProblemError
from shared.home.folder import Home

AWAKE = 180.0
"""Seconds within which a nation that was just started is ready and has heard whom it knows, on a busy machine."""

AT_HOME = ["registered", "valid", "invalid (revoked)", "invalid (signature-invalid)"]
"""What the answers of one nation's story must be."""


@dataclass
class Elsewhere(DemoNode):
    """A nation that runs already. Its `settings` name a folder with its keys: for tokens, and for a forger who stole one."""

    addresses: str = ""
    silence: Callable[[], None] = field(default=lambda: None)
    """Ends its services, as if the nation were cut off."""
    fetch: Callable[[], None] = field(default=lambda: None)
    """Brings the folder up to date, where it is a copy."""

    @property
    def home(self) -> Home:
        """Its folder as it is now: institutions get their keys while the story goes on."""
        self.fetch()
        return Home(self.settings)

    @property
    def url(self) -> str:
        """Where its services are, as `Client` and the command line take it."""
        return self.addresses

    def client(self) -> Client:
        """A client that may do everything here."""
        return Client(self.addresses, self.token("operator"))

    def start(self) -> None:
        """Wait until it is ready: all its services, and what they hear of the others."""
        with self.client() as client:
            complaints, _ = until(lambda: _complaints(client), lambda seen: not seen, patience=AWAKE)
        assert not complaints, f"{self.place} is not ready after {AWAKE:.0f} s: {complaints}"

    def stop(self) -> None:
        """Fall silent."""
        self.silence()


def tell(estonia: Elsewhere, portugal: Elsewhere, seed: int = 1) -> list[SceneOutcome]:
    """The whole story between two nations of one federation; an answer that is not the expected one fails in words."""
    stage, told = _stage(estonia, portugal)
    outcomes = scenes.tell(stage, seed)
    assert all(outcome.as_expected for outcome in outcomes), told.getvalue()
    return outcomes


def tell_at_home(nation: Elsewhere, seed: int = 1) -> list[SceneOutcome]:
    """What of the story one nation can tell by itself. The music school has no part in it."""
    stage, told = _stage(nation, nation)
    nation.start()
    scenes.accredit(stage)
    issued = scenes.issue(stage, "Issued")
    scenes.verify_abroad(stage, issued)
    scenes.revoke(stage, issued)
    stage.expect("one byte changed", forgeries.one_byte_changed(issued["credential"], seed)[0], AT_HOME[-1])
    assert all(outcome.as_expected for outcome in stage.outcomes), told.getvalue()
    return stage.outcomes


def _stage(estonia: Elsewhere, portugal: Elsewhere) -> tuple[Stage, io.StringIO]:
    told = io.StringIO()
    world = World(estonia, portugal, AnchorFolder.public(estonia.settings.home))
    return Stage(world, Console(file=told, width=120)), told


def _complaints(client: Client) -> list[str]:
    """What still keeps a nation from being ready."""
    try:
        for service in SERVICES:
            client.get(f"/{service}/readyz")
        known = client.get("/verifier/nodes")
    except (NodeUnreachable, ProblemError) as trouble:
        document = trouble.document if isinstance(trouble, ProblemError) else {}
        return [f"{trouble} {document.get('waiting', '')}".strip()]
    return [f"{one['node']} was never heard" for one in known if one["age_seconds"] is None]
