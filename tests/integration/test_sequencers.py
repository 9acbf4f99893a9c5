"""Two sequencers on one store: one acts, a zombie keeps nothing, and no clock can break that or stop it for ever."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.verifier.repository import FACTS
from shared.clock import MAX_SKEW, ManualClock
from shared.events.base import CHECKPOINTS, REGISTRATIONS, STATUS, TRUST, Stream
from shared.events.chain import Placement, Position, placement
from shared.events.checkpoints import Head
from shared.events.entry import Entry, parse
from shared.events.status import CredentialSuspended
from shared.ids import new_ref, topic_name
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.log import archive, outbox
from shared.log.archive import HEADS, LOG, position_of
from shared.log.checkpointer import Checkpointer
from shared.log.lease import LEASES, TERM, LeaseLost, acquire, release
from shared.log.outbox import OUTBOX, Outbox, Unit
from shared.log.relay import MARKS
from shared.log.sequencer import Sequencer
from shared.log.signing import SigningKeys
from shared.store.open import open_store
from shared.store.port import Store, VersionConflict
from tests.scenes.federation import comes_true
from tests.world import ShiftedClock, world

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STREAMS: Sequence[Stream] = (TRUST, STATUS, REGISTRATIONS)
SIGNER = LocalSigner.generate(Purpose.EVENT)
TOPIC = topic_name("ee", "status")
AFTER_THE_TERM = TERM.total_seconds() + 1
LOST = (LeaseLost, VersionConflict)
"""How a sequencer learns that another one acts now."""


class Paused(Sequencer):
    """A sequencer that stops between signing and committing, until it is told to go on."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.signed, self.go = asyncio.Event(), asyncio.Event()

    async def _sign(self, *args: Any) -> list[Entry]:
        entries = await super()._sign(*args)
        self.signed.set()
        await self.go.wait()
        return entries


class PausedCheckpointer(Checkpointer):
    """A checkpointer that stops once it has read how far the chains have come, until it is told to go on."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.read, self.go = asyncio.Event(), asyncio.Event()

    async def _heads(self) -> dict[str, Head]:
        heads = await super()._heads()
        self.read.set()
        await self.go.wait()
        return heads


class OneKey:
    """One key signs all."""

    async def now(self) -> dict[str, LocalSigner]:
        return {stream.name: SIGNER for stream in STREAMS}


async def _learns(origin: str, kid: str) -> None:
    raise AssertionError("nothing here is said of a key")


class Scene:
    """One service's store, opened once for each process that works on it."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = stores
        self.clock = ManualClock(NOON)
        self.said: list[str] = []

    def sequencer(self, process: int = 0, kind: type[Sequencer] = Sequencer, clock: ManualClock | None = None) -> Any:
        """A sequencer of one process; each has a name of its own for the lease."""
        outbox = Outbox(self.stores[process], clock or self.clock)
        return kind(outbox, OneKey(), _learns, STREAMS, "testamur", "ee")

    async def says(self, count: int = 1, subject: str | None = None) -> None:
        """Say so many things, each in a transaction of its own."""
        for _ in range(count):
            ref, version = subject or new_ref(), len(self.said) + 1

            async def work(unit: Unit, ref: str = ref, version: int = version) -> str:
                return await unit.emit(CredentialSuspended(ref=ref, version=version, effective=unit.now, reason="error"))

            self.said.append(await Outbox(self.stores[0], self.clock).transact(work, actor="test"))

    async def chain(self) -> list[Entry]:
        """The chain as it is stored; that it has no gap and names each entry before is checked on the way."""
        rows = await self.stores[-1].scan(LOG, prefix=TOPIC + "/", limit=5_000)
        entries, position = [parse(row.body["jws"]) for row in rows], Position()
        for entry in entries:
            assert placement(position, entry.envelope) is Placement.NEXT
            position = position.advanced_by(entry)
        head = await self.stores[-1].get(archive.HEADS, TOPIC)
        assert archive.position_of(head) == position
        return entries

    async def all_said_once(self) -> bool:
        """Whether the chain holds all that was said, each thing once, and nothing waits any more."""
        told = Counter(entry.envelope.jti for entry in await self.chain())
        return told == Counter(self.said) and await self.stores[0].count(OUTBOX) == 0


@asynccontextmanager
async def opened(folder: Path, processes: int = 2) -> AsyncIterator[Scene]:
    collections = (*outbox.COLLECTIONS, *archive.COLLECTIONS, LEASES, MARKS)
    stores = [await open_store(f"sqlite:///{folder}", "registry", collections) for _ in range(processes)]
    yield Scene(stores)
    for store in stores:
        await store.close()


async def until_done_or(event: asyncio.Event, task: asyncio.Task[Any]) -> None:
    reached = asyncio.create_task(event.wait())
    await asyncio.wait({reached, task}, return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()


async def test_only_one_of_two_acts(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        first, second = scene.sequencer(0), scene.sequencer(1)
        await scene.says(3)
        assert (await first.step(), await second.step()) == (3, 0)
        await scene.says(2)
        assert (await second.step(), await first.step()) == (0, 2)
        assert await scene.all_said_once()


async def test_a_standby_takes_over_when_the_lease_is_over_and_at_once_when_it_is_given_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        first, second, third = scene.sequencer(0), scene.sequencer(1), scene.sequencer(0)
        await scene.says()
        await first.step()
        await scene.says()
        assert await second.step() == 0
        scene.clock.advance(seconds=AFTER_THE_TERM)
        assert await second.step() == 1
        running = asyncio.create_task(second.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await scene.says()
        assert await third.step() == 1, "whoever ends in order leaves the lease free"
        assert await scene.all_said_once()


@pytest.mark.parametrize("count", [3, 30], ids=["signed on the loop", "signed in a thread"])
async def test_a_zombie_keeps_nothing(tmp_path: Path, count: int) -> None:
    async with opened(tmp_path) as scene:
        zombie, other = scene.sequencer(0, Paused), scene.sequencer(1)
        await scene.says(count)
        late = asyncio.create_task(zombie.step())
        await zombie.signed.wait()
        scene.clock.advance(seconds=AFTER_THE_TERM)
        assert await other.step() == count
        before = [entry.compact for entry in await scene.chain()]
        zombie.go.set()
        with pytest.raises(LOST):
            await late
        assert [entry.compact for entry in await scene.chain()] == before, "its signatures are thrown away unseen"
        assert await scene.all_said_once()


async def test_a_zombie_keeps_nothing_even_when_its_successor_has_not_committed_yet(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        zombie, other = scene.sequencer(0, Paused), scene.sequencer(1, Paused)
        await scene.says(2)
        late = asyncio.create_task(zombie.step())
        await zombie.signed.wait()
        scene.clock.advance(seconds=AFTER_THE_TERM)
        acting = asyncio.create_task(other.step())
        await other.signed.wait()
        zombie.go.set()
        with pytest.raises(LeaseLost):
            await late
        assert await scene.chain() == []
        other.go.set()
        assert await acting == 2
        assert await scene.all_said_once()


async def test_a_holder_that_was_only_slow_and_that_nobody_replaced_keeps_its_work(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        slow = scene.sequencer(0, Paused)
        await scene.says(2)
        late = asyncio.create_task(slow.step())
        await slow.signed.wait()
        scene.clock.advance(hours=1)
        slow.go.set()
        assert await late == 2
        assert await scene.all_said_once()


async def test_two_loops_of_two_processes_make_one_chain_and_survive_each_others_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        loops = [asyncio.create_task(scene.sequencer(process).run()) for process in (0, 1)]
        ref = new_ref()
        await scene.says(20, subject=ref)
        loops[0].cancel()
        await scene.says(20, subject=ref)
        async with asyncio.timeout(60):
            while await scene.stores[0].count(OUTBOX):
                scene.clock.advance(seconds=1)
                await asyncio.sleep(0.02)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        assert await scene.all_said_once()
        assert [entry.envelope.jti for entry in await scene.chain()] == scene.said, "one subject's versions rise"


@pytest.mark.parametrize(
    "wrong",
    [timedelta(days=365), timedelta(hours=1), -timedelta(days=365)],
    ids=["a year ahead", "an hour ahead", "a year behind"],
)
async def test_a_holder_whose_clock_was_wrong_does_not_keep_the_lease_for_ever(tmp_path: Path, wrong: timedelta) -> None:
    async with opened(tmp_path) as scene:
        wrong_clock = ManualClock(NOON + wrong)
        await scene.says(1)
        assert await scene.sequencer(0, clock=wrong_clock).step() == 1
        await scene.says(1)
        scene.clock.advance(seconds=(TERM + MAX_SKEW).total_seconds() + 1)
        assert await scene.sequencer(1).step() == 1
        assert await scene.all_said_once()


async def test_a_holder_whose_clock_steps_stays_the_holder(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        holder, standby = scene.sequencer(0), scene.sequencer(1)
        for step in (timedelta(), timedelta(days=400), -timedelta(days=800), timedelta(days=400)):
            scene.clock.advance(seconds=step.total_seconds())
            await scene.says(1)
            assert (await holder.step(), await standby.step()) == (1, 0)
        assert await scene.all_said_once()


async def test_the_token_rises_with_each_change_of_holder_and_only_then(tmp_path: Path) -> None:
    async with opened(tmp_path, processes=1) as scene:
        (store,), now = scene.stores, NOON
        assert [await acquire(store, "x", "a", now), await acquire(store, "x", "a", now)] == [1, 1]
        assert await acquire(store, "x", "b", now) is None
        await release(store, "x", 1)
        assert [await acquire(store, "x", "b", now), await acquire(store, "x", "a", now)] == [2, None]
        await release(store, "x", 1)
        assert await acquire(store, "x", "a", now) is None, "an old token gives nothing back"


SEQUENCERS = 3
moves = st.one_of(
    st.just(("say", 0)),
    st.tuples(st.just("begin"), st.integers(0, SEQUENCERS - 1)),
    st.tuples(st.just("finish"), st.integers(0, SEQUENCERS - 1)),
    st.tuples(st.just("clock"), st.sampled_from([1, 11, 100, -100, 3_600, -3_600, 86_400 * 365, -86_400 * 365])),
)


@given(st.lists(moves, max_size=30))
@settings(max_examples=150, deadline=None)
def test_however_sequencers_interleave_and_clocks_step_the_chain_has_no_gap_and_nothing_twice(made: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), made))


async def _play(folder: Path, made: Sequence[tuple[str, int]]) -> None:
    async with opened(folder, processes=SEQUENCERS) as scene:
        players: dict[int, Any] = {number: scene.sequencer(number, Paused) for number in range(SEQUENCERS)}
        under_way: dict[int, asyncio.Task[int]] = {}
        for move, number in made:
            if move == "say":
                await scene.says()
            elif move == "clock":
                scene.clock.advance(seconds=number)
            elif move == "begin" and number not in under_way:
                players[number].signed.clear()
                players[number].go.clear()
                under_way[number] = asyncio.create_task(players[number].step())
                await until_done_or(players[number].signed, under_way[number])
            elif move == "finish" and number in under_way:
                await _finish(players[number], under_way.pop(number))
            await scene.chain()
        for number, task in under_way.items():
            await _finish(players[number], task)
        standby = scene.sequencer(0)  # looks now, and once more after the longest time that a lease can still last
        await standby.step()
        scene.clock.advance(seconds=(TERM + MAX_SKEW).total_seconds() + 1)
        await standby.step()
        assert await scene.all_said_once()


async def _finish(player: Any, task: asyncio.Task[int]) -> None:
    player.go.set()
    await asyncio.wait({task})
    assert task.exception() is None or isinstance(task.exception(), LOST)


async def test_a_relay_that_died_before_its_mark_brings_repeats_and_nothing_else() -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credentials = [await ee.issues("tartu") for _ in range(3)]
        await ee.revokes((await ee.verifies(credentials[0]))["credential"]["ref"])
        await europe.mirrors("ee", "pt")
        facts = await pt.engine("verifier").store.scan(FACTS)
        chained = sum([await ee.bus.end(topic_name("ee", stream.name)) for stream in STREAMS])
        repeats = pt.engine("verifier").inbox.repeats
        await _forgets_its_marks(ee)
        relay = ee.engine("registry").writer.relay
        assert relay is not None
        relay.wake.set()
        await ee.settles()
        await europe.mirrors("ee", "pt")
        assert pt.engine("verifier").inbox.repeats - repeats == chained
        assert await pt.engine("verifier").store.scan(FACTS) == facts
        reasons = [(await pt.verifies(one))["reason"] for one in credentials]
        assert reasons == ["revoked", None, None]


async def test_a_leader_paused_amid_a_checkpoint_and_replaced_says_nothing_of_what_it_read() -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        engine, ahead = ee.engine("registry"), ShiftedClock()
        ahead.shift = timedelta(seconds=30)
        signing = SigningKeys(engine.home, engine.store, "ee", [CHECKPOINTS.name])
        zombie = PausedCheckpointer(engine.store, signing, ahead, "testamur", "ee", 60.0)
        making = asyncio.create_task(zombie.make())
        await zombie.read.wait()
        before = position_of(await engine.store.get(HEADS, topic_name("ee", CHECKPOINTS.name))).seq
        await ee.revokes((await ee.verifies(credential))["credential"]["ref"])
        later = await ee.issues("tartu")
        await ee.settles()
        await comes_true(lambda: _checkpointed(ee, later_than=before))
        await europe.mirrors("ee", "pt")
        zombie.go.set()
        with pytest.raises(VersionConflict):
            await making
        await ee.issues("tartu")
        await ee.settles()
        await europe.mirrors("ee", "pt")
        assert [(await pt.verifies(one))["reason"] for one in (credential, later)] == ["revoked", None]


async def _checkpointed(nation: Any, later_than: int) -> bool:
    """Whether a checkpoint was made since."""
    head = await nation.engine("registry").store.get(HEADS, topic_name(nation.name, CHECKPOINTS.name))
    return position_of(head).seq > later_than


async def _forgets_its_marks(nation: Any) -> None:
    """The state in which a relay dies that published everything and marked nothing."""

    async def work(tx: Any) -> None:
        for stream in STREAMS:
            await tx.delete(MARKS, topic_name(nation.name, stream.name))

    await nation.engine("registry").store.transact(work)
