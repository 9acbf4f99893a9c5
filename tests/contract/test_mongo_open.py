"""What TESTAMUR_STORE may say of MongoDB, and what is answered where it cannot be opened: a sentence, never the password."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from shared.errors import Misconfigured, TestamurError
from shared.store.mongo.client import MongoUrl
from shared.store.open import open_store
from shared.store.port import StoreUnavailable
from tests import engines
from tests.contract.conftest import THINGS, database, drop
from tests.engines.ports import free_port

PASSWORD = "pa55/w@rd"
HASTE = "serverSelectionTimeoutMS=500"


async def refusal(url: str) -> TestamurError:
    """The error that opening ends in; nowhere in it, or in what it came from, is the password."""
    with pytest.raises(TestamurError) as caught:
        await open_store(url, "contract", [THINGS])
    told = "".join(traceback.format_exception(caught.value))
    assert "pa55" not in told
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "mongodb:///name",
        "mongodb://host:99999/name",
        "mongodb://user:pa55@w@rd@host/name",
        "mongodb://user:pa55%zz@host/name",
        "mongodb://user:pa55@host/name?nonsense=1",
        "mongodb://user:pa55@host/name.collection",
        "mongodb://user:pa55@host/" + "n" * 41,
        "mongodb://user:pa55@host/?tls=maybe",
    ],
)
async def test_a_url_of_another_form_is_refused_with_the_form_it_should_have(url: str) -> None:
    refused = await refusal(url)
    assert isinstance(refused, Misconfigured)
    assert "mongodb://host:27017/NAME?replicaSet=rs0" in refused.detail


async def test_a_file_that_the_url_names_and_that_cannot_be_read_is_named_as_the_fault() -> None:
    refused = await refusal("mongodb://user:pa55@host/?tls=true&tlsCAFile=/not/there")
    assert isinstance(refused, Misconfigured)
    assert "cannot be read" in refused.detail


def test_each_service_has_a_database_of_its_own() -> None:
    assert MongoUrl.parse("mongodb://host/ee?replicaSet=rs0").database("issuer") == "ee_issuer"
    assert MongoUrl.parse("mongodb://host").database("registry") == "testamur_registry"


def test_what_is_durable_is_not_for_the_url_to_say_and_how_long_to_wait_is() -> None:
    options = MongoUrl.parse("mongodb://host/?w=1&journal=false&readConcernLevel=local&connectTimeoutMS=7").options
    assert (options["w"], options["journal"], options["readConcernLevel"]) == ("majority", True, "majority")
    assert "connectTimeoutMS" not in options
    assert options["serverSelectionTimeoutMS"] > 0


def test_a_user_is_looked_up_in_admin_unless_the_url_says_otherwise() -> None:
    assert MongoUrl.parse("mongodb://u:p@host/ee").options["authSource"] == "admin"
    assert "authSource" not in MongoUrl.parse("mongodb://u:p@host/ee?authSource=ee").options
    assert "authSource" not in MongoUrl.parse("mongodb://host/ee").options


def test_a_url_is_not_shown_where_its_object_is_printed() -> None:
    assert "p55" not in repr(MongoUrl.parse("mongodb://u:p55@host/ee"))


@pytest.fixture(scope="module")
def standalone() -> Iterator[engines.Mongo]:
    with engines.own_mongo(replica_set=None) as mongo:
        yield mongo


@pytest.mark.parametrize("options", ["", "replicaSet=rs0&" + HASTE, "directConnection=true"])
async def test_a_standalone_is_refused_with_what_to_do(standalone: engines.Mongo, options: str) -> None:
    refused = await refusal(f"{standalone.database('ee')}?{options}")
    assert isinstance(refused, Misconfigured)
    assert "--replSet" in refused.detail
    assert "rs.initiate()" in refused.detail


async def test_a_replica_set_of_another_name_is_refused() -> None:
    url = database().replace("replicaSet=rs0", f"replicaSet=other&{HASTE}")
    refused = await refusal(url)
    assert isinstance(refused, Misconfigured)
    assert "replica set of another name" in refused.detail


async def test_a_server_that_is_not_there_can_come_later() -> None:
    refused = await refusal(f"mongodb://user:pa55@127.0.0.1:{free_port()}/ee?replicaSet=rs0&{HASTE}")
    assert isinstance(refused, StoreUnavailable)
    assert "does not answer" in refused.detail


async def test_a_set_without_a_primary_is_told_from_a_server_that_is_down() -> None:
    with await asyncio.to_thread(engines.own_mongo) as mongo:
        with MongoClient[dict[str, Any]](mongo.url) as client:
            client.admin.command({"replSetStepDown": 60, "force": True})
        refused = await refusal(f"{mongo.database('ee')}&{HASTE}")
    assert isinstance(refused, StoreUnavailable)
    assert "No primary" in refused.detail


async def test_a_wrong_password_is_a_sentence_and_the_right_one_opens() -> None:
    with await asyncio.to_thread(engines.own_mongo, user="node", password=PASSWORD) as mongo:
        right = mongo.database("ee")
        wrong = right.replace("pa55", "pa55x")
        assert wrong != right
        refused = await refusal(wrong)
        assert isinstance(refused, StoreUnavailable)
        assert "name or password" in refused.detail
        refused = await refusal(right.replace("node:", "nobody:"))
        assert "name or password" in refused.detail
        await (await open_store(right, "contract", [THINGS])).close()


async def test_what_a_newer_version_has_written_is_refused(tmp_path: Path) -> None:
    url = database()
    await (await open_store(url, "contract", [THINGS])).close()
    with MongoClient[dict[str, Any]](url) as client:
        name = MongoUrl.parse(url).database("contract")
        client[name]["testamur.guard"].update_one({}, {"$inc": {"layout": 1}})
    refused = await refusal(url)
    drop(url)
    assert isinstance(refused, Misconfigured)
    assert "newer version" in refused.detail
