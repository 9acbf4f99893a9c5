"""A transaction may await its own store and nothing else: whatever else it awaits would hold up everybody's commit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.store.port import Store, Transaction
from tests.contract.conftest import THINGS


async def _sleep() -> None:
    await asyncio.sleep(0.001)


async def _yield() -> None:
    await asyncio.sleep(0)


async def _stubborn() -> None:
    try:
        await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)


@pytest.mark.parametrize("foreign", [_sleep, _yield, _stubborn])
async def test_a_transaction_that_awaits_anything_else_is_refused_and_nothing_kept(store: Store, foreign: Any) -> None:
    with pytest.raises(RuntimeError):
        await store.transact(_awaiting(foreign))
    assert await store.count(THINGS) == 0


@pytest.mark.parametrize("foreign", [_sleep, _yield])
async def test_the_refusal_says_what_is_allowed(store: Store, foreign: Any) -> None:
    with pytest.raises(RuntimeError, match="nothing but its own store"):
        await store.transact(_awaiting(foreign))


def _awaiting(foreign: Any) -> Any:
    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, "a", {})
        await foreign()

    return work


async def test_another_tasks_result_is_not_waited_for_either(store: Store) -> None:
    never = asyncio.get_running_loop().create_future()

    async def work(tx: Transaction) -> None:
        await never

    with pytest.raises(RuntimeError, match="nothing but its own store"):
        await store.transact(work)
