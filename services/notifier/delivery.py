"""The delivery loop: what is due is sent, a bounded number at once, and the outcome is written down.

What is lost if the process dies here: nothing. A delivery that was sent and not yet marked is still due, and is sent again
under the same `webhook-id`: at least once. The process that leads delivers. A second process that wrongly believed it led
would only repeat ids.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from services.notifier.channels import webhook
from services.notifier.channels.webhook import Attempt
from services.notifier.domain import KEPT_ATTEMPTS, DeliveryState, next_attempt
from services.notifier.handlers import disable
from services.notifier.records import AttemptRow, StoredDelivery, StoredSubscription
from services.notifier.repository import DUE, delivery, due_key, forget, put_delivery, subscription
from services.notifier.settings import NotifierSettings
from shared.clock import Clock
from shared.store.port import PAGE, Document, Store, Transaction
from shared.tasks.wakeups import wait_for
from shared.telemetry import get_logger, histogram
from shared.web.outgoing.fetch import Fetcher

POLL_SECONDS = 0.25
"""Between two looks at what is due."""

MAX_DUE_SCANNED = 5_000
"""Due deliveries that one look goes through, past those of busy receivers, for some that may be sent now."""

DELIVERY_SECONDS = histogram("testamur_notifier_delivery_seconds", "How long sending a webhook took, by outcome.")

_log = get_logger("notifier.delivery")


class Courier:
    """Sends what is due."""

    def __init__(self, store: Store, clock: Clock, fetcher: Fetcher, settings: NotifierSettings) -> None:
        self._store = store
        self._clock = clock
        self._fetcher = fetcher
        self._settings = settings
        self._under_way: dict[str, str] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as sending:
            while True:
                self._wake.clear()
                await self._start(sending)
                await wait_for(self._wake, POLL_SECONDS)

    async def step(self) -> int:
        """Send everything that may be sent now, once; returns how much that was."""
        async with asyncio.TaskGroup() as sending:
            return await self._start(sending)

    async def sweep(self) -> int:
        """Delete deliveries whose time in the log is over, a page in each transaction; returns how many."""
        before = self._clock.now().timestamp() - self._settings.notifier_retention_days * 86_400
        deleted = 0
        while gone := await self._store.transact(lambda tx: forget(tx, before, PAGE)):
            deleted += gone
        return deleted

    async def _start(self, sending: asyncio.TaskGroup) -> int:
        rows = await self._startable()
        for row in rows:
            key = row.key.partition("/")[2]
            self._under_way[key] = row.body["subscription"]
            sending.create_task(self._deliver(key, row.key))
        return len(rows)

    async def _startable(self) -> list[Document]:
        """Due deliveries, the oldest first, as many as may be under way at once and to one subscription."""
        now = due_key("", self._clock.now().timestamp() + 0.001)
        free = self._settings.notifier_concurrency - len(self._under_way)
        busy, found, after, seen = Counter(self._under_way.values()), list[Document](), "", 0
        while free > len(found) and seen < MAX_DUE_SCANNED:
            page = await self._store.scan(DUE, after=after, limit=PAGE)
            for row in page:
                if row.key >= now:
                    return found
                receiver = row.body["subscription"]
                waits = row.key.partition("/")[2] not in self._under_way
                if waits and busy[receiver] < self._settings.notifier_per_subscription and len(found) < free:
                    busy[receiver] += 1
                    found.append(row)
            if len(page) < PAGE:
                break
            after, seen = page[-1].key, seen + len(page)
        return found

    async def _deliver(self, key: str, due: str) -> None:
        try:
            due_now = await delivery(self._store, key)
            if due_now is None or due_now.due != due:  # it was put off or forgotten since the look
                await self._store.transact(lambda tx: tx.delete(DUE, due))
                return
            receiver = await subscription(self._store, due_now.subscription)
            if receiver is None or receiver.state != "active":
                await self._store.transact(lambda tx: _cancel(tx, key))
                return
            attempt = await self._send(due_now, receiver)
            now = self._clock.now().timestamp()
            await self._store.transact(lambda tx: _record(tx, key, attempt, now))
        finally:
            self._under_way.pop(key, None)
            self._wake.set()

    async def _send(self, due_now: StoredDelivery, receiver: StoredSubscription) -> Attempt:
        attempt = await webhook.send(
            self._fetcher,
            self._clock,
            url=receiver.subscription.url,
            message=due_now.id,
            body=due_now.body,
            secrets_in_force=receiver.secrets_at(self._clock.now().timestamp()),
            seconds=self._settings.notifier_timeout,
        )
        DELIVERY_SECONDS.record(attempt.milliseconds / 1000, outcome="delivered" if attempt.delivered else "failed")
        if not attempt.delivered:
            _log.info("the receiver did not take a webhook", delivery=due_now.id, status=attempt.status, error=attempt.error)
        return attempt


async def _record(tx: Transaction, key: str, attempt: Attempt, now: float) -> None:
    """Write down the outcome of an attempt, and when the next one is due."""
    before = await delivery(tx, key)
    if before is None:
        return
    line = AttemptRow(
        at=attempt.at.timestamp(), status=attempt.status, error=attempt.error, milliseconds=attempt.milliseconds
    )
    tried = replace(before, attempts=(*before.attempts, line)[-KEPT_ATTEMPTS:])
    if attempt.delivered or attempt.gone:
        await put_delivery(tx, replace(tried, state="delivered" if attempt.delivered else "failed"), due_at=None)
        if attempt.gone:
            await disable(tx, before.subscription)
        return
    failures = before.failures + 1
    again = next_attempt(key, failures, now, attempt.retry_after)
    state: DeliveryState = "pending" if again is not None else "failed"
    await put_delivery(tx, replace(tried, state=state, failures=failures), due_at=again)


async def _cancel(tx: Transaction, key: str) -> None:
    before = await delivery(tx, key)
    if before is not None:
        await put_delivery(tx, replace(before, state="cancelled"), due_at=None)
