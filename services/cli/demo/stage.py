"""What the demo's scenes share: who is on stage, how a scene is told, and what has come out so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from services.cli import output
from services.cli.demo.world import World, until
from shared.client import Client
from shared.credential import written

EXAMPLE = Path(__file__).with_name("data-literacy.yaml")
"""The credential that Tartu issues, as a person would write it: a link to `examples/data-literacy.yaml`."""

NOTICEABLE = 0.01
"""Seconds from which it is said how long an answer took to come out."""


@dataclass(frozen=True, slots=True)
class SceneOutcome:
    """One answer: what was shown, what it should have been, what it was, and the seconds it took to become so."""

    shown: str
    expected: str
    answered: str
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether the answer is the expected one."""
        return self.expected == self.answered


@dataclass
class Stage:
    """Two nations, a console to tell it on, and every answer so far."""

    world: World
    console: Console
    outcomes: list[SceneOutcome] = field(default_factory=list)
    valid_credential: str = ""

    @cached_property
    def estonia(self) -> Client:
        """An operator in Tallinn."""
        return self.world.estonia.client()

    @cached_property
    def portugal(self) -> Client:
        """An operator in Lisbon."""
        return self.world.portugal.client()

    @property
    def federation(self) -> str:
        """The federation that both belong to."""
        return self.world.estonia.settings.federation

    @cached_property
    def members(self) -> dict[str, Any]:
        """What the example says, as a draft."""
        return written.read(EXAMPLE.read_bytes())

    def expect(self, shown: str, credential: str, expected: str, **question: str) -> dict[str, Any]:
        """Ask Lisbon until it answers as expected or patience ends; the report, and an outcome more."""
        report, took = until(
            lambda: self.portugal.verify(credential, **question), lambda found: verdict_of(found) == expected
        )
        why = report["detail"] if report["reason"] else ""
        self.check(shown, expected, verdict_of(report), took, why)
        return report

    def check(self, shown: str, expected: str, answered: str, seconds: float, why: str = "") -> None:
        """Note an answer beside what it should be, and show it."""
        outcome = SceneOutcome(shown, expected, answered, seconds)
        self.outcomes.append(outcome)
        style = output.COLOURS.get(answered.partition(" ")[0], "bold green")
        line = Text("  ✓ " if outcome.as_expected else "  ✗ ", style="green" if outcome.as_expected else "bold red")
        line.append(f"{shown}: ", style="").append(answered, style=style)
        if not outcome.as_expected:
            line.append(f", and it should be {expected}", style="bold red")
        if seconds >= NOTICEABLE:
            line.append(f"  after {seconds:.1f} s" if seconds >= 1 else f"  after {seconds * 1000:.0f} ms", style="dim")
        self.console.print(line)
        if why:
            self.say(f"  {why}", "dim")

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self.console.print()
        self.console.rule(Text(title, style="bold cyan"), align="left", style="cyan")

    def say(self, text: str, style: str = "") -> None:
        """Tell something."""
        self.console.print(Text(f"  {text}", style=style))

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something takes a while."""
        with self.console.status(text) if self.console.is_terminal else _nothing():
            yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def verdict_of(report: Mapping[str, Any]) -> str:
    """The verdict with its reason, as the demo shows it: `invalid (revoked)`."""
    return str(report["verdict"]) if report["reason"] is None else f"{report['verdict']} ({report['reason']})"
