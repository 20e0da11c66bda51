from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import quota_mode
from gateway.core.limits.quota_mode import (
    FOUND_S,
    PROBE_TIMEOUT_S,
    QUIET_S,
    Alone,
    Quiet,
    QuotaMode,
    Shared,
)
from gateway.store.connection import READ_TIMEOUT_S

BRIEF_S = QUIET_S - FOUND_S
"""A silence shorter than this cannot have made any replica spend alone."""


def test_a_probe_has_the_timeout_of_a_read() -> None:
    assert PROBE_TIMEOUT_S == READ_TIMEOUT_S


@pytest.mark.parametrize(
    ("mode", "now", "expected"),
    [
        (Shared(1.0, 2.0), 999.0, Shared(1.0, 2.0)),
        (Quiet(5.0, 2.0), 4.9, Quiet(5.0, 2.0)),
        (Quiet(5.0, 2.0, 4.0), 4.9, Quiet(5.0, 2.0, 4.0)),
        (Quiet(5.0, 2.0), 5.0, Alone(2.0)),
        (Quiet(5.0, 2.0, 4.0), 5.0, Alone(2.0)),
        (Alone(2.0), 999.0, Alone(2.0)),
    ],
)
def test_time_passes(mode: QuotaMode, now: float, expected: QuotaMode) -> None:
    assert quota_mode.at(mode, now) == expected


@pytest.mark.parametrize(
    ("mode", "asked_at", "expected"),
    [
        (Shared(), 3.0, Shared(-inf, 3.0)),
        (Shared(3.0, 2.0), 3.0 + FOUND_S, Shared(3.0, 3.0 + FOUND_S)),
        # Other replicas may still be without Redis.
        (Shared(3.0, 2.0), 2.9 + FOUND_S, Shared(3.0, 2.0)),
        # The answer to a command that was sent before another one failed.
        (Quiet(5.0, 2.0), 4.0, Quiet(5.0, 2.0)),
        (Alone(2.0), 4.0, Alone(2.0)),
    ],
)
def test_redis_grants_permits(mode: QuotaMode, asked_at: float, expected: QuotaMode) -> None:
    assert quota_mode.granted(mode, asked_at) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Shared(1.0, 2.0), Quiet(10.0 + QUIET_S, 2.0)),
        (Quiet(10.5, 2.0), Quiet(10.5, 2.0)),
        (Quiet(10.5, 2.0, 9.5), Quiet(10.5, 2.0)),
        (Alone(2.0), Alone(2.0)),
    ],
)
def test_redis_does_not_answer(mode: QuotaMode, expected: QuotaMode) -> None:
    assert quota_mode.lost(mode, 10.0) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Shared(1.0, 2.0), Shared(1.0, 2.0)),
        # The silence was brief.
        (Quiet(11.0, 10.01 - BRIEF_S), Shared(10.0, 10.01 - BRIEF_S)),
        (Quiet(11.0, 10.0 - BRIEF_S), Quiet(10.0 + QUIET_S, 10.0 - BRIEF_S, 10.0)),
        (Alone(2.0), Quiet(10.0 + QUIET_S, 2.0, 10.0)),
        # Redis has answered for a while, and then for QUIET_S.
        (Quiet(10.5, 2.0, 9.5), Quiet(10.0 + QUIET_S, 2.0, 9.5)),
        (Quiet(10.5, 2.0, 10.0 - QUIET_S), Shared(10.0 - QUIET_S, 2.0)),
    ],
)
def test_redis_answers_a_probe(mode: QuotaMode, expected: QuotaMode) -> None:
    assert quota_mode.answered(mode, 10.0) == expected


@given(st.lists(st.tuples(st.floats(0.01, 0.6), st.sampled_from(["granted", "lost", "answered"]))))
def test_i13_no_permit_is_used_for_a_second_between_the_replicas_own_quota_and_the_shared_one(
    steps: list[tuple[float, str]],
) -> None:
    """The replica uses a permit at every step in which it may."""
    mode: QuotaMode = Shared()
    now, last_alone_at, last_shared_at = 0.0, -inf, -inf
    for elapsed_s, event in steps:
        now += elapsed_s
        mode = quota_mode.at(mode, now)
        match event:
            case "granted":
                mode = quota_mode.granted(mode, now)
            case "lost":
                mode = quota_mode.lost(mode, now)
            case _:
                mode = quota_mode.answered(mode, now)
        if isinstance(mode, Shared) and event == "granted":
            assert now - last_alone_at >= QUIET_S - 1e-9
            last_shared_at = now
        if isinstance(mode, Alone):
            assert now - last_shared_at >= QUIET_S - 1e-9
            last_alone_at = now
