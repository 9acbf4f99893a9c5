"""Promise: what two nations claim is nobody's until it is decided, and a claim counts only from who may make it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.events.base import Event
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.trust.identifiers import Contest, NodeBook, contest
from shared.trust.nodes import Left
from tests.scenes.verification import NOW, accredited, book, node, withdrawn

ETER = ("eter", "EE0001")
LISBON = LocalSigner.generate(Purpose.ROOT).public_jwk


def estonia(**changes: Any) -> NodeBook:
    return NodeBook(node(), book(accredited(**{"identifiers": {"eter": "EE0001"}, **changes})))


def portugal(*more: Event, listed: dict[str, Any] | None = None, **changes: Any) -> NodeBook:
    said = accredited(**{"identifiers": {"eter": "EE0001"}, "country": "PT", **changes})
    return NodeBook(node(name="pt", jurisdictions=("PT",), roots=(LISBON,), **(listed or {})), book(said, *more))


def test_one_identifier_of_two_nations_is_contested_for_both() -> None:
    found = Contest("eter:EE0001", ("ee", "pt"))
    assert contest(estonia(), "tartu", [portugal()], {}, NOW) == found
    assert contest(portugal(), "tartu", [estonia()], {}, NOW) == found


@pytest.mark.parametrize("written", [{"eter": "ee 0001"}, {"ETER": "EE0001"}, {"vat": "PT1", "eter": "EE0001 "}])
def test_another_way_of_writing_it_is_no_way_around(written: dict[str, str]) -> None:
    assert contest(estonia(), "tartu", [portugal(identifiers=written)], {}, NOW)
    assert contest(portugal(identifiers=written), "tartu", [estonia()], {}, NOW)


@pytest.mark.parametrize(
    "other",
    [
        portugal(identifiers={}),
        portugal(identifiers={"eter": "PT0001", "deqar": "EE0001"}),
        portugal(withdrawn()),
        portugal(valid_until=NOW - timedelta(days=1)),
        portugal(valid_from=NOW + timedelta(days=1)),
        portugal(country="EE"),
        portugal(listed={"status": "suspended"}),
        portugal(listed={"status": "left", "left": Left(epoch=1, heads={})}),
    ],
    ids=["none", "others", "withdrawn", "over", "not yet", "no country of its own", "suspended", "left"],
)
def test_a_claim_that_is_not_in_force_or_not_its_to_make_contests_nothing(other: NodeBook) -> None:
    assert contest(estonia(), "tartu", [other], {}, NOW) is None


def test_an_institution_that_no_longer_goes_by_it_and_one_beside_it_are_not_doubted() -> None:
    assert contest(estonia(valid_until=NOW - timedelta(days=1)), "tartu", [portugal()], {}, NOW) is None
    assert contest(estonia(), "tallinn", [portugal()], {}, NOW) is None
    assert contest(estonia(), "tartu", [], {}, NOW) is None


def test_a_decision_clears_the_nation_that_it_names_and_no_other() -> None:
    for decided, clear in (({ETER: "ee"}, "ee"), ({ETER: "pt"}, "pt"), ({ETER: "lv"}, ""), ({("vat", "EE0001"): "ee"}, "")):
        asked = {"ee": (estonia(), [portugal()]), "pt": (portugal(), [estonia()])}
        found = [name for name, (own, others) in asked.items() if contest(own, "tartu", others, decided, NOW) is None]
        assert found == [name for name in ("ee", "pt") if name == clear]
