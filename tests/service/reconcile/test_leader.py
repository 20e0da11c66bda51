import asyncio
from dataclasses import replace

from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.reconcile.leader import LEASE, LeaderTerm
from gateway.store.leases import Leases
from gateway.store.presence import PresenceStore
from gateway.store.recheck_queue import RecheckQueue
from tests.service.conftest import ACCOUNT, Site, wait_until
from tests.service.reconciling import (
    NEVER_S,
    TIMINGS,
    _without_rest_lag,
    logged,
    reconciling,
    repaired,
    replica,
    room_lists,
    stop,
)

__all__ = ["_without_rest_lag"]  # a fixture


async def test_lost_log_is_filled_again(site: Site) -> None:
    account = await replica(site)
    room = site.make_at_twilio()
    async with reconciling(account):
        await wait_until(lambda: repaired(account) == ["room-created"])
        generation = account.tail.generation
        await site.connections.commands.flushall()
        await wait_until(
            lambda: account.tail.generation > generation and repaired(account) == ["room-created"]
        )
    assert [event.room_sid for event in logged(account)] == [room]


async def test_reconciler_survives_an_outage_of_twilio(site: Site) -> None:
    account = await replica(site)
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    async with reconciling(account):
        await room_lists(site)
        site.calm()
        site.make_at_twilio()
        await wait_until(lambda: repaired(account) == ["room-created"])


async def test_one_replica_leads_and_the_other_takes_over_when_it_stops(
    site: Site,
) -> None:
    # The lease does not expire in this test: only its release lets the other lead.
    timings = replace(TIMINGS, lease_s=NEVER_S)
    first, second = await replica(site, timings), await replica(site, timings)
    async with reconciling(first, second) as tasks:
        await wait_until(lambda: first.reconciler.is_leader or second.reconciler.is_leader)
        leader, follower = (0, second) if first.reconciler.is_leader else (1, first)
        for _ in range(3):
            await room_lists(site, 1)
            assert first.reconciler.is_leader is not second.reconciler.is_leader
        await stop(tasks[leader])
        await wait_until(lambda: follower.reconciler.is_leader)
        site.make_at_twilio()
        await wait_until(lambda: repaired(follower) == ["room-created"])


async def test_replica_takes_over_when_the_lease_of_a_dead_leader_expires(
    site: Site,
) -> None:
    assert (await Leases(site.connections, ACCOUNT).take(LEASE, "a process that died", 300)).is_ours
    account = await replica(site)
    site.make_at_twilio()
    async with reconciling(account):
        assert not account.reconciler.is_leader
        await wait_until(lambda: repaired(account) == ["room-created"])


async def test_two_leaders_log_a_fact_once(site: Site) -> None:
    accounts = [await replica(site), await replica(site)]
    rooms = [site.make_at_twilio() for _ in range(10)]
    terms = [
        LeaderTerm(
            account.upstream,
            site.log,
            account.tail,
            RecheckQueue(site.connections, ACCOUNT),
            PresenceStore(site.connections, ACCOUNT),
            ACCOUNT,
            lambda: True,
            TIMINGS,
        )
        for account in accounts
    ]
    async with asyncio.TaskGroup() as tasks:
        leaders = [tasks.create_task(term.run()) for term in terms]
        await wait_until(lambda: len(repaired(accounts[0])) >= len(rooms))
        await room_lists(site, 4)
        for leader in leaders:
            leader.cancel()
    assert len(repaired(accounts[0])) == len(rooms)


async def test_p3_reconciler_continues_when_redis_is_back(site: Site, redis_url: str) -> None:
    account = await replica(site)
    async with reconciling(account):
        await wait_until(lambda: account.reconciler.is_leader)
        async with asyncio.TaskGroup() as tasks:
            # Longer than any command waits for its reply.
            tasks.create_task(
                site.connections.commands.execute_command("CLIENT", "PAUSE", "1500", "ALL")
            )
            await wait_until(lambda: not account.reconciler.is_leader or account.tail.is_redis_away)
        site.make_at_twilio()
        await wait_until(lambda: repaired(account) == ["room-created"])
