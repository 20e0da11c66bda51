import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.core.callers import Caller
from gateway.core.participants import ParticipantFilter
from gateway.core.rooms import RoomFilter
from gateway.sandbox.faults.injector import Fault
from gateway.service import call_context
from gateway.service.call_context import (
    CallContext,
    MaxAge,
    RequestCounter,
    count_request,
    limit_max_age,
)
from tests.service.conftest import ADMIN, Site, ref, shift_clock, sid


@contextmanager
def collect_max_age() -> Iterator[MaxAge]:
    max_age = MaxAge()
    with call_context.entered(CallContext(max_age=max_age)):
        yield max_age


def test_work_without_a_face_has_no_caller_and_no_deadline() -> None:
    context = call_context.current()
    assert (context.caller, context.deadline()) == (None, math.inf)
    count_request()
    limit_max_age(1)


async def test_tasks_inherit_the_context_of_the_task_that_starts_them() -> None:
    async def caller() -> Caller | None:
        return call_context.current().caller

    async def call(own: Caller) -> Caller | None:
        call_context.enter(CallContext(own))
        async with asyncio.TaskGroup() as tasks:
            started = tasks.create_task(caller())
        return started.result()

    ada, bob = replace(ADMIN, id="ada"), replace(ADMIN, id="bob")
    first, second = await asyncio.gather(call(ada), call(bob))
    assert (first, second) == (ada, bob)
    assert await caller() is None


def test_leaving_a_context_restores_the_previous_one() -> None:
    with call_context.entered(CallContext(ADMIN)):
        with call_context.entered(CallContext()):
            assert call_context.current().caller is None
        assert call_context.current().caller is ADMIN
    assert call_context.current().caller is None


async def test_requests_count_for_the_call_whose_task_or_child_task_sends_them() -> None:
    async def send() -> None:
        count_request()

    first, second = RequestCounter(), RequestCounter()
    with call_context.entered(CallContext(requests=first)):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(send())
        with call_context.entered(CallContext(requests=second)):
            count_request()
    count_request()
    assert (first.count, second.count) == (2, 1)


async def test_max_age_is_the_smallest_of_all_parts() -> None:
    async def read(seconds: float) -> None:
        limit_max_age(seconds)

    with collect_max_age() as max_age:
        assert max_age.fresh_s is None
        await asyncio.gather(read(5), read(3), read(4))
    assert max_age.fresh_s == 3
    limit_max_age(1)
    assert max_age.fresh_s == 3


def test_max_age_of_a_stale_part_is_zero() -> None:
    with collect_max_age() as max_age:
        limit_max_age(-7)
    assert max_age.fresh_s == 0


async def test_every_read_limits_the_max_age(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "room": lambda: account.rooms.room(ADMIN, ref("daily")),
        "people": lambda: account.participants.page(
            ADMIN, ref(room), ParticipantFilter(), 50, None
        ),
        "list": lambda: account.rooms.rooms(ADMIN, RoomFilter(), 50, None),
        "recordings": lambda: account.recordings.rules(ADMIN, ref(room)),
        "events": lambda: account.timeline.page(ADMIN, ref(room), None, 50, None),
        "nothing": lambda: account.rooms.room(ADMIN, ref(sid(7))),
    }
    found = {}
    for name, read in reads.items():
        with collect_max_age() as max_age:
            await read()
        assert max_age.fresh_s is not None
        found[name] = -(-max_age.fresh_s // 1)
    assert found == {"room": 5, "people": 5, "list": 1, "recordings": 30, "events": 0, "nothing": 0}
    shift_clock(monkeypatch, 600)
    site.sandbox.faults.add(Fault(status=503))
    with collect_max_age() as max_age:
        seen = await account.rooms.room(ADMIN, ref(room))
    assert seen is not None
    assert seen.freshness.fetch_time < datetime.now(UTC)
    assert max_age.fresh_s == 0
