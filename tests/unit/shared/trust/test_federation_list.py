"""Promise: only a list that enough pinned anchors signed decides who is a nation; a nation's root decides on its keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pybase64
import pytest
from pydantic import ValidationError

from shared.errors import Misconfigured
from shared.jose.keys import VerificationKey
from shared.jose.purpose import KEY_CERTIFICATE, NODE_TOKEN, Purpose
from shared.jose.refusals import SignatureInvalid, UnknownKey
from shared.jose.signers import LocalSigner, WrongKeyForToken, sign
from shared.trust.certificates import CertificateRefused, ServiceKey, certify, read_certificate
from shared.trust.federation_list import (
    NO_LIST,
    FederationListMalformed,
    FederationListOlder,
    FederationListRefused,
    ListState,
    RememberedList,
    list_state,
    sign_list,
    verify,
)
from shared.trust.node_token import NodeTokenRefused, check, mint
from shared.trust.nodes import Anchor, FederationList, Left, Node
from shared.trust.pinned import Pinned, read

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ANCHORS = [LocalSigner.generate(Purpose.ANCHOR) for _ in range(3)]
EE, PT = LocalSigner.generate(Purpose.ROOT), LocalSigner.generate(Purpose.ROOT)
TOKEN_KEY = LocalSigner.generate(Purpose.NODE_TOKEN)


def anchors(signers: Iterable[LocalSigner]) -> tuple[Anchor, ...]:
    return tuple(Anchor(kid=signer.kid, jwk=signer.public_jwk) for signer in signers)


def node(name: str = "ee", root: LocalSigner = EE, **changes: Any) -> Node:
    body = {
        "name": name,
        "jurisdictions": (name[:2].upper(),),
        "roots": (root.public_jwk,),
        "url": f"https://{name}.example",
    }
    return Node(**(body | changes))


def listed(**changes: Any) -> FederationList:
    body = {
        "federation": "europe",
        "version": 3,
        "issued": NOW - timedelta(days=1),
        "expires": NOW + timedelta(days=90),
        "anchors": anchors(ANCHORS[:1]),
        "nodes": (node(), node("pt", PT)),
    }
    return FederationList(**(body | changes))


def pinned(*signers: LocalSigner, threshold: int = 1) -> Pinned:
    return Pinned({signer.kid: signer.verification_key() for signer in signers}, threshold)


def take(
    raw: bytes, *signers: LocalSigner, held: RememberedList = NO_LIST, threshold: int = 1, **more: Any
) -> FederationList:
    return verify(raw, pinned=pinned(*(signers or ANCHORS[:1]), threshold=threshold), remembered=held, now=NOW, **more).list


def test_a_signed_list_is_read_as_it_was_written() -> None:
    original = listed()
    assert take(sign_list(original, ANCHORS[:1]), federation="europe") == original
    found = original.node("pt")
    assert found is not None and found.covers("PT") and not found.covers("EE")
    assert original.node("xx") is None


def test_it_is_a_jws_in_general_json_serialisation() -> None:
    document = orjson.loads(sign_list(listed(), ANCHORS[:1]))
    assert set(document) == {"payload", "signatures"}
    assert set(document["signatures"][0]) == {"protected", "signature"}


def test_a_list_that_no_pinned_anchor_signed_is_refused() -> None:
    with pytest.raises(FederationListRefused):
        take(sign_list(listed(), ANCHORS[:1]), ANCHORS[1])


def test_a_changed_list_is_refused() -> None:
    document = orjson.loads(sign_list(listed(), ANCHORS[:1]))
    payload = pybase64.urlsafe_b64decode(document["payload"] + "==").replace(b'"version":3', b'"version":9')
    document["payload"] = pybase64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    with pytest.raises(FederationListRefused):
        take(orjson.dumps(document))


def test_an_older_list_than_the_one_held_is_refused_and_the_same_one_is_not() -> None:
    raw = sign_list(listed(), ANCHORS[:1])
    assert take(raw, held=RememberedList(3)).version == 3
    with pytest.raises(FederationListOlder):
        take(raw, held=RememberedList(4))


def test_the_list_of_another_federation_is_refused() -> None:
    with pytest.raises(FederationListRefused):
        take(sign_list(listed(), ANCHORS[:1]), federation="oceania")


def test_a_list_dated_ahead_of_the_clock_is_not_taken() -> None:
    ahead = listed(issued=NOW + timedelta(hours=1))
    with pytest.raises(FederationListRefused):
        take(sign_list(ahead, ANCHORS[:1]))


def test_two_of_three_anchors_suffice_where_two_are_asked_for() -> None:
    wanted = listed(anchors=anchors(ANCHORS), threshold=2)
    assert take(sign_list(wanted, ANCHORS[1:]), *ANCHORS) == wanted
    with pytest.raises(FederationListRefused):
        take(sign_list(wanted, ANCHORS[1:]), *ANCHORS[:2])
    with pytest.raises(Misconfigured):
        sign_list(wanted, ANCHORS[:1])


def test_one_anchor_cannot_lower_the_threshold_that_is_pinned() -> None:
    lowered = listed(threshold=1)
    with pytest.raises(FederationListRefused):
        take(sign_list(lowered, ANCHORS[:1]), *ANCHORS, threshold=2)


@pytest.mark.parametrize("asked", list(itertools.product((1, 2, 3), repeat=3)))
def test_a_list_needs_the_most_anchors_that_the_pin_the_list_held_or_itself_asks_for(
    asked: tuple[int, int, int],
) -> None:
    pins, held, own = asked
    for signers in range(own, 4):
        raw = sign_list(listed(anchors=anchors(ANCHORS), threshold=own), ANCHORS[:signers])
        if signers >= max(asked):
            assert take(raw, *ANCHORS, threshold=pins, held=RememberedList(2, held)).threshold == own
        else:
            with pytest.raises(FederationListRefused):
                take(raw, *ANCHORS, threshold=pins, held=RememberedList(2, held))


def test_what_is_pinned_is_read_as_it_was_written_and_in_its_older_form() -> None:
    assert read(pinned(*ANCHORS, threshold=2).document()) == pinned(*ANCHORS, threshold=2)
    older = orjson.dumps([{"kid": signer.kid, "jwk": signer.public_jwk} for signer in ANCHORS])
    assert read(older) == pinned(*ANCHORS, threshold=1)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"1", b'{"anchors":[],"threshold":1}', b'[{"kid":"a","jwk":{}}]'])
def test_what_pins_nobody_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        read(raw)


def test_more_anchors_than_are_pinned_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError):
        read(pinned(*ANCHORS[:2], threshold=3).document())


def test_one_anchor_that_signs_twice_counts_once() -> None:
    with pytest.raises(FederationListRefused):
        take(sign_list(listed(), [ANCHORS[0], ANCHORS[0]]), *ANCHORS, threshold=2)


def test_an_anchor_key_pinned_for_something_else_signs_no_list() -> None:
    with pytest.raises(WrongKeyForToken):
        sign_list(listed(), [EE])
    key = VerificationKey.from_jwk(ANCHORS[0].public_jwk, Purpose.EVENT, ANCHORS[0].kid)
    with pytest.raises(FederationListRefused):
        verify(sign_list(listed(), ANCHORS[:1]), pinned=Pinned({key.kid: key}), now=NOW)


def test_a_successor_may_sign_the_next_version_once_it_is_pinned() -> None:
    following = listed(version=4, anchors=anchors(ANCHORS[2:]))
    raw = sign_list(following, ANCHORS[2:])
    assert verify(raw, pinned=pinned(*ANCHORS[2:]), remembered=RememberedList(3), now=NOW).list == following


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"payload":1,"signatures":[{}]}',
        b'{"payload":"e30","payload":"e30","signatures":[]}',
        b"x" * 1_100_000,
    ],
)
def test_what_is_no_list_is_refused_as_malformed(raw: bytes) -> None:
    with pytest.raises(FederationListMalformed):
        take(raw)


@pytest.mark.parametrize("payload", [b'{"version":1,"version":2}', b'{"federation":"europe"}', b"[1]", b"\xff"])
def test_a_well_signed_payload_that_is_no_list_is_malformed(payload: bytes) -> None:
    protected, body, signature = sign({"typ": "testamur-federation+jwt"}, payload, ANCHORS[0]).decode().split(".")
    raw = orjson.dumps({"payload": body, "signatures": [{"protected": protected, "signature": signature}]})
    with pytest.raises(FederationListMalformed):
        take(raw)


def test_an_expired_list_serves_for_fourteen_days_more() -> None:
    stands = [list_state(listed(), NOW + timedelta(days=days)) for days in (0, 90, 103.9, 104)]
    assert stands == [ListState.CURRENT, ListState.GRACE, ListState.GRACE, ListState.EXPIRED]


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires": NOW - timedelta(days=2)},
        {"threshold": 2},
        {"nodes": (node(), node())},
        {"nodes": (node(), node("pt", EE))},
        {"anchors": ()},
        {"anchors": anchors([ANCHORS[0], ANCHORS[0]])},
        {"version": 0},
        {"federation": "Two Words"},
    ],
)
def test_a_list_that_does_not_hold_together_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        listed(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "left"},
        {"left": Left(epoch=1, heads={})},
        {"roots": ({"kty": "oct", "k": "AAAA"},)},
        {"name": "Estonia"},
        {"jurisdictions": ()},
        {"url": "file:///etc"},
    ],
)
def test_a_node_that_does_not_hold_together_cannot_be_listed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        node(**wrong)


# certificates


def certificate(root: LocalSigner = EE, federation: str = "europe", **changes: Any) -> str:
    named = {"node": "ee", "service": "registry", "key": TOKEN_KEY.verification_key(), **changes}
    return certify(root, ServiceKey(**named), federation=federation, issued=NOW)


def test_a_certificate_says_which_part_of_the_log_a_key_is_good_for() -> None:
    event_key = LocalSigner.generate(Purpose.EVENT).verification_key()
    raw = certificate(key=event_key, streams=frozenset({"status", "trust"}), epoch=2, from_seq=5, to_seq=9)
    service = read_certificate(raw, federation="europe", node=node())
    assert service.key == event_key and (service.node, service.service) == ("ee", "registry")
    asked = [("status", 2, 5), ("trust", 2, 9), ("status", 2, 4), ("status", 2, 10), ("status", 1, 6), ("issuance", 2, 6)]
    assert [service.covers(*place) for place in asked] == [True, True, False, False, False, False]


def test_another_nations_root_certifies_nothing_here() -> None:
    with pytest.raises(UnknownKey):
        read_certificate(certificate(PT), federation="europe", node=node())


@pytest.mark.parametrize("wrong", [{"node": "pt"}, {"federation": "oceania"}])
def test_a_certificate_for_another_node_or_federation_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(CertificateRefused):
        read_certificate(certificate(**wrong), federation="europe", node=node())


@pytest.mark.parametrize("purpose", [Purpose.ROOT, Purpose.ANCHOR, Purpose.INSTITUTION])
def test_a_root_certifies_service_keys_and_no_others(purpose: Purpose) -> None:
    raw = certificate(key=LocalSigner.generate(purpose).verification_key())
    with pytest.raises(CertificateRefused):
        read_certificate(raw, federation="europe", node=node())


def test_a_certificate_with_wrong_members_is_refused() -> None:
    raw = sign({"typ": KEY_CERTIFICATE}, b'{"fed":"europe","node":"ee"}', EE)
    with pytest.raises(CertificateRefused):
        read_certificate(raw, federation="europe", node=node())


# node tokens


def token(crt: str | None = None, **changes: Any) -> str:
    body = {"federation": "europe", "node": "ee", "audience": "pt", "now": NOW}
    return mint(TOKEN_KEY, certificate() if crt is None else crt, **(body | changes))


def shown(raw: str, me: str = "pt", now: datetime = NOW, **changes: Any) -> str:
    return check(raw, federation_list=listed(**changes), me=me, now=now).node


def test_a_node_shows_itself_to_another() -> None:
    assert shown(token()) == "ee"


@pytest.mark.parametrize(
    "raw",
    [
        token(node="pt"),
        token(node="xx"),
        token(federation="oceania"),
        token(lifetime=timedelta(hours=1)),
        token(certificate(PT)),
        token(certificate(expires=NOW)),
        token(certificate(key=LocalSigner.generate(Purpose.NODE_TOKEN).verification_key())),
        token(certificate(key=LocalSigner.generate(Purpose.EVENT).verification_key())),
        token("not a certificate"),
        token(now=NOW - timedelta(minutes=10)),
        token(now=NOW + timedelta(minutes=10)),
        token()[:-4] + "AAAA",
        "nonsense",
    ],
)
def test_a_token_that_does_not_hold_is_refused(raw: str) -> None:
    with pytest.raises(NodeTokenRefused):
        shown(raw)


def test_a_token_for_another_node_is_refused() -> None:
    with pytest.raises(NodeTokenRefused):
        shown(token(), me="fi")


@pytest.mark.parametrize("changes", [{"status": "suspended"}, {"status": "left", "left": Left(epoch=1, heads={})}])
def test_a_node_that_is_no_active_member_is_not_let_in(changes: dict[str, Any]) -> None:
    with pytest.raises(NodeTokenRefused):
        shown(token(), nodes=(node(**changes), node("pt", PT)))


@pytest.mark.parametrize("header", [{}, {"crt": 7}])
def test_a_token_without_a_certificate_is_refused(header: dict[str, Any]) -> None:
    claims = {"iss": "ee", "aud": "pt", "fed": "europe", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60}
    with pytest.raises(NodeTokenRefused):
        shown(sign({"typ": NODE_TOKEN, **header}, orjson.dumps(claims), TOKEN_KEY).decode())


def test_a_stolen_certificate_is_worth_nothing_without_its_key() -> None:
    thief = LocalSigner.generate(Purpose.NODE_TOKEN)
    raw = mint(thief, certificate(), federation="europe", node="ee", audience="pt", now=NOW)
    with pytest.raises(NodeTokenRefused):
        shown(raw)
    with pytest.raises(SignatureInvalid):
        read_certificate(certificate()[:-4] + "AAAA", federation="europe", node=node())
