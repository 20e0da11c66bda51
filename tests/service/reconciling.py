"""Reconcilers that run beside a test, and what they found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from gateway.core.events import EventSource, RoomEvent
from gateway.core.room_state import reconcile as comparing
from gateway.service.accounts import Account
from gateway.service.reconcile import leader as reconcile
from gateway.service.reconcile import term as repair
from tests.service.conftest import Site, soon, until


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing ever lagged, and rounds in a tenth of a second: what they find does not depend on it."""
    monkeypatch.setattr(comparing, "REST_LAG", timedelta(0))
    for name in ("LIST_S", "ROUND_S", "TRACKS_S", "AGAIN_S", "HOLE_S", "RETRY_S"):
        monkeypatch.setattr(repair, name, 0.05)
    for name in ("RENEW_S", "LOOK_S", "RETRY_S"):
        monkeypatch.setattr(reconcile, name, 0.05)
    monkeypatch.setattr("gateway.service.log.tail.REST_LAG_S", 0.0)


PLENTY = 5_000
"""A read quota of which a fifth is no limit here."""


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
    await soon(asyncio.gather(*tasks, return_exceptions=True))


async def replica(site: Site, **mutations: Any) -> Account:
    return await site.replica(**{"gateway_read_quota": PLENTY} | mutations)


def logged(account: Account) -> list[RoomEvent]:
    return [entry.logged.event for entry in account.tail.after(account.tail.floor.n)]


def found(account: Account) -> list[str]:
    return [event.type.value for event in logged(account) if event.source is EventSource.RECONCILED]


async def rounds(site: Site, count: int = 3) -> None:
    """Returns when the list of rooms has been read so many times more, from beginning to end."""
    seen = site.gate.calls.count("GET /v1/Rooms")
    await until(lambda: site.gate.calls.count("GET /v1/Rooms") > seen + count)
