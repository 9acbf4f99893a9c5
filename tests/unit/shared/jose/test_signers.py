"""Promise: a private key signs what it was made for, stays secret, and survives on disk or says why not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.errors import Misconfigured
from shared.jose import gate, purpose
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner, Signer, WrongKeyForToken, sign
from shared.jose.token import decode, encode
from shared.keys.file import KeyExists, KeyFile, KeyMissing

CHEAP = 2**4
"""A scrypt cost for tests: what is stretched here is no secret."""


def decode_header(part: bytes) -> bytes:
    return decode(part, "header")


def open_folder(folder: Path, passphrase: str = "correct horse", cost: int = CHEAP) -> KeyFile:
    return KeyFile.open(folder, passphrase, cost=cost)


@pytest.mark.parametrize("which", list(Purpose))
def test_a_signer_seals_exactly_the_token_types_of_its_purpose(which: Purpose) -> None:
    signer: Signer = LocalSigner.generate(which)
    for typ, allowed in purpose.TYP_PURPOSE.items():
        if which in allowed:
            raw = sign({"typ": typ}, b"{}", signer)
            assert gate.check(raw, typ=typ, keys=lambda _: signer.verification_key()).kid == signer.kid
        else:
            with pytest.raises(WrongKeyForToken):
                sign({"typ": typ}, b"{}", signer)


@pytest.mark.parametrize(
    "member",
    [{"alg": "none"}, {"kid": "other"}, {"crit": []}, {"b64": False}, {"zip": "DEF"}, {"x": "y" * 17_000}, {"x": 2**53}],
)
def test_sealing_refuses_a_header_that_no_gate_would_read(member: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        sign({"typ": purpose.ENTRY, **member}, b"{}", LocalSigner.generate(Purpose.EVENT))


@pytest.mark.parametrize("alg", ["RS256", "PS256", "HS256", "none", "ES512", ""])
def test_no_key_is_made_for_an_algorithm_we_do_not_sign_with(alg: str) -> None:
    with pytest.raises(Misconfigured):
        LocalSigner.generate(Purpose.EVENT, alg)


@pytest.mark.parametrize("private", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP521R1())])
def test_a_private_key_we_do_not_sign_with_makes_no_signer(private: Any) -> None:
    with pytest.raises(Misconfigured):
        LocalSigner(private, Purpose.EVENT)


def test_a_signer_shows_nothing_secret_in_its_text_or_its_public_half() -> None:
    signer = LocalSigner.generate(Purpose.EVENT)
    secret = signer.private_jwk()["d"]
    assert "d" not in signer.public_jwk
    assert secret not in repr(signer) + str(signer.public_jwk) + str(signer.verification_key())


@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA"])
def test_a_private_jwk_makes_the_same_signer_again(alg: str) -> None:
    signer = LocalSigner.generate(Purpose.EVENT, alg)
    again = LocalSigner.from_private_jwk(signer.private_jwk(), Purpose.EVENT)
    assert again.public_jwk == signer.public_jwk
    gate.verify(gate.read(sign({"typ": purpose.ENTRY}, b"x", again), typ=purpose.ENTRY), signer.verification_key())


def test_what_is_no_private_jwk_makes_no_signer() -> None:
    signer = LocalSigner.generate(Purpose.EVENT)
    for jwk in ({}, signer.public_jwk, {"kty": "oct", "k": "AAAA"}, {**signer.private_jwk(), "kid": 5}):
        with pytest.raises(Misconfigured):
            LocalSigner.from_private_jwk(jwk, Purpose.EVENT)


def test_a_key_file_keeps_keys_across_opening(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "keys")
    made = {
        name: folder.create(name, which, alg)
        for name, which, alg in (
            ("event", Purpose.EVENT, "ES256"),
            ("root", Purpose.ROOT, "ES384"),
            ("institution-tartu", Purpose.INSTITUTION, "EdDSA"),
        )
    }
    again = open_folder(tmp_path / "keys")
    assert again.names() == sorted(made)
    for name, signer in made.items():
        loaded = again.load(name)
        assert (loaded.public_jwk, loaded.purpose, loaded.alg) == (signer.public_jwk, signer.purpose, signer.alg)
        assert loaded.private_jwk() == signer.private_jwk()


def test_the_advised_cost_is_the_default_and_stands_in_the_file(tmp_path: Path) -> None:
    KeyFile.open(tmp_path / "keys", "correct horse").create("event", Purpose.EVENT)
    header = orjson.loads(decode_header((tmp_path / "keys" / "master.jwe").read_bytes().split(b".")[0]))
    assert header["scrypt"]["n"] == 2**15
    assert KeyFile.open(tmp_path / "keys", "correct horse").names() == ["event"]


def test_nothing_on_disk_is_readable_by_others_or_in_the_clear(tmp_path: Path) -> None:
    signer = open_folder(tmp_path / "keys").create("event", Purpose.EVENT)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "keys").iterdir():
        assert path.suffix == ".jwe"
        assert path.stat().st_mode & 0o777 == 0o600
        assert signer.private_jwk()["d"].encode() not in path.read_bytes()


def test_a_wrong_or_empty_passphrase_opens_nothing(tmp_path: Path) -> None:
    open_folder(tmp_path / "keys")
    for wrong in ("correct hors", "correct horse ", ""):
        with pytest.raises(Misconfigured, match="passphrase"):
            open_folder(tmp_path / "keys", wrong)


@pytest.mark.parametrize("place", ["keys", "keys/master.jwe", "keys/event.jwe"])
def test_a_folder_or_file_that_others_can_read_is_refused(tmp_path: Path, place: str) -> None:
    open_folder(tmp_path / "keys").create("event", Purpose.EVENT)
    (tmp_path / place).chmod((tmp_path / place).stat().st_mode | 0o040)
    with pytest.raises(Misconfigured, match="chmod"):
        open_folder(tmp_path / "keys").load("event")


@pytest.mark.parametrize("name", ["master", "event"])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path, name: str) -> None:
    open_folder(tmp_path / "keys").create("event", Purpose.EVENT)
    path = tmp_path / "keys" / f"{name}.jwe"
    whole = path.read_bytes()
    for damaged in (
        b"",
        whole[:40],
        whole[:-1],
        whole[:-9] + b"AAAAAAAAA",
        b"\xff" + whole,
        whole + whole,
        b"e30.e30.e30.e30.e30",
    ):
        path.write_bytes(damaged)
        with pytest.raises(Misconfigured, match="backup"):
            open_folder(tmp_path / "keys").load("event")


def test_a_file_under_another_keys_name_does_not_open(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "keys")
    folder.create("event", Purpose.EVENT)
    (tmp_path / "keys" / "event.jwe").rename(tmp_path / "keys" / "root.jwe")
    with pytest.raises(Misconfigured, match="another key"):
        folder.load("root")


def test_keys_of_another_folder_do_not_open(tmp_path: Path) -> None:
    open_folder(tmp_path / "a").create("event", Purpose.EVENT)
    folder = open_folder(tmp_path / "b")
    (tmp_path / "a" / "event.jwe").rename(tmp_path / "b" / "event.jwe")
    with pytest.raises(Misconfigured, match="does not open"):
        folder.load("event")


def test_a_lost_master_is_never_made_anew_beside_keys(tmp_path: Path) -> None:
    open_folder(tmp_path / "keys").create("event", Purpose.EVENT)
    (tmp_path / "keys" / "master.jwe").unlink()
    with pytest.raises(Misconfigured, match="backup"):
        open_folder(tmp_path / "keys")


def test_creating_a_key_twice_keeps_the_first_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "keys")
    first = folder.create("event", Purpose.EVENT)
    with pytest.raises(KeyExists):
        folder.create("event", Purpose.EVENT)
    assert folder.load("event").kid == first.kid
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {"master.jwe", "event.jwe"}


def test_load_or_create_makes_a_key_once_and_minds_its_purpose(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "keys")
    first = folder.load_or_create("event", Purpose.EVENT)
    assert folder.load_or_create("event", Purpose.EVENT).kid == first.kid
    with pytest.raises(Misconfigured, match="purpose"):
        folder.load_or_create("event", Purpose.ROOT)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=r"event\.jwe"):
        open_folder(tmp_path / "keys").load("event")


@pytest.mark.parametrize("name", ["", "master", "../event", "a/b", "Event", ".x", "a" * 101, "a.b", "é", "a\n"])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured):
        open_folder(tmp_path / "keys").create(name, Purpose.EVENT)


@pytest.mark.parametrize("scrypt", [{"n": 2**40}, {"n": 3}, {"n": "x"}, {"n": -1}, {"r": 2**30}, {"salt": 5}, None])
def test_a_file_cannot_ask_for_endless_work(tmp_path: Path, scrypt: dict[str, Any] | None) -> None:
    open_folder(tmp_path / "keys")
    path = tmp_path / "keys" / "master.jwe"
    protected, rest = path.read_bytes().split(b".", 1)
    header = orjson.loads(decode_header(protected))
    header["scrypt"] = {**header["scrypt"], **scrypt} if scrypt else None
    path.write_bytes(encode(orjson.dumps(header)) + b"." + rest)
    with pytest.raises(Misconfigured, match="damaged"):
        open_folder(tmp_path / "keys")


def test_nodes_that_start_together_on_one_folder_agree_on_one_key(tmp_path: Path) -> None:
    start = threading.Barrier(3)

    def kid_of(folder: Path) -> str:
        start.wait()
        return open_folder(folder).load_or_create("event", Purpose.EVENT).kid

    with ThreadPoolExecutor(3) as pool:
        for attempt in range(5):
            assert len(set(pool.map(kid_of, [tmp_path / str(attempt)] * 3))) == 1
