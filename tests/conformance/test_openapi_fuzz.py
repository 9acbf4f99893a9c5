"""The four services keep their OpenAPI documents: whatever is sent, the answer is one that they name, and never 5xx.

The requests are made from the documents, valid and invalid ones, with a token for everything, against a served node.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.bus.port import Message
from shared.clock import SystemClock
from shared.credential import written
from shared.ids import new_ref, topic_name
from shared.inbox.dead_letters import DEAD
from shared.trust import node_token
from tests.docs import SERVICES, documents
from tests.scenes.cohort import body, csv
from tests.scenes.federation import homes, ref_of, served
from tests.world import EXAMPLE, Nation

EXAMPLES = 12
"""Requests of each kind for each operation."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KINDS = ("valid", "invalid", "of what is there")


def _operations() -> list[Any]:
    rendered = documents()
    found = []
    for service in SERVICES:
        document = json.loads(rendered[f"api/{service}.openapi.json"])
        for described in (each for path in document["paths"].values() for each in path.values()):
            described.pop("security", None)  # the token is always ours; leaving it out is no invalid request of theirs
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            assert isinstance(result, Ok), "the document is one that schemathesis can read"
            operation = result.ok()
            found += [(service, operation, kind) for kind in KINDS if _makes_sense(operation, kind)]
    found.sort(key=lambda one: one[1].method.upper() == "DELETE")  # what is deleted is asked for before
    return [pytest.param(*one, id=f"{one[0]} {one[1].label} {one[2]}") for one in found]


def _makes_sense(operation: Any, kind: str) -> bool:
    if kind == "of what is there":
        return bool(operation.path_parameters)
    if "/log/" in operation.path and kind == "invalid":
        return False  # its waiting time is fixed here, so what is left to spoil is not always spoilt
    return kind == "valid" or any(True for _ in operation.iter_parameters()) or bool(operation.body)


@dataclass(frozen=True)
class Target:
    """A served node: its address, a token for everybody's doors and one for other nodes', and what there is to ask of."""

    url: str
    access: str
    member: str
    known: dict[str, str]

    def headers(self, operation: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.member if '/log/' in operation.path else self.access}"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A node in a thread of its own, for schemathesis does not await."""
    ready: threading.Event = threading.Event()
    made: list[Target] = []
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def node() -> None:
        try:
            await _serve(tmp_path_factory.mktemp("fuzz"), made, ready, stop)
        finally:
            ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(node(),), daemon=True)
    thread.start()
    assert ready.wait(60) and made, "the node did not start"
    yield made[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


async def _serve(folder: Path, made: list[Target], ready: threading.Event, stop: asyncio.Event) -> None:
    ee_home, pt_home = homes(folder, "ee", "pt")
    signer, certificate = pt_home.signer("node-token"), pt_home.certificates()["node-token"]
    async with served(ee_home) as ee:
        known = await _what_there_is(ee)
        member = node_token.mint(
            signer, certificate, federation="testamur", node="pt", audience="ee", now=SystemClock().now()
        )
        url = str(ee.clients["registry"].base_url).rsplit("/", 2)[0]
        made.append(Target(url, ee.token(), member, known))
        ready.set()
        await stop.wait()


async def _what_there_is(ee: Nation) -> dict[str, str]:
    """One of everything that a path can name, by `<service>/<parameter>` or by the parameter alone."""
    await ee.accredits("tartu")
    await ee.accredits("tallinn")
    hook = {"url": f"{ee.home.settings.public_url}/hook", "kinds": ["credential.revoked"]}
    subscription = (await ee.must("notifier", "POST", "/subscriptions", hook))["id"]
    ref, revoked = [await ref_of(ee, await ee.issues("tartu")) for _ in range(2)]
    await ee.revokes(revoked)
    for origin in ("ee", "pt"):
        await ee.hears(topic_name(origin, "status"), [Message("", b"noise", ())])
    template = {name: said for name, said in ee.draft().items() if name != "holder"}
    cohort = await ee.must("issuer", "POST", "/cohorts", {**body(csv(2)), "template": template})
    institution = await ee.must("registry", "GET", "/institutions/tartu")
    offer = written.read(EXAMPLE.with_name("offer.yaml").read_bytes())
    for name in ("stays", "goes"):
        await ee.must("registry", "POST", "/offers", {"institution": "tallinn", "offer": name, "document": offer})
    deliveries = await ee.must("notifier", "GET", f"/subscriptions/{subscription}/deliveries")
    letters = {f"{name}/letter": (await ee.engine(name).store.scan(DEAD))[0].key for name in ee.apps}
    return letters | {
        "problems/slug": "not-found",
        "ref": ref,
        "cohort": cohort["id"],
        "node": "ee",
        "catalogue/institution": "tallinn",
        "catalogue/offer": "stays",
        "offers/institution": "tallinn",
        "offers/offer": "goes",
        "slug": "tartu",
        "institution": "tartu",
        "accreditation": institution["accreditations"][0]["accreditation"],
        "kid": institution["keys"][0]["kid"],
        "name": "1",
        "purpose": "suspension",
        "stream": "trust",
        "subscription": subscription,
        "delivery": deliveries["items"][0]["id"],
    }


def _of_what_is_there(service: str, operation: Any, known: dict[str, str]) -> dict[str, str]:
    """Values of the path's parameters that name something that exists."""
    names = [parameter.name for parameter in operation.path_parameters]
    first = operation.path.split("/")[1]
    candidates = {name: (f"{first}/{name}", f"{service}/{name}", name) for name in names}
    found = {name: [known[key] for key in keys if key in known] for name, keys in candidates.items()}
    return {name: values[0] for name, values in found.items() if values}


def _requests(service: str, operation: Any, kind: str, known: dict[str, str]) -> Any:
    """Requests for an operation. The long poll is not to be waited for."""
    fixed: dict[str, Any] = {"query": {"wait": 0}} if "/log/" in operation.path else {}
    if kind == "of what is there":
        fixed["path_parameters"] = _of_what_is_there(service, operation, known)
    mode = GenerationMode.NEGATIVE if kind == "invalid" else GenerationMode.POSITIVE
    return operation.as_strategy(generation_mode=mode, **fixed)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # schemathesis does, inside its strategies
@pytest.mark.parametrize(("service", "operation", "kind"), _operations())
def test_every_answer_is_one_that_the_document_names(target: Target, service: str, operation: Any, kind: str) -> None:
    session = requests.Session()
    checks = [*CHECKS, negative_data_rejection] if kind == "invalid" else CHECKS
    seen: set[int] = set()

    @given(case=_requests(service, operation, kind, target.known))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def fuzz(case: Any) -> None:
        headers = target.headers(operation)
        if kind != "invalid":
            headers["Idempotency-Key"] = new_ref()
        answer = case.call(base_url=f"{target.url}/{service}", headers=headers, session=session)
        seen.add(answer.status_code)
        case.validate_response(answer, checks=checks)

    fuzz()
    assert not seen <= {401, 403, 429}, "the requests came past the outer door"
    there = kind == "of what is there" and "/revocations/" not in operation.path  # two persons make one; there is none
    if operation.method.upper() == "GET" and (there or (kind == "valid" and "{" not in operation.path)):
        assert 200 in seen
