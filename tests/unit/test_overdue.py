"""When a mirror is overdue with a chain: not while it comes in its time, and soon when it does not."""

from __future__ import annotations

from itertools import count

from shared.federation.mirror_watch import GRACE, LATE, Expected


def looks_until_overdue(expected: Expected, stands: int, reaches: int, *, reading: bool = False) -> int:
    """How many looks find the same before the mirror is overdue."""
    return next(look for look in count(1) if expected.is_overdue((1, stands), (1, reaches), reading=reading))


def test_nothing_that_is_known_of_is_overdue_by_no_length_of_looking() -> None:
    expected = Expected()
    assert not any(expected.is_overdue((1, 7), None, reading=False) for _ in range(10 * LATE))


def test_a_hole_that_does_not_close_is_overdue_after_the_grace() -> None:
    assert looks_until_overdue(Expected(), 7, 9) == GRACE + 1


def test_what_came_in_its_time_takes_nothing_from_the_time_of_what_comes_next() -> None:
    expected = Expected()
    for reached in range(100):
        assert not any(expected.is_overdue((1, reached), (1, reached + 1), reading=False) for _ in range(GRACE))
    assert looks_until_overdue(expected, 100, 101) == GRACE + 1


def test_entry_after_entry_is_waited_for_but_not_for_ever() -> None:
    expected = Expected()
    moving = (expected.is_overdue((1, look), (1, 10_000), reading=False) for look in count())
    assert next(look for look, overdue in enumerate(moving, 1) if overdue) == LATE + 1


def test_a_nation_that_always_says_more_than_has_come_yet_is_not_late_by_that() -> None:
    expected = Expected()
    assert not any(expected.is_overdue((1, look), (1, look + 3), reading=False) for look in range(10 * LATE))


def test_a_backlog_on_the_own_bus_may_hold_it_but_excuses_nothing_for_ever() -> None:
    assert looks_until_overdue(Expected(), 7, 9, reading=True) == LATE + 1


def test_a_later_epoch_reaches_further_than_any_sequence_of_the_one_before() -> None:
    expected = Expected()
    assert not expected.is_overdue((1, 900), (2, 1), reading=False)
    assert [expected.is_overdue((1, 900), (2, 1), reading=False) for _ in range(GRACE)] == [*[False] * (GRACE - 1), True]
