"""A delivery that fails comes back later and later, never all at once, and at last no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain import JITTER, MAX_RETRY_AFTER_SECONDS, RETRY_DELAYS_SECONDS, next_attempt

IDS = st.uuids().map(str)


@given(IDS, st.integers(1, len(RETRY_DELAYS_SECONDS)))
def test_each_delay_is_the_scheduled_one_and_at_most_a_fifth_more(delivery: str, failures: int) -> None:
    again = next_attempt(delivery, failures, 1000.0, None)
    assert again is not None
    assert RETRY_DELAYS_SECONDS[failures - 1] <= again - 1000.0 <= RETRY_DELAYS_SECONDS[failures - 1] * (1 + JITTER)


@given(IDS)
def test_after_the_last_attempt_there_is_none(delivery: str) -> None:
    assert next_attempt(delivery, len(RETRY_DELAYS_SECONDS) + 1, 0.0, None) is None


@given(IDS, st.integers(0, 10**8))
def test_a_receiver_can_ask_for_more_time_but_not_for_ever(delivery: str, asked: int) -> None:
    again = next_attempt(delivery, 1, 0.0, asked)
    assert again is not None
    assert (
        min(asked, MAX_RETRY_AFTER_SECONDS) <= again <= max(MAX_RETRY_AFTER_SECONDS, RETRY_DELAYS_SECONDS[0] * (1 + JITTER))
    )


def test_deliveries_that_failed_together_do_not_come_back_together() -> None:
    times = {next_attempt(f"msg_{number}", 3, 0.0, None) for number in range(100)}
    assert len(times) > 90
