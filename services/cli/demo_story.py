"""The demo's story, scene by scene: what is done, what Lisbon answers, and what it ought to answer.

1 two nations   2 Tartu is accredited and issues   3 Lisbon verifies   4 Tartu revokes   5 forgeries
6 the learner shows what she chooses   7 a stack across the border   8 a Europass file   9 what each knows
10 Estonia falls silent

Every answer is compared with the expected one; the demo fails when one is otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from services.cli import demo_forgeries as forgeries
from services.cli import demo_further, output
from services.cli.demo_world import World, once_known, until
from services.cli.institutions import MICRO_CREDENTIAL, accredit_with_key
from shared.client import Client, ProblemError
from shared.clock import SystemClock
from shared.credential import written
from shared.formats import holder, sd_jwt_vc
from shared.ids import InstitutionId
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner

EXAMPLE = Path(__file__).with_name("data-literacy.yaml")
"""The credential that Tartu issues, as a person would write it; the same as `examples/data-literacy.yaml`."""

TARTU: Mapping[str, Any] = {
    "institution": "tartu",
    "name": "University of Tartu",
    "country": "EE",
    "scope": {"credential_types": [MICRO_CREDENTIAL], "eqf_max": 8, "isced_f": []},
}
MUSIC: Mapping[str, Any] = {
    "institution": "music-school",
    "name": "School of Music (specimen)",
    "country": "EE",
    "scope": {"credential_types": [MICRO_CREDENTIAL], "eqf_max": 6, "isced_f": ["0215"]},
}
"""Accredited for music and performing arts (ISCED-F 0215), and for nothing else."""

NOTICEABLE = 0.01
"""Seconds from which it is said how long an answer took to come out."""


@dataclass(frozen=True, slots=True)
class Outcome:
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
class Story:
    """The telling: who is on stage, where it is told, and what has come out so far."""

    world: World
    console: Console
    seed: int
    outcomes: list[Outcome] = field(default_factory=list)
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

    def tell(self) -> list[Outcome]:
        """All scenes in their order; returns every outcome."""
        self._nations()
        self._accredit()
        first = self._issue("The University of Tartu issues a micro-credential")
        self._verify_abroad(first)
        self._revoke(first)
        self._forgeries(first)
        self.valid_credential = self._issue("Tartu issues it again, without the mistake")["credential"]
        self.expect("the new credential", self.valid_credential, "valid")
        self._choose()
        demo_further.stack(self)
        demo_further.europass(self)
        self._knowledge()
        self._silence(first)
        return self.outcomes

    def _nations(self) -> None:
        self.scene("Two nations, one federation")
        with self._waiting("starting both nodes"):
            self.world.start()
        for nation in self.world.nations:
            self.say(f"{nation.place} runs its own node at {nation.url}, with its own keys and its own data.")
        self.say("One anchor signed the list that names both. They hear each other by HTTP and believe signatures only.")

    def _accredit(self) -> None:
        self.scene("Estonia accredits the University of Tartu")
        accredit_with_key(self.estonia, dict(TARTU))
        self.say("For micro-credentials in every field, up to EQF level 8; and announces the university's key.")
        accredit_with_key(self.estonia, dict(MUSIC))
        self.say("A school of music (a specimen) is accredited too: for music, ISCED-F 0215, and nothing else.")

    def _issue(self, title: str) -> dict[str, Any]:
        self.scene(title)
        issued = once_known(lambda: self.estonia.issue("tartu", self.members))
        award, ref = self.members, issued["ref"]
        self.say(f"{award['title']['en']}, {award['workload']['ects']} ECTS, EQF level {award['level']['eqf']}. Ref {ref}")
        standing, took = until(lambda: self._issued_status(ref), lambda status: status == "registered")
        self.check("at the Estonian registry", "registered", standing, took)
        return issued

    def _verify_abroad(self, issued: Mapping[str, Any]) -> None:
        self.scene("Lisbon verifies it, from its own replica: no call to Estonia")
        report = self.expect("the credential, in Lisbon", issued["credential"], "valid")
        self.console.print(output.report(report))

    def _revoke(self, issued: Mapping[str, Any]) -> None:
        self.scene("Tartu's administrator revokes it: there was a mistake in it")
        self.estonia.revoke(issued["ref"], reason="error")
        self.expect("the revoked credential, in Lisbon", issued["credential"], "invalid (revoked)")
        self.say(f"Visible abroad {self.outcomes[-1].seconds * 1000:.0f} ms after Estonia had acknowledged it.", "bold")

    def _forgeries(self, issued: Mapping[str, Any]) -> None:
        self.scene("What Lisbon does not believe")
        changed, how = forgeries.one_byte_changed(issued["credential"], self.seed)
        self.expect(f"one byte changed ({how})", changed, "invalid (signature-invalid)")
        stranger = forgeries.of_an_unaccredited_institution(self.members, self.federation, "ee")
        self.expect("an institution that nobody accredited", stranger, "invalid (not-accredited)")
        self._refused_at_home()
        name, slug = str(MUSIC["name"]), str(MUSIC["institution"])
        signer = self.world.estonia.home.signer(f"institution-{slug}")
        other = forgeries.of_another_field(self.members, InstitutionId(self.federation, "ee", slug), name, signer)
        self.expect("the school of music, signing for it anyway", other, "invalid (field-out-of-scope)")
        nowhere = forgeries.of_an_unknown_nation(self.members, self.federation)
        self.expect("a nation that nobody knows", nowhere, "indeterminate (unknown-nation)")

    def _refused_at_home(self) -> None:
        """The true issuer, asked by the school of music for what it is not accredited for."""
        body = {**self.members, "awarding_body": {"legal_name": MUSIC["name"], "country": "EE"}}
        why = ""
        try:
            self.estonia.issue(str(MUSIC["institution"]), body)
            answered = "issued"
        except ProblemError as problem:
            answered = f"refused ({problem.slug})"
            why = problem.detail
        self.check("its own issuer, asked by the school of music", "refused (credential-refused)", answered, 0.0, why)

    def _choose(self) -> None:
        """The learner's own side: a wallet's key, a choice of what to show, an answer to one verifier's question."""
        self.scene("The learner shows what she chooses, to whom she chooses")
        wallet = LocalSigner.generate(Purpose.HOLDER)
        bound = {name: wallet.public_jwk[name] for name in ("kty", "crv", "x", "y")}
        members = {**self.members, "holder": {**self.members["holder"], "key": bound}}
        issued = self.estonia.issue(str(TARTU["institution"]), members, formats=[sd_jwt_vc.NAME])
        self.say("Issued once more, for her wallet: every personal claim is concealed until she shows it.")
        shown = holder.choose(issued["credential"].encode(), ["grade"])
        asked = {"nonce": secrets.token_urlsafe(12), "audience": self.portugal.url}
        answer = holder.bind(shown, wallet, now=SystemClock().now(), **asked).decode()
        self.expect("her grade without her name, in answer to Lisbon's question", answer, "valid", **asked)
        elsewhere = {**asked, "nonce": secrets.token_urlsafe(12)}
        self.expect("the same, shown again by somebody else", answer, "invalid (key-binding-invalid)", **elsewhere)

    def _knowledge(self) -> None:
        self.scene("What each node knows, and how old that is")
        lines = []
        for nation, client in zip(self.world.nations, (self.estonia, self.portugal), strict=True):
            heard, _ = until(lambda client=client: client.get("/verifier/neighbours"), _all_heard)  # type: ignore[misc]
            for known in heard:
                applied = ", ".join(f"{one['stream']} up to {one['seq']}" for one in known["streams"])
                age = "never heard" if known["age_seconds"] is None else f"{known['age_seconds']:.1f} s"
                lines.append({"node": nation.place, "of": known["node"], "applied": applied, "age": age})
            self.check(f"{nation.place} knows both nodes", "yes", "yes" if _all_heard(heard) else "no", 0.0)
        self.console.print(output.rows(("node", "of", "applied", "age"), lines, "nothing"))

    def _silence(self, revoked: Mapping[str, Any]) -> None:
        self.scene("Estonia falls silent")
        self.world.estonia.stop()
        age = self.world.portugal.settings.max_age
        self.say(f"Its node is stopped. After {age} s (fifteen minutes outside this demo) Lisbon's knowledge is stale.")
        with self._waiting("waiting until what Lisbon knows is too old"):
            self.expect("the valid credential, while Estonia is silent", self.valid_credential, "indeterminate (stale)")
        self.expect("the revoked one: that is not forgotten", revoked["credential"], "invalid (revoked)")

    def _issued_status(self, ref: str) -> str:
        return str(self.estonia.credential(ref)["status"])

    def expect(self, shown: str, credential: str, expected: str, **question: str) -> dict[str, Any]:
        """Ask Lisbon until it answers as expected or patience ends; the report, and an outcome more."""
        report, took = until(lambda: self.portugal.verify(credential, **question), lambda found: _verdict(found) == expected)
        why = report["detail"] if report["reason"] else ""
        self.check(shown, expected, _verdict(report), took, why)
        return report

    def check(self, shown: str, expected: str, answered: str, seconds: float, why: str = "") -> None:
        """Note an answer beside what it should be, and show it."""
        outcome = Outcome(shown, expected, answered, seconds)
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
    def _waiting(self, text: str) -> Iterator[None]:
        with self.console.status(text) if self.console.is_terminal else _nothing():
            yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _all_heard(known: list[dict[str, Any]]) -> bool:
    return all(one["age_seconds"] is not None for one in known)


def _verdict(report: Mapping[str, Any]) -> str:
    return str(report["verdict"]) if report["reason"] is None else f"{report['verdict']} ({report['reason']})"
