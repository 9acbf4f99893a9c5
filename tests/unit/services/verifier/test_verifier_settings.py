"""Promise: what the verifier needs to judge sealed files is read at its start, and a file that will not do is named then."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.verifier.settings import VerifierSettings
from shared.errors import Misconfigured
from shared.formats.elm.shapes import ShapesUnusable
from tests import sealing
from tests.shared_data import shared_file


def settings(folder: Path, **members: object) -> VerifierSettings:
    return VerifierSettings(node="pt", home=folder, **members)  # type: ignore[arg-type]


def test_trusted_lists_are_read_from_their_files(tmp_path: Path) -> None:
    file = tmp_path / "EE.xml"
    file.write_bytes(sealing.trusted_list((sealing.authority(), sealing.QC, "granted", datetime(2026, 1, 1, tzinfo=UTC))))
    (given,) = settings(tmp_path, verifier_trusted_lists=(file,)).trusted_lists()
    assert (given.territory, [service.provider for service in given.services]) == ("EE", ["Specimen Provider"])


@pytest.mark.parametrize("content", [None, b"", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_a_trusted_list_that_cannot_be_read_stops_the_start(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "EE.xml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Misconfigured, match="TESTAMUR_VERIFIER_TRUSTED_LISTS"):
        settings(tmp_path, verifier_trusted_lists=(file,)).trusted_lists()


def test_a_decided_identifier_is_compared_as_claims_are_and_one_without_its_scheme_is_refused(tmp_path: Path) -> None:
    decided = settings(tmp_path, verifier_identifiers={"ETER:ee 0001": "ee", "vat:PT:1": "pt"}).decided()
    assert decided == {("eter", "EE0001"): "ee", ("vat", "PT:1"): "pt"}
    for wrong in ({"EE0001": "ee"}, {"eter:EE0001": "Estonia"}):
        with pytest.raises(ValidationError):
            settings(tmp_path, verifier_identifiers=wrong)


def test_no_folder_of_shapes_is_no_fault(tmp_path: Path) -> None:
    assert settings(tmp_path).shapes() is None


def test_a_folder_of_shapes_is_looked_into_at_the_start(tmp_path: Path) -> None:
    pytest.importorskip("pyshacl", reason="the extra testamur[shacl] is not installed")
    with pytest.raises(ShapesUnusable, match="EDC-generic-full"):
        settings(tmp_path, verifier_elm_shapes=tmp_path).shapes()
    official = shared_file("samples", "europass-elm-v3-shapes")
    assert settings(tmp_path, verifier_elm_shapes=official).shapes() == official
