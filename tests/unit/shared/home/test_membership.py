"""Promise: a running node goes by the newest list that enough of its pinned anchors signed, and no thief of one moves it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from shared.clock import SystemClock
from shared.home.folder import Home
from shared.home.membership import Membership
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.trust import federation_list
from shared.trust.federation_list import FederationListContradicts, FederationListRefused
from shared.trust.nodes import Anchor, FederationList
from tests.world import found

A, B, C = (LocalSigner.generate(Purpose.ANCHOR) for _ in range(3))
PINS: dict[str, VerificationKey] = {signer.kid: signer.verification_key() for signer in (A, B, C)}
CLOCK = SystemClock()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return found(tmp_path / "pt", "pt")


def listed(home: Home, version: int, *signers: LocalSigner, **changes: Any) -> bytes:
    """A list that names this one node, by these anchors' signatures; it asks for one unless told otherwise."""
    now = CLOCK.now()
    names = tuple(Anchor(kid=signer.kid, jwk=signer.public_jwk) for signer in (A, B, C))
    body: dict[str, Any] = {"federation": "testamur", "version": version, "issued": now, "expires": now + timedelta(days=30)}
    one = FederationList(**{**body, "anchors": names, "nodes": (home.node(),), **changes})
    return federation_list.sign_list(one, signers)


def puts(home: Home, raw: bytes) -> None:
    """Put a list in place as whoever can write there would, and let the file's time tell."""
    before = home.federation_file.stat().st_mtime_ns
    home.federation_file.write_bytes(raw)
    os.utime(home.federation_file, ns=(before + 10**9, before + 10**9))


def test_one_stolen_anchor_of_three_does_not_take_over_a_list_that_needs_two(home: Home) -> None:
    home.join(listed(home, 2, A, B, threshold=2), PINS)
    membership = Membership(home, CLOCK)
    puts(home, listed(home, 3, C, nodes=()))
    assert not membership.reload() and membership.list.version == 2
    with pytest.raises(FederationListRefused):
        Membership(home, CLOCK)  # nor at the next start, though the one before is not there any more


def test_one_stolen_anchor_takes_nothing_over_where_the_threshold_is_pinned(home: Home) -> None:
    home.join(listed(home, 2, C), PINS, 2)
    with pytest.raises(FederationListRefused):
        Membership(home, CLOCK)


def test_the_threshold_changes_by_a_list_that_the_old_one_suffices_for(home: Home) -> None:
    home.join(listed(home, 2, A, B, threshold=2), PINS)
    membership = Membership(home, CLOCK)
    puts(home, listed(home, 3, A, B, C, threshold=3))
    assert membership.reload()
    puts(home, listed(home, 4, A, B))
    assert not membership.reload()
    puts(home, listed(home, 5, A, B, C))
    assert membership.reload() and membership.list.version == 5
    puts(home, listed(home, 6, B))
    assert membership.reload() and membership.list.version == 6


def test_a_list_that_asks_for_less_than_is_pinned_still_needs_what_is_pinned(home: Home) -> None:
    home.join(listed(home, 2, A, B), PINS, 2)
    membership = Membership(home, CLOCK)
    puts(home, listed(home, 3, A))
    assert not membership.reload()
    puts(home, listed(home, 3, A, C))
    assert membership.reload() and membership.list.version == 3


def test_another_list_of_the_same_version_is_refused_in_words_and_the_one_held_stays(home: Home) -> None:
    first = listed(home, 5, A, nodes=(home.node().model_copy(update={"status": "suspended"}),))
    home.join(first, PINS)
    membership = Membership(home, CLOCK)
    puts(home, listed(home, 5, A))
    with capture_logs() as said:
        assert not membership.reload()
    assert [(line["log_level"], "version" in line["detail"]) for line in said] == [("error", True)]
    assert [node.status for node in membership.list.nodes] == ["suspended"]
    with pytest.raises(FederationListContradicts):
        Membership(home, CLOCK)
    puts(home, orjson.dumps(orjson.loads(first)))
    assert membership.reload(), "the same list, written otherwise, is the same"


def test_the_version_alone_that_was_remembered_before_is_completed_by_the_list_in_use(home: Home) -> None:
    home.join(listed(home, 5, A), PINS)
    (home.folder / "federation.version").write_text("5\n")
    assert Membership(home, CLOCK).list.version == 5
    puts(home, listed(home, 5, A, nodes=()))
    with pytest.raises(FederationListContradicts):
        Membership(home, CLOCK)


def test_a_folder_older_than_pinned_thresholds_is_read_and_learns_that_of_its_list(home: Home) -> None:
    home.join(listed(home, 2, A, B, threshold=2), PINS)
    anchors = [Anchor(kid=signer.kid, jwk=signer.public_jwk).model_dump_json() for signer in (A, B, C)]
    (home.folder / "anchors.json").write_text(f"[{','.join(anchors)}]")
    (home.folder / "federation.version").write_text("2\n")
    assert Membership(home, CLOCK).list.version == 2
    puts(home, listed(home, 3, C))
    with pytest.raises(FederationListRefused):
        Membership(home, CLOCK)
