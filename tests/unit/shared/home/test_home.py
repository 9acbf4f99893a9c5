"""A node's folder: made whole, kept as it is, and never taken to another federation."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import Misconfigured
from shared.home.folder import Home
from shared.home.membership import Membership
from shared.settings import NodeSettings
from shared.trust.certificates import read_certificate
from shared.trust.federation_list import FederationListOlder
from tests.world import federate


def _home(folder: Path, federation: str = "testamur") -> Home:
    home = Home(NodeSettings(node="ee", home=folder, federation=federation))
    home.set_up(SystemClock().now())
    return home


def test_an_empty_folder_becomes_a_federation_of_one(tmp_path: Path) -> None:
    home = _home(tmp_path / "ee")
    for certificate in home.certificates().values():
        assert read_certificate(certificate, federation="testamur", node=home.node()).node == "ee"
    assert home.federation_file.exists()


def test_setting_up_again_changes_no_key(tmp_path: Path) -> None:
    before = _home(tmp_path / "ee")
    again = _home(tmp_path / "ee")
    assert again.certificates() == before.certificates()
    assert again.node() == before.node()


def test_a_root_that_was_moved_offline_is_still_described_and_never_replaced(tmp_path: Path) -> None:
    home = _home(tmp_path / "ee")
    described = home.node()
    (tmp_path / "ee" / "keys" / "root.jwe").unlink()
    assert home.node() == described
    (tmp_path / "ee" / "root.json").unlink()
    with pytest.raises(Misconfigured, match="root"):
        home.node()


def test_a_missing_certificate_is_not_made_without_the_root(tmp_path: Path) -> None:
    home = _home(tmp_path / "ee")
    (tmp_path / "ee" / "keys" / "root.jwe").unlink()
    (tmp_path / "ee" / "certificates" / "issuer.jwt").unlink()
    with pytest.raises(Misconfigured, match="root"):
        home.set_up(SystemClock().now())


def test_a_node_that_signed_for_one_federation_does_not_join_another(tmp_path: Path) -> None:
    _home(tmp_path / "ee")
    other = _home(tmp_path / "anchor", "elsewhere")
    joining = Home(NodeSettings(node="ee", home=tmp_path / "ee", federation="elsewhere"))
    with pytest.raises(Misconfigured, match="another federation"):
        joining.join(other.federation_file.read_bytes(), *other.pinned())


def test_a_list_older_than_one_that_was_in_use_is_refused_after_a_restart_too(tmp_path: Path) -> None:
    home = _home(tmp_path / "ee")
    first = home.federation_file.read_bytes()
    federate([home], version=3)
    assert Membership(home, SystemClock()).list.version == 3
    home.join(first, *home.pinned())
    with pytest.raises(FederationListOlder):
        Membership(home, SystemClock())


def test_other_anchors_chosen_by_hand_count_their_lists_anew(tmp_path: Path) -> None:
    home, other = _home(tmp_path / "ee"), _home(tmp_path / "anchor")
    federate([home], version=3)
    Membership(home, SystemClock())
    home.join(other.federation_file.read_bytes(), *other.pinned())
    assert Membership(home, SystemClock()).list.version == 1
