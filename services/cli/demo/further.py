"""The demo's scenes about what grows out of one credential: an offer, a stack across the border, a Europass file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from services.cli.demo.stage import Stage, verdict_of
from services.cli.demo.world import once_known, until
from services.cli.registry.institutions import MICRO_CREDENTIAL, accredit_with_key
from shared.client import Client
from shared.clock import SystemClock
from shared.credential import draft
from shared.credential.model import MicroCredential
from shared.formats.elm import export as elm_export
from shared.formats.europass import MEDIA_TYPE
from shared.ids import new_ref
from shared.seals.specimen import identity, seal

COIMBRA: Mapping[str, Any] = {
    "institution": "coimbra",
    "name": "University of Coimbra",
    "country": "PT",
    "scope": {"credential_types": [MICRO_CREDENTIAL], "eqf_max": 8, "isced_f": []},
}
SLOW_POLL_SECONDS = 0.1
"""Seconds between two looks that the limits of a node count: a public search more than most."""

LARGER = "Data science (specimen)"
RULE: Mapping[str, Any] = {"parts": 2, "ects_min": 5, "nodes": ["ee", "pt"]}


def stack(stage: Stage) -> None:
    """Tartu offers something larger; Coimbra awards a part of it; both parts are stacked; then one is revoked."""
    stage.scene("Stackable: two universities, two countries, one larger credential")
    accredit_with_key(stage.portugal, dict(COIMBRA))
    stage.estonia.publish_offer("tartu", "data-science", _offer(stage))
    offered, took = until(lambda: stage.portugal.catalogue(text="data science"), bool, every=SLOW_POLL_SECONDS)
    stage.check("Tartu's offer, in Lisbon's catalogue", "ee/tartu/data-science", _names(offered), took)
    statistics = {**stage.members, "title": "Statistics", "workload": {"ects": 3, "hours": 78}}
    body = {"legal_name": COIMBRA["name"], "country": "PT"}
    abroad = once_known(lambda: stage.portugal.issue("coimbra", {**statistics, "awarding_body": body}))
    until(
        lambda: stage.estonia.verify(abroad["credential"])["verdict"],
        lambda verdict: verdict == "valid",
        every=SLOW_POLL_SECONDS,
    )
    parts = [stage.valid_credential, abroad["credential"]]
    larger = once_known(lambda: stage.estonia.stack("tartu", parts, offer="data-science"), SLOW_POLL_SECONDS)["credential"]
    stage.say("2 ECTS from Tartu and 3 from Coimbra, each verified in Tallinn, make 5: nothing counts twice.")
    stage.expect("the larger credential, in Lisbon", larger, "valid")
    stage.portugal.revoke(abroad["ref"], reason="error")
    reason, took = until(
        lambda: _of_parts(stage.estonia, larger), lambda found: found == "part-affected", every=SLOW_POLL_SECONDS
    )
    stage.check("the same, in Tallinn, after Coimbra revoked its part", "part-affected", reason, took)


def europass(stage: Stage) -> None:
    """What a file from the Europass tools is found to be."""
    stage.scene("A sealed Europass file, read offline")
    now = SystemClock().now()
    file = _sealed_file(draft.build(stage.members, now), now)
    found = _read(stage.portugal, file)
    stage.say("Sealed by a specimen university, and no trusted list is given here: a seal alone makes nothing valid.")
    stage.check("the file as it is", "indeterminate (no-trusted-list)", verdict_of(found), 0.0, found["detail"])
    forged = _read(stage.portugal, file.replace(b"Data literacy", b"Data wizardry"))
    stage.check("the same with another title", "invalid (seal-broken)", verdict_of(forged), 0.0, forged["detail"])


def _offer(stage: Stage) -> dict[str, Any]:
    beforehand = {name: value for name, value in stage.members.items() if name != "holder"}
    assessment = {name: value for name, value in beforehand["assessment"].items() if name != "grade"}
    return {
        **beforehand,
        "title": LARGER,
        "workload": {"ects": 5, "hours": 130},
        "assessment": assessment,
        "rule": dict(RULE),
    }


def _names(offers: list[dict[str, Any]]) -> str:
    return ", ".join(offer["name"] for offer in offers)


def _of_parts(client: Client, credential: str) -> str:
    step = client.verify(credential)["steps"][9]
    return str(step["reason"] or step["outcome"])


def _read(client: Client, file: bytes) -> dict[str, Any]:
    found: dict[str, Any] = client.send(
        "POST", "/verifier/verifications/europass", content=file, headers={"Content-Type": MEDIA_TYPE}
    )
    return found


def _sealed_file(award: MicroCredential, now: datetime) -> bytes:
    """What the Europass tools would make of our export of a credential, with a specimen university's seal."""
    begins, ends = now - timedelta(days=30), now + timedelta(days=365)
    authority = identity("Specimen CA", "EE", None, begins, ends)
    sealer = identity("Specimen University", "EE", authority, begins, ends)
    return seal(orjson.dumps(elm_export.to_elm(award, new_ref(), now)).decode(), sealer, now)
