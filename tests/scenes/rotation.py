"""Rotating service keys, in the tests' language."""

from __future__ import annotations

from shared.clock import SystemClock
from shared.events.entry import Entry, parse
from shared.events.trust import ServiceKeyRetired
from shared.home import rotation
from shared.home.folder import CERTIFIED, Home
from shared.home.generations import UNCERTIFIED, Reason
from shared.ids import topic_name
from shared.inbox.dead_letters import DEAD
from shared.log.archive import LOG
from shared.trust.certificates import kid_in
from tests.world import Nation

EVERY = tuple(CERTIFIED)
"""The keys that the trust stream speaks of."""


def rotates(home: Home, *names: str, reason: Reason = "superseded") -> None:
    """Rotate keys in the folder, the root being at hand."""
    for name in names:
        made = rotation.prepare(home, name, reason)
        if name != UNCERTIFIED:
            asked = rotation.request(home, name, made.verification_key())
            rotation.finish(home, name, rotation.answer(home.signer("root"), asked, SystemClock().now()))


def kids(home: Home, name: str) -> list[str]:
    """The ids of a key's generations, oldest first."""
    return [kid_in(one.certificate) for one in home.generations.of(name)]


async def entries(nation: Nation, stream: str) -> list[Entry]:
    """A stream of the nation's own, as its registry holds it."""
    rows = await nation.engine("registry").store.scan(LOG, prefix=topic_name(nation.name, stream) + "/", limit=5_000)
    return [parse(row.body["jws"]) for row in rows]


async def retired(nation: Nation) -> list[str]:
    """The keys whose end the nation's trust stream says, as often as it says it."""
    return [one.envelope.sub for one in await entries(nation, "trust") if one.envelope.kind == ServiceKeyRetired.kind]


async def has_retired(nation: Nation, *names: str) -> bool:
    """Whether the key before the newest one is retired, of each name."""
    said = await retired(nation)
    return all(kids(nation.home, name)[-2] in said for name in names)


async def refused(nation: Nation) -> list[str]:
    """Why records were refused in any service of a nation, as far as they still are."""
    return [row.body["reason"] for service in nation.apps for row in await nation.engine(service).store.scan(DEAD)]
