"""The demo's scenes about what grows out of one credential: an offer, a stack across the border, a Europass file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from services.cli.demo_world import once_known, until
from services.cli.institutions import MICRO_CREDENTIAL, accredit_with_key
from shared.client import Client
from shared.clock import SystemClock
from shared.credential import draft
from shared.credential.model import MicroCredential
from shared.formats.elm import export as elm_export
from shared.formats.europass import MEDIA_TYPE
from shared.ids import new_ref
from shared.seals.specimen import identity, seal

if TYPE_CHECKING:
    from services.cli.demo_story import Story

COIMBRA: Mapping[str, Any] = {
    "institution": "coimbra",
    "name": "University of Coimbra",
    "country": "PT",
    "scope": {"credential_types": [MICRO_CREDENTIAL], "eqf_max": 8, "isced_f": []},
}
CALMLY = 0.1
"""Seconds between two looks that the limits of a node count: a public search more than most."""

LARGER = "Data science (specimen)"
RULE: Mapping[str, Any] = {"parts": 2, "ects_min": 5, "nodes": ["ee", "pt"]}


def stack(story: Story) -> None:
    """Tartu offers something larger; Coimbra awards a part of it; both parts are stacked; then one is revoked."""
    story.scene("Stackable: two universities, two countries, one larger credential")
    accredit_with_key(story.portugal, dict(COIMBRA))
    story.estonia.publish_offer("tartu", "data-science", _offer(story))
    offered, took = until(lambda: story.portugal.catalogue(text="data science"), bool, every=CALMLY)
    story.check("Tartu's offer, in Lisbon's catalogue", "ee/tartu/data-science", _names(offered), took)
    statistics = {**story.members, "title": "Statistics", "workload": {"ects": 3, "hours": 78}}
    body = {"legal_name": COIMBRA["name"], "country": "PT"}
    abroad = once_known(lambda: story.portugal.issue("coimbra", {**statistics, "awarding_body": body}))
    until(lambda: story.estonia.verify(abroad["credential"])["verdict"], lambda said: said == "valid", every=CALMLY)
    parts = [story.valid_credential, abroad["credential"]]
    whole = once_known(lambda: story.estonia.stack("tartu", parts, offer="data-science"), CALMLY)["credential"]
    story.say("2 ECTS from Tartu and 3 from Coimbra, each verified in Tallinn, make 5: nothing counts twice.")
    story.expect("the larger credential, in Lisbon", whole, "valid")
    story.portugal.revoke(abroad["ref"], reason="error")
    said, took = until(lambda: _of_parts(story.estonia, whole), lambda found: found == "part-affected", every=CALMLY)
    story.check("the same, in Tallinn, after Coimbra revoked its part", "part-affected", said, took)


def europass(story: Story) -> None:
    """What a file from the Europass tools is found to be."""
    story.scene("A sealed Europass file, read offline")
    now = SystemClock().now()
    file = _sealed_file(draft.build(story.members, now), now)
    found = _read(story.portugal, file)
    story.say("Sealed by a specimen university, and no trusted list is given here: a seal alone makes nothing valid.")
    story.check("the file as it is", "indeterminate (no-trusted-list)", _verdict(found), 0.0, found["detail"])
    forged = _read(story.portugal, file.replace(b"Data literacy", b"Data wizardry"))
    story.check("the same with another title", "invalid (seal-broken)", _verdict(forged), 0.0, forged["detail"])


def _offer(story: Story) -> dict[str, Any]:
    beforehand = {name: value for name, value in story.members.items() if name != "holder"}
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


def _verdict(report: Mapping[str, Any]) -> str:
    return f"{report['verdict']} ({report['reason']})"
