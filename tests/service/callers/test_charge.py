from dataclasses import replace

import pytest

from gateway.core.errors import MaxCostExceeded, Throttled
from gateway.service.callers.charge import CALL_COST, FETCH_COST, Charge, limit_headers
from gateway.service.callers.points import CallerLimiter
from tests.service.conftest import ADMIN

LIMIT = 1_000
CALLER = replace(ADMIN, limit=LIMIT)


async def held(limiter: CallerLimiter, points: int) -> Charge:
    charge = Charge(limiter, CALLER)
    await charge.hold(points)
    return charge


def remaining(charge: Charge) -> int:
    assert charge.balance is not None
    return charge.balance.remaining


async def test_a_caller_without_enough_points_is_throttled_with_a_retry_hint() -> None:
    limiter = CallerLimiter()
    await held(limiter, 700)
    charge = Charge(limiter, CALLER)
    with pytest.raises(Throttled, match="has used its 1,000 points a minute") as refusal:
        await charge.hold(400)
    assert refusal.value.retry_after_ms == charge.retry_after_ms is not None
    assert 0 < charge.retry_after_ms <= 60_000 * 100 // LIMIT
    await held(limiter, 200)


async def test_settling_returns_what_a_call_did_not_cost() -> None:
    limiter = CallerLimiter()
    charge = await held(limiter, 800)
    charge.settle(objects=0)
    assert (charge.requested, charge.actual) == (800, CALL_COST)
    assert remaining(charge) >= LIMIT - CALL_COST
    assert remaining(await held(limiter, 100)) >= LIMIT - CALL_COST - 100


async def test_what_is_held_can_be_changed_and_only_the_difference_is_charged() -> None:
    limiter = CallerLimiter()
    charge = await held(limiter, 600)
    await charge.hold(800)
    assert LIMIT - 800 <= remaining(charge) < LIMIT - 700
    await charge.hold(100)
    assert (charge.requested, charge.actual) == (100, 100)
    assert LIMIT - 100 <= remaining(charge) < LIMIT - 50
    charge.settle(objects=0)
    assert charge.actual == CALL_COST
    assert remaining(await held(limiter, 100)) >= LIMIT - CALL_COST - 100


async def test_what_is_held_stays_charged_if_the_caller_cannot_pay_more() -> None:
    limiter = CallerLimiter()
    await held(limiter, 700)
    charge = await held(limiter, 100)
    with pytest.raises(Throttled):
        await charge.hold(500)
    assert charge.actual == 100
    assert remaining(await held(limiter, 0)) < LIMIT - 700


async def test_requests_to_twilio_and_objects_are_charged_but_never_more_than_was_held() -> None:
    limiter = CallerLimiter()
    charge = await held(limiter, 200)
    charge.requests.count += 2
    charge.settle(objects=7)
    assert charge.actual == CALL_COST + 2 * FETCH_COST + 7
    expensive = await held(limiter, 20)
    expensive.requests.count += 1
    expensive.settle(objects=100)
    assert expensive.actual == 20


async def test_a_call_above_the_whole_limit_is_invalid_and_costs_a_call() -> None:
    charge = Charge(CallerLimiter(), CALLER)
    with pytest.raises(
        MaxCostExceeded, match=r"costs up to 1,001 points, and this caller has 1,000 a minute"
    ) as refused:
        await charge.hold(LIMIT + 1)
    assert refused.value.metadata() == {"points": "1001", "points_allowed": "1000"}
    assert remaining(charge) <= LIMIT - CALL_COST + 1


async def test_settling_a_charge_that_was_never_held_does_nothing() -> None:
    charge = Charge(CallerLimiter(), CALLER)
    charge.settle(objects=5)
    assert (charge.actual, charge.balance) == (0, None)


async def test_headers_follow_the_draft() -> None:
    limiter = CallerLimiter()
    assert limit_headers(Charge(limiter, CALLER)) == {}
    charge = await held(limiter, 400)
    assert limit_headers(charge) == {
        "RateLimit-Policy": '"default";q=1000;w=60',
        "RateLimit": '"default";r=600;t=24',
    }
    refused = Charge(limiter, CALLER)
    with pytest.raises(Throttled):
        await refused.hold(1_000)
    assert limit_headers(refused)["Retry-After"] == "24"
