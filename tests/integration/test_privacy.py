"""A learner's name stays with the learner and, encrypted, with the issuer: it crosses no border and cannot be guessed."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from hashlib import md5, sha1, sha256, sha512
from itertools import permutations, product
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import orjson
import pytest

from services.issuer.credentials.repository import CREDENTIAL_KEYS, CREDENTIALS
from shared.bus.port import Message, Record
from shared.events.base import PUBLIC
from shared.events.entry import parse_message
from shared.ids import topic_name
from tests.world import Nation, World, federate, found, running, world

GIVEN, FAMILY, BORN = "Kanaarilind", "Quetzalcoatlus", "1987-06-05"
HOLDER = {"given_name": GIVEN, "family_name": FAMILY, "date_of_birth": BORN}
GRADE = "Zufriedenstellend"
"""What was told of the learner; none of these words stands anywhere else."""
PERSONAL = (GIVEN, FAMILY, f"{GIVEN} {FAMILY}", BORN, GRADE)

Json = Any


def spellings(text: str) -> Iterator[bytes]:
    """A text as it may stand in a file: plain, in UTF-16, in hexadecimal, in base64 at each alignment, once or twice."""
    plain = text.encode()
    yield from (plain, plain.upper(), text.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode())
    for encode in (b64encode, urlsafe_b64encode):
        once = list(_aligned(plain, encode))
        yield from once
        for inner in once:
            yield from _aligned(inner, encode)


def _aligned(plain: bytes, encode: Any) -> Iterator[bytes]:
    """The part of a base64 text that does not depend on what stands before and behind."""
    for shift in range(3):
        whole = encode(b"\0" * shift + plain)
        yield whole[-(-8 * shift // 6) : 8 * (shift + len(plain)) // 6]


def found_in(data: bytes) -> list[str]:
    """Which personal words stand in some bytes, in any spelling."""
    return [text for text in PERSONAL if any(spelling in data for spelling in spellings(text))]


def everything_in(folder: Path) -> bytes:
    """All bytes of all files: stores, the bus, what is written ahead of them, keys."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def lived_through(europe: World) -> tuple[Nation, Nation, str]:
    """Everything that can happen to a credential at home and abroad, mistakes of callers included."""
    ee, pt = europe["ee"], europe["pt"]
    await ee.accredits("tartu")
    told = {"holder": HOLDER, "assessment": {"type": "project work", "grade": GRADE}}
    credential = await ee.issues("tartu", **told)
    ref = (await ee.verifies(credential))["credential"]["ref"]
    await europe.mirrors("ee", "pt")
    assert (await pt.verifies(credential))["verdict"] == "valid"
    await pt.verifies(credential[:-9] + "AAAAAAAAA")
    await pt.verifies(credential, country="PT")
    for nation in (ee, pt):
        await nation.ask("verifier", "POST", "/verifications", {"credential": credential, "holder": HOLDER})
        await nation.ask("verifier", "POST", "/verifications", {"credential": {"holder": HOLDER}})
        await nation.ask("verifier", "GET", f"/policy?holder={GIVEN}+{FAMILY}")
    await ee.ask("issuer", "POST", "/credentials", {"institution": "tartu", "credential": ee.draft(**told, title=None)})
    await ee.ask("issuer", "POST", "/credentials", {"institution": "narva", "credential": ee.draft(**told)})
    await ee.ask("issuer", "POST", "/credentials/check", {"institution": "tartu", "credential": ee.draft(**told)})
    await ee.must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "unspecified"})
    await ee.must("registry", "POST", f"/credentials/{ref}/reinstate", {})
    await ee.settles()  # the issuer hears of it from its registry, and corrects only what is in force
    corrected = ee.draft(**{**told, "title": "Data literacy, corrected"})
    await ee.must("issuer", "POST", f"/credentials/{ref}/correct", {"credential": corrected})
    await ee.settles()
    other = await ee.issues("tartu", **told)
    await ee.revokes((await ee.verifies(other))["credential"]["ref"])
    await europe.mirrors("ee", "pt")
    assert (await pt.verifies(credential))["reason"] == "superseded"
    assert (await pt.verifies(other))["reason"] == "revoked"
    return ee, pt, credential


async def test_a_name_stands_in_the_clear_in_no_file_no_log_line_and_no_metric(capfd: pytest.CaptureFixture[str]) -> None:
    async with world("ee", "pt", log_level="debug") as europe:
        ee, pt, credential = await lived_through(europe)
        await pt.hears(topic_name("ee", "status"), [Message("", b"noise", ())])
        on_disk = {nation.name: everything_in(nation.home.folder) for nation in (ee, pt)}
        measured = [(await client.get("/metrics")).content for one in (ee, pt) for client in one.clients.values()]
    logs = "".join(capfd.readouterr()).encode()
    ref = _payload(credential)["id"].removeprefix("urn:uuid:").encode()
    assert all(ref in data for data in on_disk.values()), "the files that were searched are the ones that were written"
    assert b"record refused" in logs and b"testamur_verifier" in b"".join(measured), "and so are the log and the metrics"
    assert {name: found_in(data) for name, data in on_disk.items()} == {"ee": [], "pt": []}
    assert found_in(logs + b"".join(measured)) == []
    body = credential.split(".")[1].encode()
    assert not any(body[place : place + 80] in data for data in on_disk.values() for place in range(0, len(body) - 80, 40))


async def test_the_search_finds_a_name_in_each_spelling_it_knows() -> None:
    for text in PERSONAL:
        plain = json.dumps({"a": text}).encode()
        for once in (plain, plain.hex().encode(), f"<{text}>".encode("utf-16-le")):
            assert text in found_in(b"before" + once + b"after")
        for before, beside in product(range(3), repeat=2):
            inside = urlsafe_b64encode(b"x" * before + plain)
            assert text in found_in(inside) and text in found_in(b64encode(b"y" * beside + inside))


async def public_records(nation: Nation) -> list[Record]:
    """Everything that a nation ever put on its public topics: what the whole world may have."""
    reader = nation.bus.consumer("the world")
    reader.follow([topic_name(nation.name, stream) for stream in PUBLIC])
    records = await reader.poll(100_000, 0.0)
    await reader.close()
    return records


def bytes_of(records: Iterable[Record]) -> bytes:
    """The records' bytes, and beside them what is encoded in the signed part."""
    parts: list[bytes] = []
    for record in records:
        parts += [record.key.encode(), record.value, *(value for _, value in record.headers)]
        parts.append(orjson.dumps(dict(parse_message(record.value, record.headers).token.header)))
    return b"\0".join(parts)


def _payload(credential: str) -> Json:
    return json.loads(urlsafe_b64decode(credential.split(".")[1] + "=="))


def _commitment(credential: str, **guessed: Any) -> str:
    """The commitment to a credential as somebody would compute it who guesses some of its members."""
    header, _, _ = credential.split(".")
    members = {**_payload(credential), **guessed}
    body = orjson.dumps({name: value for name, value in members.items() if value is not None})
    signing_input = f"{header}.{urlsafe_b64encode(body).decode().rstrip('=')}"
    return _digest(signing_input.encode())


def _digest(data: bytes) -> str:
    return urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")


async def test_who_knows_all_but_the_salt_cannot_confirm_a_commitment() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        credential, other = [await ee.issues("tartu", holder=HOLDER) for _ in range(2)]
        public = bytes_of(await public_records(ee))
        true, salts = _commitment(credential), {_payload(one)["salt"] for one in (credential, other)}
        assert true.encode() in public, "with the salt the guess is confirmed, so the computation is the right one"
        guesses = [None, "", "A" * 22, _payload(other)["salt"], *(token_urlsafe(16) for _ in range(500))]
        assert not [guess for guess in guesses if _commitment(credential, salt=guess).encode() in public]
        assert len(salts) == 2 and all(len(urlsafe_b64decode(salt + "==")) >= 16 for salt in salts)
        assert not any(salt.encode() in public for salt in salts)


async def test_no_digest_of_anything_that_can_be_guessed_is_public() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu", holder=HOLDER)
        public = bytes_of(await public_records(ee))
        ref = _payload(credential)["id"].removeprefix("urn:uuid:")
        words = [GIVEN, FAMILY, BORN, "19870605", "05.06.1987", ref, "tartu"]
        combined = [separator.join(chosen) for n in (1, 2, 3) for chosen in permutations(words, n) for separator in "|, ;-"]
        combined += ["".join(chosen) for n in (2, 3) for chosen in permutations(words, n)]
        combined += [json.dumps(HOLDER), orjson.dumps(HOLDER).decode(), credential, credential.split(".")[1]]
        for text in {form for one in combined for form in (one, one.lower(), one.upper())}:
            for made in (sha256, sha1, md5, sha512):
                raw = made(text.encode()).digest()
                assert raw not in public and raw.hex().encode() not in public, text
                assert b64encode(raw)[:20] not in public and urlsafe_b64encode(raw)[:20] not in public, text


async def test_nothing_public_links_two_credentials_of_one_learner() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        for holder in (HOLDER, HOLDER, {"full_name": "Somebody Else"}):
            await ee.issues("tartu", holder=holder)
        events = [json.loads(record.value) for record in await public_records(ee) if b"commitments" in record.value]
        one, again, other = ({_flat(value) for value in event.items()} for event in events)
        assert one & again == one & other, "the same learner's two have no more in common than two learners'"


def _flat(item: Any) -> str:
    return json.dumps(item, sort_keys=True)


def _leaves(value: Json, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


async def test_the_public_topics_hold_no_place_in_a_status_list() -> None:
    async with world("ee", "pt") as europe:
        ee, _, _ = await lived_through(europe)
        rows = await ee.engine("issuer").store.scan(CREDENTIALS)
        indexes = {row.body["status_index"] for row in rows} - set(range(100))
        assert indexes, "and a small number could stand anywhere"
        records = await public_records(ee)
        leaves = [leaf for record in records for leaf in _leaves(json.loads(record.value))]
        leaves += [leaf for r in records for leaf in _leaves(dict(parse_message(r.value, r.headers).token.header))]
        assert {path.rpartition("/")[2] for path, _ in leaves} >= {"ref", "institution", "seq", "reason"}
        assert not [path for path, _ in leaves if "index" in path or "list" in path or "holder" in path]
        assert not [path for path, value in leaves if value in indexes or value in {str(index) for index in indexes}]


def _written(nation: Nation) -> dict[str, str]:
    """The digest of each file that the verifier writes to (what readers share in memory is no record)."""
    files = [path for path in nation.home.folder.rglob("*verifier*") if path.is_file() and not path.name.endswith("-shm")]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


async def test_a_verification_leaves_no_trace_in_the_verifiers_store() -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu", holder=HOLDER)
        await europe.mirrors("ee", "pt")
        before = await _at_rest(pt)
        for asked in (credential, credential[:-9] + "AAAAAAAAA", "no.credential.at-all"):
            for _ in range(5):
                await pt.ask("verifier", "POST", "/verifications", {"credential": asked})
        assert await _at_rest(pt) == before
        assert any(name.startswith("verifier.db") for name in before)


async def _at_rest(nation: Nation) -> dict[str, str]:
    """The verifier's files once nothing is on its way to them any more."""
    async with asyncio.timeout(60):
        seen: dict[str, str] = {}
        while (now := _written(nation)) != seen:
            seen = now
            await asyncio.sleep(0.6)
    return seen


async def test_an_erased_credentials_key_is_in_no_file_any_more(tmp_path: Path) -> None:
    home = found(tmp_path / "ee", "ee")
    federate([home])
    async with running(home) as ee:
        await ee.accredits("tartu")
        ref = _payload(await ee.issues("tartu", holder=HOLDER))["id"].removeprefix("urn:uuid:")
        store = ee.engine("issuer").store
        row = await store.get(CREDENTIAL_KEYS, ref)
        assert row is not None
        key = row.body["key"].encode()
        assert key in everything_in(home.folder)
        await store.transact(lambda tx: tx.delete(CREDENTIAL_KEYS, ref))
    assert key not in everything_in(home.folder)
