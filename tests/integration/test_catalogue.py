"""Promise: what an institution offers is found in all nations, and is what its credentials are issued from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from services.registry.catalogue import index
from shared.credential import written
from shared.events.offers import OfferPublished
from shared.jose import gate, token
from tests.world import EXAMPLE, World, federate, world

OFFER = EXAMPLE.with_name("offer.yaml")


@pytest.fixture
async def europe() -> AsyncIterator[World]:
    async with world("ee", "pt") as nations:
        await nations["ee"].accredits("tartu")
        await nations["ee"].accredits("tallinn")
        yield nations


def document(**changes: Any) -> dict[str, Any]:
    return {**written.read(OFFER.read_bytes()), **changes}


async def publish(europe: World, name: str = "data-literacy", slug: str = "tartu", **changes: Any) -> dict[str, Any]:
    command = {"institution": slug, "offer": name, "document": document(**changes)}
    made = await europe["ee"].must("registry", "POST", "/offers", command)
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    return dict(made)


async def found(europe: World, where: str, **sought: Any) -> list[str]:
    """The names of the offers that a search finds, asked without a token as anybody would."""
    answer = await europe[where].clients["registry"].get("/catalogue", params=sought)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


def faults(answer: httpx2.Response) -> set[str]:
    return {fault["path"] for fault in answer.json()["faults"]}


async def test_an_offer_published_in_one_nation_is_found_in_another(europe: World) -> None:
    await publish(europe)
    for nation in ("ee", "pt"):
        assert await found(europe, nation, text="andmekirjaoskus") == ["ee/tartu/data-literacy"]
        shown = await europe[nation].clients["registry"].get("/catalogue/ee/tartu/data-literacy")
        assert shown.json()["document"]["workload"] == {"ects": 2.0, "hours": 52.0}


async def test_a_search_reads_words_without_accents_and_every_condition(europe: World) -> None:
    await publish(europe)
    await publish(europe, "statistics", title={"pt": "Introdução à Estatística"}, level={"eqf": 7}, workload={"ects": 6})
    statistics, literacy = "ee/tartu/statistics", "ee/tartu/data-literacy"
    assert await found(europe, "pt", text="ESTATISTICA introducao") == [statistics]
    assert await found(europe, "pt", text="estatistica nowhere") == []
    assert await found(europe, "pt", eqf=6) == [literacy]
    assert await found(europe, "pt", ects_min=3, ects_max=6) == [statistics]
    assert await found(europe, "pt", isced_f="06", language="et", country="EE", stackable=True) == [literacy, statistics]
    assert await found(europe, "pt", country="PT") == []


async def test_a_larger_offer_finds_the_offers_that_stack_into_it(europe: World) -> None:
    await publish(europe, stacks_into=["pt/coimbra/data-science"])
    await publish(europe, "alone")
    assert await found(europe, "pt", stacks_into="pt/coimbra/data-science") == ["ee/tartu/data-literacy"]


async def test_an_offer_published_again_is_a_new_version_of_the_same(europe: World) -> None:
    await publish(europe)
    assert (await publish(europe, title="Reading data"))["version"] == 2
    shown = (await europe["pt"].clients["registry"].get("/catalogue")).json()["items"]
    assert [(one["version"], one["title"]) for one in shown] == [(2, {"en": "Reading data"})]


async def test_a_withdrawn_offer_is_found_nowhere_and_is_not_issued_from(europe: World) -> None:
    await publish(europe)
    await europe["ee"].must("registry", "POST", "/offers/tartu/data-literacy/withdraw")
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    for nation in ("ee", "pt"):
        assert await found(europe, nation) == []
        gone = await europe[nation].clients["registry"].get("/catalogue/ee/tartu/data-literacy")
        assert gone.status_code == 404
    refused = await europe["ee"].ask(
        "issuer", "POST", "/credentials", {"institution": "tartu", "offer": "data-literacy", "credential": {}}
    )
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (404, "offer-unknown")


async def test_a_credential_issued_from_an_offer_says_what_the_offer_said_and_verifies_abroad(europe: World) -> None:
    await publish(europe)
    own = {"holder": {"given_name": "Specimen", "family_name": "Learner"}, "assessment": {"grade": "Pass"}}
    command = {"institution": "tartu", "offer": "data-literacy", "credential": own}
    made = await europe["ee"].must("issuer", "POST", "/credentials", command)
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    report = await europe["pt"].verifies(made["credential"])
    assert report["verdict"] == "valid"
    subject = gate.claims(token.read(made["credential"], typ="vc+jwt"))["credentialSubject"]["microCredential"]
    assert subject["title"] == document()["title"]
    assert subject["assessment"]["grade"] == {"en": "Pass"}
    assert subject["assessment"]["type"]["label"] == {"en": "project work"}


async def test_every_fault_of_an_offer_is_told_at_once(europe: World) -> None:
    wrong = document(workload={"ects": 2, "hours": 500}, holder={"full_name": "x"}, begins="2027-03-01", ends="2027-02-01")
    wrong["assessment"] = {**wrong["assessment"], "grade": "Pass"}
    command = {"institution": "tartu", "offer": "data-literacy", "document": wrong}
    refused = await europe["ee"].ask("registry", "POST", "/offers", command)
    assert refused.status_code == 422
    assert faults(refused) == {"workload", "holder", "assessment.grade", "ends"}
    assert await found(europe, "ee") == []


async def test_an_institution_offers_only_what_it_is_accredited_for(europe: World) -> None:
    command = {"institution": "tartu", "offer": "doctorate", "document": document(level={"eqf": 8})}
    refused = await europe["ee"].ask("registry", "POST", "/offers", command)
    assert (refused.status_code, faults(refused)) == (422, {"level"})
    abroad = document(awarding_body={"legal_name": "Elsewhere", "country": "PT"})
    refused = await europe["ee"].ask("registry", "POST", "/offers", {**command, "document": abroad})
    assert (refused.status_code, faults(refused)) == (422, {"awarding_body.country"})


async def test_offers_end_with_the_accreditation_that_covered_them(europe: World) -> None:
    await publish(europe)
    await publish(europe, slug="tallinn")
    held = europe["ee"].institutions["tartu"]["accreditations"][0]["accreditation"]
    await europe["ee"].must("registry", "POST", f"/institutions/tartu/accreditations/{held}/withdraw")
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    assert await found(europe, "pt") == ["ee/tallinn/data-literacy"]


async def test_an_institution_neither_publishes_nor_withdraws_for_another(europe: World) -> None:
    await publish(europe)
    token = europe["ee"].token(institution="tallinn")
    command = {"institution": "tartu", "offer": "data-literacy", "document": document(title="Taken over")}
    for path, body in (("/offers", command), ("/offers/tartu/data-literacy/withdraw", None)):
        refused = await europe["ee"].ask("registry", "POST", path, body, authorization=f"Bearer {token}")
        assert refused.status_code == 404
    assert [one["title"] for one in (await europe["ee"].clients["registry"].get("/catalogue")).json()["items"]] == [
        document()["title"]
    ]


async def test_a_node_that_is_suspended_offers_nothing_any_more(europe: World) -> None:
    await publish(europe)
    pt, ee = europe["pt"].home, europe["ee"].home
    federate([ee, pt], version=9, nodes=(ee.node().model_copy(update={"status": "suspended"}), pt.node()))
    europe["pt"].engine("registry").membership.reload()
    assert await found(europe, "pt") == []


async def test_only_so_many_names_of_one_node_are_kept(europe: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.registry.catalogue.repository.MAX_OFFERS", 1)
    await publish(europe)
    command = {"institution": "tartu", "offer": "one-more", "document": document()}
    refused = await europe["ee"].ask("registry", "POST", "/offers", command)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "catalogue-full")
    assert (await publish(europe, title="Reading data"))["version"] == 2


async def test_an_offer_that_cannot_be_read_here_hides_only_itself(europe: World) -> None:
    await publish(europe)

    async def say(unit: Any) -> None:
        await unit.emit(OfferPublished(institution="tartu", offer="later", version=1, document={"title": "of a later form"}))

    await europe["ee"].engine("registry").outbox.transact(say, actor="test")
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    assert await found(europe, "pt") == ["ee/tartu/data-literacy"]


async def test_a_search_goes_on_from_page_to_page(europe: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "SEARCH_LIMIT", 2)
    names = [f"course-{number}" for number in range(5)]
    for name in names:
        await publish(europe, name)
    client, cursor, seen = europe["pt"].clients["registry"], None, []
    while True:
        page = (await client.get("/catalogue", params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
        seen += [one["name"] for one in page["items"]]
        assert len(page["items"]) <= 2
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"ee/tartu/{name}" for name in names]
