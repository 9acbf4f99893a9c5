"""One group of units of work in one transaction of MongoDB: run side by side, settled one after the other, written at once.

- *Side by side*: every unit is run on the snapshot as if it were alone, so that what they ask goes out together.
- *Settled* in order: a unit that has met nothing of what its predecessors changed keeps its result; one that has is run
  again on top of them. So the group has the result of running its units one by one, and mostly runs each of them once.
- A unit that raises loses its own changes only. If what it wrote before was assumed, it is run again carefully, so that it
  fails where it would have failed alone.
- A unit that is not done in time waits for the next group, but never the first one: each group gets somewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.clock import Clock
from shared.store.mongo.bulk import Bulk, Refused
from shared.store.mongo.snapshot import DocumentKey, Question, Snapshot
from shared.store.mongo.table import MongoTable
from shared.store.mongo.transaction import Layer, MongoTransaction, QueuedUnit

GROUP_SECONDS = 0.05
"""No unit is begun or run again in a group that has run this long, so that the first one in it is answered in time."""

GROUP_BYTES = 16 * 1024 * 1024
"""No unit joins a group whose changes weigh this much."""


class Group:
    """The attempt to run some units in one transaction. Its commit will answer the `settled`; those `left` wait on."""

    def __init__(
        self,
        tables: Mapping[str, MongoTable],
        snapshot: Snapshot,
        units: Sequence[QueuedUnit],
        clock: Clock,
        *,
        careful: bool,
    ) -> None:
        self._tables = tables
        self._snapshot = snapshot
        self._units = units
        self._clock = clock
        self._careful = careful
        self._until = clock.monotonic() + GROUP_SECONDS
        self.changes = Layer()
        self.settled: list[QueuedUnit] = []
        self.left: list[QueuedUnit] = []

    async def run(self, places: Iterable[DocumentKey]) -> None:
        """Run and settle all units, after reading these places. `Refused` when their assumptions cannot be confirmed."""
        keys: dict[str, list[str]] = {}
        for name, key in places:
            keys.setdefault(name, []).append(key)
        for name, wanted in keys.items():
            await self._snapshot.look(self._tables[name], wanted)
        await self._side_by_side()
        await self._settle()

    def places(self) -> set[DocumentKey]:
        """All that the units have read or written."""
        return {place for unit in self._units for place in unit.tx.seen}

    async def write(self, bulk: Bulk, *, claimed: bool) -> None:
        """Write the changes, if there are any."""
        if self.changes.rows:
            await bulk.write(self.changes.rows, claimed=claimed)

    async def _side_by_side(self) -> None:
        nothing = Layer()
        asking = self._still_asking({unit: self._start(unit, nothing) for unit in self._units})
        while asking:
            await self._snapshot.ask(list(asking.values()))
            if self._clock.monotonic() > self._until:
                for unit in [unit for unit in asking if unit is not self._units[0]]:
                    del asking[unit]
                    self._leave(unit)
            asking = self._still_asking({unit: unit.go_on() for unit in asking})

    async def _settle(self) -> None:
        size = 0
        for unit in [unit for unit in self._units if unit not in self.left]:
            late = self._clock.monotonic() > self._until or size > GROUP_BYTES
            again = unit.tx.meets(self.changes)
            careful = unit.error is not None and unit.tx.assumes()
            if self.settled and (size > GROUP_BYTES or (late and (again or careful))):
                self.left.append(unit)
                continue
            if again:
                await self._alone(unit, careful=self._careful)
            if unit.error is not None and unit.tx.assumes():
                await self._alone(unit, careful=True)
            if unit.error is None:
                if unit.tx.doubtful:
                    raise Refused(0)
                self.changes.update(unit.tx.own)
                size += sum(len(row.raw) for row in unit.tx.own.rows.values())
            self.settled.append(unit)

    async def _alone(self, unit: QueuedUnit, *, careful: bool) -> None:
        question = self._start(unit, self.changes, careful=careful)
        while question is not None:
            await self._snapshot.ask([question])
            question = unit.go_on()

    def _start(self, unit: QueuedUnit, below: Layer, *, careful: bool | None = None) -> Question | None:
        careful = self._careful if careful is None else careful
        return unit.start(MongoTransaction(self._tables, self._snapshot, below, careful=careful))

    def _leave(self, unit: QueuedUnit) -> None:
        unit.leave()
        self.left.append(unit)

    @staticmethod
    def _still_asking(asked: Mapping[QueuedUnit, Question | None]) -> dict[QueuedUnit, Any]:
        return {unit: question for unit, question in asked.items() if question is not None}
