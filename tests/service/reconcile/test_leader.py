import asyncio
import time

import pytest

from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.reconcile import leader as reconcile
from gateway.store.leases import Leases
from tests.service.conftest import ACCOUNT, Site, until
from tests.service.reconciling import found, in_a_hurry, logged, reconciling, replica, rounds, stop

__all__ = ["in_a_hurry"]  # a fixture

pytestmark = pytest.mark.usefixtures("in_a_hurry")


async def test_a_lost_log_is_told_anew(site: Site) -> None:
    account = await replica(site)
    room = site.make_at_twilio()
    async with reconciling(account):
        await until(lambda: found(account) == ["room-created"])
        generation = account.tail.generation
        await site.connections.commands.flushall()
        await until(
            lambda: account.tail.generation > generation and found(account) == ["room-created"]
        )
    assert [each.room_sid for each in logged(account)] == [room]


async def test_it_survives_that_twilio_is_silent(site: Site) -> None:
    account = await replica(site)
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    async with reconciling(account):
        await rounds(site)
        site.calm()
        site.make_at_twilio()
        await until(lambda: found(account) == ["room-created"])


async def test_of_two_replicas_one_leads_and_when_it_stops_the_other_does_at_once(
    site: Site,
) -> None:
    first, second = await replica(site), await replica(site)
    async with reconciling(first, second) as tasks:
        await until(lambda: first.reconciler.is_leader or second.reconciler.is_leader)
        leader, follower = (0, second) if first.reconciler.is_leader else (1, first)
        for _ in range(3):
            await rounds(site, 1)
            assert first.reconciler.is_leader is not second.reconciler.is_leader
        began_at = time.monotonic()
        await stop(tasks[leader])
        await until(lambda: follower.reconciler.is_leader)
        assert time.monotonic() - began_at < reconcile.LEASE_S, "the lease was given back"
        site.make_at_twilio()
        await until(lambda: found(follower) == ["room-created"])


async def test_when_the_leader_dies_another_one_leads_once_its_lease_has_run_out(
    site: Site,
) -> None:
    assert (
        await Leases(site.connections, ACCOUNT).take(reconcile.LEASE, "a process that died", 300)
    ).is_ours
    account = await replica(site)
    site.make_at_twilio()
    async with reconciling(account):
        assert not account.reconciler.is_leader
        await until(lambda: found(account) == ["room-created"])


async def test_two_who_both_believe_to_lead_tell_a_fact_once(site: Site) -> None:
    first, second = await replica(site), await replica(site)
    for account in (first, second):
        account.reconciler._held_until = float("inf")
    rooms = [site.make_at_twilio() for _ in range(10)]
    async with asyncio.TaskGroup() as tasks:
        leaders = [tasks.create_task(account.reconciler._lead()) for account in (first, second)]
        await until(lambda: len(found(first)) >= len(rooms))
        await rounds(site, 4)
        for leader in leaders:
            leader.cancel()
    assert len(found(first)) == len(rooms)


async def test_p3_it_goes_on_when_redis_is_back(site: Site, redis_url: str) -> None:
    account = await replica(site)
    async with reconciling(account):
        await until(lambda: account.reconciler.is_leader)
        async with asyncio.TaskGroup() as tasks:
            # Longer than its lease and than anybody waits for an answer.
            tasks.create_task(
                site.connections.commands.execute_command("CLIENT", "PAUSE", "1500", "ALL")
            )
            await until(lambda: not account.reconciler.is_leader or account.tail.is_redis_away)
        site.make_at_twilio()
        await until(lambda: found(account) == ["room-created"])
