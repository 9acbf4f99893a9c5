"""Promise: claims are concealed and shown again as RFC 9901 says, over its own cases; whatever does not fit is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.jose import sd_jwt
from shared.jose.refusals import TokenMalformed
from shared.jose.sd_jwt import Disclosure
from tests.shared_data import shared_file

CASES = (
    *(("sd-jwt-rfc9901", name) for name in (
        "address_only_flat", "address_only_recursive", "address_only_structured", "address_only_structured_one_open",
        "arf-pid", "complex_eidas", "complex_eidas_proposal", "complex_ekyc", "json_serialization_flattened",
        "json_serialization_general", "jsonld", "simple", "simple_structured", "w3c-vc", "w3c-vc_for_slide_deck",
    )),
    *(("sd-jwt-vc", name) for name in ("01", "02", "03-pid")),
)  # fmt: skip


class Concealed:
    """A value that the case wants concealed (`!sd`)."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Concealed) and other.value == self.value


class Cases(yaml.SafeLoader):
    """YAML with the tag that the cases use."""


def _sd(loader: Cases, node: yaml.Node) -> Concealed:
    if isinstance(node, yaml.MappingNode):
        return Concealed(loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return Concealed(loader.construct_sequence(node, deep=True))
    return Concealed(
        loader.construct_object(yaml.ScalarNode(loader.resolve(yaml.ScalarNode, node.value, (True, False)), node.value))
    )


Cases.add_constructor("!sd", _sd)


def case(folder: str, name: str) -> dict[str, Any]:
    path: Path = shared_file("vectors", folder, name, "specification.yml")
    loaded: dict[str, Any] = yaml.load(path.read_text(), Loader=Cases)
    return loaded


def concealed(value: Any, made: list[Disclosure]) -> Any:
    """A value with everything that the case marks concealed, disclosures appended to `made`."""
    if isinstance(value, dict):
        shown = {name: concealed(inner, made) for name, inner in value.items() if not isinstance(name, Concealed)}
        digests = [sd_jwt.decoy()]
        for name, inner in value.items():
            if isinstance(name, Concealed):
                made.append(sd_jwt.conceal(str(name.value), concealed(inner, made)))
                digests.append(made[-1].digest)
        return {**shown, "_sd": sorted(digests)} if len(digests) > 1 else shown
    if isinstance(value, list):
        return [_element(inner, made) for inner in value]
    return value


def _element(value: Any, made: list[Disclosure]) -> Any:
    if not isinstance(value, Concealed):
        return concealed(value, made)
    made.append(sd_jwt.conceal(None, concealed(value.value, made)))
    return {"...": made[-1].digest}


def plain(value: Any) -> Any:
    """A value as it would be without any concealing."""
    if isinstance(value, dict):
        return {str(name.value) if isinstance(name, Concealed) else name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return plain(value.value) if isinstance(value, Concealed) else value


@pytest.mark.parametrize(("folder", "name"), CASES)
def test_all_that_a_case_conceals_is_shown_again_and_nothing_without_its_disclosure(folder: str, name: str) -> None:
    claims = json.loads(json.dumps(plain(case(folder, name)["user_claims"]), default=str))
    made: list[Disclosure] = []
    written = json.loads(json.dumps(concealed(case(folder, name)["user_claims"], made), default=str))
    handed = sd_jwt.split(sd_jwt.join(b"e30.e30.e30", made))
    assert sd_jwt.reveal(written, handed.disclosures) == claims
    hidden = json.dumps(sd_jwt.reveal(written, ()))
    assert "_sd" not in hidden and '"..."' not in hidden
    if made:
        assert len(hidden) < len(json.dumps(claims))


def test_the_digest_is_that_of_the_specification() -> None:
    # RFC 9901, 4.2.3: the disclosure of family_name "Möbius" in its example
    encoded = b"WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    (found,) = sd_jwt.split(b"a.b.c~" + encoded + b"~").disclosures
    assert (found.name, found.value, found.digest) == (
        "family_name",
        "Möbius",
        "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
    )


def spelled(*written: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(list(written)).encode()).rstrip(b"=")


def refused(reason: str, claims: dict[str, Any], *disclosures: bytes) -> None:
    with pytest.raises(TokenMalformed) as refusal:
        sd_jwt.reveal(claims, sd_jwt.split(b"a.b.c~" + b"".join(one + b"~" for one in disclosures)).disclosures)
    assert refusal.value.reason == reason


def test_what_does_not_fit_is_refused() -> None:
    name, element = spelled("salt", "name", "Ana"), spelled("salt", "Ana")
    of_name, of_element = sd_jwt.digest(name), sd_jwt.digest(element)
    refused("sd-unused", {}, name)
    refused("sd-digest", {"_sd": [of_name]}, name, name)
    refused("sd-digest", {"_sd": [of_name, of_name]}, name)
    refused("sd-digest", {"_sd": [of_name], "inner": {"_sd": [of_name]}}, name)
    refused("sd-digest", {"_sd": [7]})
    refused("sd-clash", {"_sd": [of_name], "name": "Eva"}, name)
    refused("sd-clash", {"_sd": [of_element]}, element)
    refused("sd-clash", {"list": [{"...": of_name}]}, name)
    refused("sd-form", {"_sd": "x"})
    refused("sd-form", {"...": "x"})
    refused("sd-form", {"list": [{"...": of_element, "more": 1}]}, element)
    refused("sd-form", {}, spelled("salt", "_sd", 1))
    refused("sd-form", {}, spelled("salt", "...", 1))
    refused("sd-form", {}, spelled(1, "name", 1))
    refused("sd-form", {}, spelled("salt"))
    refused("sd-form", {}, base64.urlsafe_b64encode(b'["s", "n", {"a": 1, "a": 2}]').rstrip(b"="))
    refused("sd-alg", {"_sd_alg": "md5"})
    refused("base64url", {}, name + b"=")
    refused("sd-size", {}, b"A" * 20_000)
    refused("parts", {}, *[name] * 300)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abcdef"), JSON, min_size=1), st.data())
def test_any_choice_of_disclosures_shows_exactly_those_members(claims: dict[str, Any], data: st.DataObject) -> None:
    made = [sd_jwt.conceal(name, value) for name, value in claims.items()]
    chosen = data.draw(st.sets(st.sampled_from(range(len(made)))))
    shown = [one for place, one in enumerate(made) if place in chosen]
    written = {"_sd": [one.digest for one in made] + [sd_jwt.decoy()], "_sd_alg": "sha-256"}
    handed = sd_jwt.split(sd_jwt.join(b"a.b.c", shown))
    assert sd_jwt.reveal(written, handed.disclosures) == {one.name: one.value for one in shown}


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_apart_or_refused(raw: bytes) -> None:
    try:
        sd_jwt.split(raw)
    except TokenMalformed as refusal:
        assert refusal.reason
