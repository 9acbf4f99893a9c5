"""Promise: a hole is gone after when it has stayed for its time, never earlier, and longer and longer after each try."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.inbox.holes import Holes

PATIENCE = (30.0, 300.0, 3600.0)
TOPICS = ("testamur.fi.status.v1", "testamur.pt.trust.v1")
LOOKS = st.lists(st.tuples(st.floats(0, 4000), st.dictionaries(st.sampled_from(TOPICS), st.integers(0, 2))), max_size=30)
"""Looks one after the other: the seconds since the one before, and what is missing then."""


@given(LOOKS)
def test_a_hole_is_due_once_it_has_been_seen_unchanged_for_its_time(
    looks: list[tuple[float, dict[str, int]]],
) -> None:
    holes, now = Holes(PATIENCE), 0.0
    since: dict[str, tuple[int, float]] = {}
    for passed, missing in looks:
        now += passed
        since = {topic: since.get(topic, (seq, now)) for topic, seq in missing.items()}
        since = {topic: one if one[0] == missing[topic] else (missing[topic], now) for topic, one in since.items()}
        assert set(holes.due(missing, now)) == {topic for topic, (_, at) in since.items() if now - at >= PATIENCE[0]}


@given(st.integers(0, 10))
def test_a_hole_that_nothing_fills_is_left_alone_longer_after_each_try(tries: int) -> None:
    holes, now, waited = Holes(PATIENCE), 0.0, []
    holes.due({TOPICS[0]: 7}, now)
    for _ in range(tries):
        began = now
        while not holes.due({TOPICS[0]: 7}, now):
            now += 30.0
        waited.append(now - began)
        holes.tried(TOPICS[0], now)
    assert waited == [*PATIENCE, *[PATIENCE[-1]] * 10][:tries]


@given(st.lists(st.integers(0, 100), unique=True, min_size=1))
def test_a_topic_that_moves_on_is_never_due(reached: list[int]) -> None:
    holes = Holes(PATIENCE)
    assert not any(holes.due({TOPICS[0]: seq}, 29.0 * look) for look, seq in enumerate(sorted(reached)))


def test_a_hole_that_closed_and_came_back_is_a_new_one() -> None:
    holes = Holes(PATIENCE)
    assert not holes.due({TOPICS[0]: 7}, 0.0)
    assert not holes.due({}, 20.0)
    assert not holes.due({TOPICS[0]: 7}, 40.0)
    assert holes.due({TOPICS[0]: 7}, 70.0) == [TOPICS[0]]
