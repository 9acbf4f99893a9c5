"""Promise: an offer says what its credentials will say, and a search finds what a reader would find by looking at each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.catalogue.domain import ListedOffer, OfferQuery, fold
from shared.credential import written
from shared.credential.draft import DraftRefused, build
from shared.credential.model import MicroCredential
from shared.credential.offer import LEARNERS_OWN, Offer
from shared.credential.offering import drafted_from, read_offer
from tests.world import EXAMPLE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DRAFT = written.read(EXAMPLE.with_name("offer.yaml").read_bytes())
LEARNER = {"holder": {"full_name": "Specimen Learner"}}


def offer(**changes: Any) -> Offer:
    return read_offer({**DRAFT, **changes}, NOW)


def test_an_offer_has_every_member_of_a_credential_but_the_learners_own() -> None:
    assert MicroCredential.model_fields.keys() - Offer.model_fields.keys() == LEARNERS_OWN


def test_a_published_offer_is_read_as_what_it_was() -> None:
    assert Offer.published({**offer().document(), "aMemberOfALaterForm": 1}) == offer()


def test_an_offers_template_and_a_learner_make_a_whole_credential() -> None:
    made = build(drafted_from(offer().template(), {**LEARNER, "assessment": {"grade": "Pass"}}), NOW)
    assert made.title == offer().title
    assert made.assessment == offer().assessment.model_copy(update={"grade": {"en": "Pass"}})


def test_what_is_said_of_the_learner_is_in_the_offers_language() -> None:
    template = offer(language="et").template()
    assert build(drafted_from(template, {**LEARNER, "assessment": {"grade": "Arvestatud"}}), NOW).assessment.grade == {
        "et": "Arvestatud"
    }


@pytest.mark.parametrize("member", ["title", "workload", "level", "learning_outcomes", "quality_assurance"])
def test_an_offer_without_a_mandatory_element_is_refused_by_its_name(member: str) -> None:
    with pytest.raises(DraftRefused) as refused:
        read_offer({name: value for name, value in DRAFT.items() if name != member}, NOW)
    assert [element.path for element in refused.value.missing] == [member]


@pytest.mark.parametrize(
    ("member", "value", "path"),
    [
        ("price", {"xx": "free"}, "price"),
        ("apply", "javascript:alert(1)", "apply"),
        ("stacks_into", ["coimbra"], "stacks_into[0]"),
        ("taught_in", ["english"], "taught_in[0]"),
        ("begins", "2027-02-30", "begins"),
        ("valid_until", "2030-01-01", "valid_until"),
    ],
)
def test_a_member_of_an_offer_that_is_wrong_is_named_by_its_path(member: str, value: Any, path: str) -> None:
    with pytest.raises(DraftRefused) as refused:
        offer(**{member: value})
    assert {fault.path for fault in refused.value.faults} == {path}


WORDS = ("Data", "literacy", "Estatística", "ÕPE", "straße", "of")
TITLES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
OFFERS = st.builds(
    lambda title, eqf, ects, field, country: offer(
        title=title,
        level={"eqf": eqf},
        workload={"ects": ects},
        isced_f=field,
        awarding_body={"legal_name": "A body", "country": country},
        learning_outcomes=["Knows it"],
        prerequisites="none",
    ),
    TITLES,
    st.integers(4, 7),
    st.sampled_from([1, 2.5, 6]),
    st.sampled_from(["0688", "0611", "0110"]),
    st.sampled_from(["EE", "PT"]),
)
SOUGHT = st.builds(
    OfferQuery,
    text=st.lists(st.sampled_from([word.upper() for word in WORDS]), max_size=2).map(" ".join),
    eqf=st.none() | st.integers(4, 7),
    ects_min=st.none() | st.sampled_from([0, 2, 3]),
    ects_max=st.none() | st.sampled_from([2.5, 6]),
    isced_f=st.none() | st.sampled_from(["06", "0688"]),
    country=st.none() | st.sampled_from(["EE", "PT"]),
)


@given(OFFERS, SOUGHT)
def test_a_search_finds_exactly_what_fulfils_every_condition(one: Offer, query: OfferQuery) -> None:
    listed = ListedOffer.of("ee/tartu/x", 1, NOW, one)
    title = fold(one.title["en"])
    naive = (
        all(fold(word) in title for word in query.text.split())
        and query.eqf in (None, one.level.eqf)
        and (query.ects_min or 0) <= (one.workload.ects or 0) <= (query.ects_max or 1_000)
        and (one.isced_f or "").startswith(query.isced_f or "")
        and query.country in (None, one.awarding_body.country)
    )
    assert query.test()(listed) == naive


def test_words_are_compared_without_case_and_accents() -> None:
    assert fold("ÕPPIMINE Straße Ελλάδα") == fold("oppimine STRASSE ελλαδα")
