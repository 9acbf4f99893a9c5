"""Promise: a page of a neighbour's log costs what its entries cost; whatever else it holds, the node goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.federation.log_client import LogClient, LogNotServed, PageRequest
from shared.trust.nodes import Node
from shared.web.outgoing.fetch import Fetcher
from tests.scenes.federation import comes_true, free_port, served
from tests.scenes.rotten_node import MUCH_OF_NOTHING, rotten_neighbour
from tests.world import Nation, federate, found

WANTED = PageRequest("lv", "status", 1, 0)


def neighbour(folder: Path, port: int) -> Node:
    return found(folder, "lv", port=port).node()


@pytest.mark.parametrize("kind", MUCH_OF_NOTHING)
async def test_a_page_that_is_larger_than_its_entries_is_refused(tmp_path: Path, kind: str) -> None:
    port = free_port()
    with rotten_neighbour(port, [kind], ""):
        async with Fetcher(("127.0.0.0/8",)) as fetcher:
            with pytest.raises(LogNotServed, match=r"The page (holds other things|is larger) than"):
                await LogClient(fetcher, str).ask(neighbour(tmp_path, port), WANTED)


async def test_a_neighbour_that_answers_with_eight_megabytes_of_nothing_does_not_stop_the_node(tmp_path: Path) -> None:
    port = free_port()
    lv, pt = (found(tmp_path / name, name, port=at, fetch_allow=("127.0.0.0/8",)) for name, at in (("lv", port), ("pt", 0)))
    federate([pt, lv])
    with rotten_neighbour(port, ["eight megabytes of objects"] * 1_000, "") as rotten:
        async with served(pt) as nation:

            async def answers_all_the_while() -> bool:
                answered, enough = 0, rotten.asked + 10
                while rotten.asked < enough:
                    assert (await nation.clients["verifier"].get("/healthz")).status_code == 200
                    answered += 1
                return answered > 50

            await comes_true(lambda: is_told(nation))
            # a busy machine is slow in some turns; a node that reads such a page by itself is slow in all of them
            await comes_true(answers_all_the_while)


async def is_told(nation: Nation) -> bool:
    """Whether the operator can see what is wrong with the neighbour."""
    known = await nation.must("registry", "GET", "/nodes")
    return "holds other things" in str(next(one for one in known if one["node"] == "lv"))
