"""When a mirror is overdue with a chain: not while it comes in its time, and soon when it does not."""

from __future__ import annotations

from itertools import count

from shared.federation.mirror_watch import GRACE_LOOKS, LATE_LOOKS, ChainWatch


def looks_until_overdue(watch: ChainWatch, stands: int, reaches: int, *, reading: bool = False) -> int:
    """How many looks find the same before the mirror is overdue."""
    return next(look for look in count(1) if watch.is_overdue((1, stands), (1, reaches), reading=reading))


def test_nothing_that_is_known_of_is_overdue_by_no_length_of_looking() -> None:
    watch = ChainWatch()
    assert not any(watch.is_overdue((1, 7), None, reading=False) for _ in range(10 * LATE_LOOKS))


def test_a_hole_that_does_not_close_is_overdue_after_the_grace() -> None:
    assert looks_until_overdue(ChainWatch(), 7, 9) == GRACE_LOOKS + 1


def test_what_came_in_its_time_takes_nothing_from_the_time_of_what_comes_next() -> None:
    watch = ChainWatch()
    for reached in range(100):
        assert not any(watch.is_overdue((1, reached), (1, reached + 1), reading=False) for _ in range(GRACE_LOOKS))
    assert looks_until_overdue(watch, 100, 101) == GRACE_LOOKS + 1


def test_entry_after_entry_is_waited_for_but_not_for_ever() -> None:
    watch = ChainWatch()
    moving = (watch.is_overdue((1, look), (1, 10_000), reading=False) for look in count())
    assert next(look for look, overdue in enumerate(moving, 1) if overdue) == LATE_LOOKS + 1


def test_a_nation_that_always_says_more_than_has_come_yet_is_not_late_by_that() -> None:
    watch = ChainWatch()
    assert not any(watch.is_overdue((1, look), (1, look + 3), reading=False) for look in range(10 * LATE_LOOKS))


def test_a_backlog_on_the_own_bus_may_hold_it_but_excuses_nothing_for_ever() -> None:
    assert looks_until_overdue(ChainWatch(), 7, 9, reading=True) == LATE_LOOKS + 1


def test_a_later_epoch_reaches_further_than_any_sequence_of_the_one_before() -> None:
    watch = ChainWatch()
    assert not watch.is_overdue((1, 900), (2, 1), reading=False)
    assert [watch.is_overdue((1, 900), (2, 1), reading=False) for _ in range(GRACE_LOOKS)] == [
        *[False] * (GRACE_LOOKS - 1),
        True,
    ]
