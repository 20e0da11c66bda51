"""Reconcilers that run beside a test, and what they logged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.core.events import RoomEvent, RoomEventSource
from gateway.core.room_state.room_book import CheckIntervals
from gateway.service.accounts import Account
from gateway.service.reconcile.leader import ReconcileTimings
from tests.service.conftest import Site, in_time, wait_until

# As if nothing ever lagged, with rounds of a twentieth of a second: what the checks
# find does not depend on either.
INTERVALS = CheckIntervals(
    room_list_s=0.05, participants_s=0.05, tracks_s=0.05, hole_s=0.05, rest_lag=timedelta(0)
)
TIMINGS = ReconcileTimings(renew_s=0.05, poll_s=0.05, retry_s=0.05, checks=INTERVALS)
# So long that nothing is repeated within a test.
NEVER_S = 3_600.0
# Requests per second; the reconciler's fifth of it is no limit here.
READ_QUOTA = 5_000


@pytest.fixture(autouse=True)
def _without_rest_lag(site: Site) -> None:
    site.log_timings = replace(site.log_timings, rest_lag_s=0.0)


@asynccontextmanager
async def reconciling(*accounts: Account) -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks = [
        asyncio.get_running_loop().create_task(account.reconciler.run()) for account in accounts
    ]
    try:
        yield tasks
    finally:
        await stop(*tasks)


async def stop(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await in_time(asyncio.gather(*tasks, return_exceptions=True))


async def replica(site: Site, timings: ReconcileTimings = TIMINGS, **settings: Any) -> Account:
    """Returns a replica whose reconciler has these timings."""
    site.reconcile_timings = timings
    return await site.replica(**{"gateway_read_quota": READ_QUOTA} | settings)


def logged(account: Account) -> list[RoomEvent]:
    ring = account.tail.ring
    return [logged.event for logged in ring.readable_after(ring.floor.n)]


def repaired(account: Account) -> list[str]:
    """Returns the types of the reconciled events in the log."""
    return [
        event.type.value for event in logged(account) if event.source is RoomEventSource.RECONCILED
    ]


async def room_lists(site: Site, count: int = 3) -> None:
    """Returns when the list of rooms has been requested `count` times more, and
    answered."""
    before = site.gate.calls.count("GET /v1/Rooms")
    await wait_until(lambda: site.gate.calls.count("GET /v1/Rooms") > before + count)
