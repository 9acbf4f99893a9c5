"""The demo's story, scene by scene: what is done, what Lisbon answers, and what it ought to answer.

1 two nations   2 Tartu is accredited and issues   3 Lisbon verifies   4 Tartu revokes   5 forgeries
6 the learner shows what she chooses   7 a stack across the border   8 a Europass file   9 what each knows
10 Estonia falls silent

Every answer is compared with the expected one; the demo fails when one is otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from services.cli import output
from services.cli.demo import forgeries, further
from services.cli.demo.stage import SceneOutcome, Stage
from services.cli.demo.world import once_known, until
from services.cli.registry.institutions import MICRO_CREDENTIAL, accredit_with_key
from shared.client import ProblemError
from shared.clock import SystemClock
from shared.formats import holder, sd_jwt_vc
from shared.ids import InstitutionId
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner

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


def tell(stage: Stage, seed: int) -> list[SceneOutcome]:
    """All scenes in their order; returns every outcome. `seed` decides which byte of a credential is forged."""
    _nations(stage)
    accredit(stage)
    first = issue(stage, "The University of Tartu issues a micro-credential")
    verify_abroad(stage, first)
    revoke(stage, first)
    _forgeries(stage, first, seed)
    stage.valid_credential = issue(stage, "Tartu issues it again, without the mistake")["credential"]
    stage.expect("the new credential", stage.valid_credential, "valid")
    _choose(stage)
    further.stack(stage)
    further.europass(stage)
    _knowledge(stage)
    _silence(stage, first)
    return stage.outcomes


def _nations(stage: Stage) -> None:
    stage.scene("Two nations, one federation")
    with stage.waiting("starting both nodes"):
        stage.world.start()
    for nation in stage.world.nations:
        stage.say(f"{nation.place} runs its own node at {nation.url}, with its own keys and its own data.")
    stage.say("One anchor signed the list that names both. They hear each other by HTTP and believe signatures only.")


def accredit(stage: Stage) -> None:
    """Accredit the university, and a school of music that plays no part until the forgeries."""
    stage.scene("Estonia accredits the University of Tartu")
    accredit_with_key(stage.estonia, dict(TARTU))
    stage.say("For micro-credentials in every field, up to EQF level 8; and announces the university's key.")
    accredit_with_key(stage.estonia, dict(MUSIC))
    stage.say("A school of music (a specimen) is accredited too: for music, ISCED-F 0215, and nothing else.")


def issue(stage: Stage, title: str) -> dict[str, Any]:
    """Issue the example; returns the issuer's answer once its registry has registered it."""
    stage.scene(title)
    issued = once_known(lambda: stage.estonia.issue("tartu", stage.members))
    award, ref = stage.members, issued["ref"]
    stage.say(f"{award['title']['en']}, {award['workload']['ects']} ECTS, EQF level {award['level']['eqf']}. Ref {ref}")
    standing, took = until(lambda: _issued_status(stage, ref), lambda status: status == "registered")
    stage.check("at the Estonian registry", "registered", standing, took)
    return issued


def verify_abroad(stage: Stage, issued: Mapping[str, Any]) -> None:
    """Ask the other nation, and show its whole report."""
    stage.scene("Lisbon verifies it, from its own replica: no call to Estonia")
    report = stage.expect("the credential, in Lisbon", issued["credential"], "valid")
    stage.console.print(output.report(report))


def revoke(stage: Stage, issued: Mapping[str, Any]) -> None:
    """Revoke it, and see that abroad."""
    stage.scene("Tartu's administrator revokes it: there was a mistake in it")
    stage.estonia.revoke(issued["ref"], reason="error")
    stage.expect("the revoked credential, in Lisbon", issued["credential"], "invalid (revoked)")
    stage.say(f"Visible abroad {stage.outcomes[-1].seconds * 1000:.0f} ms after Estonia had acknowledged it.", "bold")


def _forgeries(stage: Stage, issued: Mapping[str, Any], seed: int) -> None:
    stage.scene("What Lisbon does not believe")
    changed, how = forgeries.one_byte_changed(issued["credential"], seed)
    stage.expect(f"one byte changed ({how})", changed, "invalid (signature-invalid)")
    stranger = forgeries.of_an_unaccredited_institution(stage.members, stage.federation, "ee")
    stage.expect("an institution that nobody accredited", stranger, "invalid (not-accredited)")
    _refused_at_home(stage)
    name, slug = str(MUSIC["name"]), str(MUSIC["institution"])
    signer = stage.world.estonia.home.signer(f"institution-{slug}")
    other = forgeries.of_another_field(stage.members, InstitutionId(stage.federation, "ee", slug), name, signer)
    stage.expect("the school of music, signing for it anyway", other, "invalid (field-out-of-scope)")
    nowhere = forgeries.of_an_unknown_nation(stage.members, stage.federation)
    stage.expect("a node that is in no federation list", nowhere, "indeterminate (unknown-nation)")


def _refused_at_home(stage: Stage) -> None:
    """The true issuer, asked by the school of music for what it is not accredited for."""
    body = {**stage.members, "awarding_body": {"legal_name": MUSIC["name"], "country": "EE"}}
    why = ""
    try:
        stage.estonia.issue(str(MUSIC["institution"]), body)
        answered = "issued"
    except ProblemError as problem:
        answered = f"refused ({problem.slug})"
        why = problem.detail
    stage.check("its own issuer, asked by the school of music", "refused (credential-refused)", answered, 0.0, why)


def _choose(stage: Stage) -> None:
    """The learner's own side: a wallet's key, a choice of what to show, an answer to one verifier's question."""
    stage.scene("The learner shows what she chooses, to whom she chooses")
    wallet = LocalSigner.generate(Purpose.HOLDER)
    bound = {name: wallet.public_jwk[name] for name in ("kty", "crv", "x", "y")}
    members = {**stage.members, "holder": {**stage.members["holder"], "key": bound}}
    issued = stage.estonia.issue(str(TARTU["institution"]), members, formats=[sd_jwt_vc.NAME])
    stage.say("Issued once more, for her wallet: every personal claim is concealed until she shows it.")
    shown = holder.choose(issued["credential"].encode(), ["grade"])
    asked = {"nonce": secrets.token_urlsafe(12), "audience": stage.portugal.url}
    answer = holder.bind(shown, wallet, now=SystemClock().now(), **asked).decode()
    stage.expect("her grade without her name, in answer to Lisbon's question", answer, "valid", **asked)
    elsewhere = {**asked, "nonce": secrets.token_urlsafe(12)}
    stage.expect("the same, shown again by somebody else", answer, "invalid (key-binding-invalid)", **elsewhere)


def _knowledge(stage: Stage) -> None:
    stage.scene("What each node knows, and how old that is")
    lines = []
    for nation, client in zip(stage.world.nations, (stage.estonia, stage.portugal), strict=True):
        heard, _ = until(lambda client=client: client.get("/verifier/nodes"), _all_heard)  # type: ignore[misc]
        for known in heard:
            applied = ", ".join(f"{one['stream']} up to {one['seq']}" for one in known["streams"])
            age = "never heard" if known["age_seconds"] is None else f"{known['age_seconds']:.1f} s"
            lines.append({"node": nation.place, "of": known["node"], "applied": applied, "age": age})
        stage.check(f"{nation.place} knows both nodes", "yes", "yes" if _all_heard(heard) else "no", 0.0)
    stage.console.print(output.rows(("node", "of", "applied", "age"), lines, "nothing"))


def _silence(stage: Stage, revoked: Mapping[str, Any]) -> None:
    stage.scene("Estonia falls silent")
    stage.world.estonia.stop()
    age = stage.world.portugal.settings.max_age
    stage.say(f"Its node is stopped. After {age} s (fifteen minutes outside this demo) Lisbon's knowledge is stale.")
    with stage.waiting("waiting until what Lisbon knows is too old"):
        stage.expect("the valid credential, while Estonia is silent", stage.valid_credential, "indeterminate (stale)")
    stage.expect("the revoked one: that is not forgotten", revoked["credential"], "invalid (revoked)")


def _issued_status(stage: Stage, ref: str) -> str:
    return str(stage.estonia.credential(ref)["status"])


def _all_heard(known: list[dict[str, Any]]) -> bool:
    return all(one["age_seconds"] is not None for one in known)
