"""Whatever is done to a store in whatever order, it answers as a dictionary would."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.store.open import open_store
from shared.store.port import DuplicateKey, Transaction, VersionConflict
from tests.contract.conftest import STORES, THINGS, drop

KEYS = st.text(alphabet="ab\u00e9\U0001f393", max_size=3)
BODIES = st.fixed_dictionaries({}, optional={"colour": st.sampled_from(["red", "blue", None]), "size": st.integers(0, 9)})


class Model(RuleBasedStateMachine):
    """The store beside a dictionary of key to (body, version)."""

    url: Callable[[Path], str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.place = type(self).url(Path(self.folder.name))
        self.store = self.runner.run(open_store(self.place, "model", [THINGS]))
        self.rows: dict[str, tuple[dict[str, Any], int]] = {}

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()
        drop(self.place, "model")

    def transact(self, work: Any) -> Any:
        return self.runner.run(self.store.transact(work))

    @rule(rows=st.lists(st.tuples(KEYS, BODIES), max_size=4), many=st.booleans())
    def insert(self, rows: list[tuple[str, dict[str, Any]]], many: bool) -> None:
        async def work(tx: Transaction) -> None:
            if many:
                await tx.insert_many(THINGS, rows)
                return
            for key, body in rows:
                await tx.insert(THINGS, key, body)

        added = {key: (body, 1) for key, body in rows}
        if len(added) < len(rows) or added.keys() & self.rows.keys():
            with pytest.raises(DuplicateKey):
                self.transact(work)
        else:
            self.transact(work)
            self.rows |= added

    @rule(key=KEYS, body=BODIES, expect=st.integers(0, 3))
    def put(self, key: str, body: dict[str, Any], expect: int) -> None:
        async def work(tx: Transaction) -> int:
            return await tx.put(THINGS, key, body, expect)

        if self.rows.get(key, (None, 0))[1] == expect:
            assert self.transact(work) == expect + 1
            self.rows[key] = body, expect + 1
        else:
            with pytest.raises(VersionConflict):
                self.transact(work)

    @rule(key=KEYS, expect=st.none() | st.integers(1, 3))
    def delete(self, key: str, expect: int | None) -> None:
        async def work(tx: Transaction) -> None:
            await tx.delete(THINGS, key, expect)

        if expect in (None, self.rows.get(key, (None, 0))[1]):
            self.transact(work)
            self.rows.pop(key, None)
        else:
            with pytest.raises(VersionConflict):
                self.transact(work)

    @rule(key=KEYS)
    def abandon(self, key: str) -> None:
        async def work(tx: Transaction) -> None:
            await tx.delete(THINGS, key)
            await tx.put(THINGS, key, {"colour": "abandoned"}, 0)
            raise LookupError

        with pytest.raises(LookupError):
            self.transact(work)

    @rule(
        prefix=KEYS, after=KEYS, limit=st.integers(0, 5), reverse=st.booleans(), colour=st.sampled_from(["any", "red", None])
    )
    def scan(self, prefix: str, after: str, limit: int, reverse: bool, colour: str | None) -> None:
        where = None if colour == "any" else {"colour": colour}
        found = self.runner.run(
            self.store.scan(THINGS, prefix=prefix, after=after, where=where, limit=limit, reverse=reverse)
        )
        expected = [
            (key, body, version)
            for key, (body, version) in sorted(self.rows.items(), key=lambda item: item[0].encode(), reverse=reverse)
            if key.startswith(prefix)
            and (not after or (key < after if reverse else key > after))
            and (where is None or body.get("colour") == colour)
        ]
        assert found == expected[:limit]

    @invariant()
    def holds_what_the_dictionary_holds(self) -> None:
        found = self.runner.run(self.store.scan(THINGS))
        assert {row.key: (row.body, row.version) for row in found} == self.rows
        reds = sum(body.get("colour") == "red" for body, _ in self.rows.values())
        assert self.runner.run(self.store.count(THINGS, {"colour": "red"})) == reds


@pytest.mark.parametrize("adapter", STORES)
def test_a_store_answers_as_a_dictionary_would(adapter: str) -> None:
    machine = type("Machine", (Model,), {"url": staticmethod(STORES[adapter])})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20 if adapter == "sqlite" else 6,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
