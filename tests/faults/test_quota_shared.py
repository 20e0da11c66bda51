"""P13, P14: three gateways share one quota.

The sandbox counts all requests to Twilio.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.faults.fleet import Fleet, Outcome, create_fleet, run_at_rate
from tests.running import new_sid

pytestmark = pytest.mark.long

# Many reads in one request, so that the client of the test is not the bottleneck.
READS_PER_REQUEST = 10
NAMES = "abcdefghij"
ROOM = "query($ref: ID!) { room(ref: {sid: $ref}) { sid } }"
ROOMS = f"""query({", ".join(f"${name}: ID!" for name in NAMES)}) {{
    {" ".join(f"{name}: room(ref: {{sid: ${name}}}) {{ sid }}" for name in NAMES)} }}"""
LIST = "query($at: DateTime!) { rooms(filter: {createdAfter: $at}, first: 1) { nodes { sid } } }"
READ_QUOTA, WRITE_QUOTA = 80, 20
LISTS_PER_S = 120
MUTATIONS_PER_S = 10
ROUNDS, ROUND_S = 4, 15
SECONDS = 20
# This much is left out at both ends, while queues fill up and run empty.
MARGIN_S = 2.0


def rooms() -> dict[str, str]:
    """Returns SIDs that are in no cache."""
    return {name: new_sid() for name in NAMES}


def list_date(number: int) -> str:
    """Returns a different filter for each number."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat()


async def goodput(fleet: Fleet, started_at: float, ended_at: float) -> float:
    """Returns how many reads per second Twilio accepted, without the margins."""
    calls = await fleet.calls(started_at + MARGIN_S, ended_at - MARGIN_S)
    taken = [
        call for call in calls if call["method"] == "GET" and call["status"] not in (None, 0, 429)
    ]
    return len(taken) / (ended_at - started_at - 2 * MARGIN_S)


def summarize(outcomes: list[Outcome]) -> str:
    waits = sorted(outcome.took_s for outcome in outcomes)
    middle, slow = waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000
    codes = Counter(code for outcome in outcomes for code in outcome.codes)
    return f"{dict(codes)}, p50 {middle:.0f} ms, p99 {slow:.0f} ms"


async def test_p13_five_times_the_quota_on_three_replicas(tmp_path: Path, figure: Figure) -> None:
    async with create_fleet(tmp_path, 3, ["ada"], GATEWAY_RECONCILE="0") as fleet:
        started_at = time.time()
        await run_at_rate(
            5 * READ_QUOTA / READS_PER_REQUEST,
            SECONDS,
            lambda number: fleet.execute(number, "ada", ROOMS, **rooms()),
        )
        goodput_per_s = await goodput(fleet, started_at, started_at + SECONDS)
        peak = await fleet.peak()
        rejected = [call for call in await fleet.calls(started_at) if call["status"] == 429]
    figure(
        f"P13: {5 * READ_QUOTA} reads/s at 3 replicas for {SECONDS} s",
        f"at Twilio at most {peak['read']} in any second, {len(rejected)} rejected; "
        f"{goodput_per_s:.1f} reads/s accepted ({goodput_per_s / READ_QUOTA:.0%} of the quota); "
        f"{summarize(fleet.outcomes)}",
        None,
    )
    codes = Counter(code for outcome in fleet.outcomes for code in outcome.codes)
    assert set(codes) == {"OK", "QUOTA_EXCEEDED"}
    assert peak["read"] <= READ_QUOTA
    assert rejected == []
    assert goodput_per_s >= 0.85 * READ_QUOTA


async def test_p13_five_times_the_quota_while_redis_is_down(tmp_path: Path, figure: Figure) -> None:
    async with create_fleet(tmp_path, 3, ["ada"], GATEWAY_RECONCILE="0") as fleet:
        started_at = time.time()
        async with asyncio.TaskGroup() as group:
            load = run_at_rate(
                5 * READ_QUOTA / READS_PER_REQUEST,
                2 * SECONDS,
                lambda number: fleet.execute(number, "ada", ROOMS, **rooms()),
            )
            group.create_task(load)
            await asyncio.sleep(SECONDS / 4)
            await fleet.valkey.kill()
            down_at = time.time()
            await asyncio.sleep(SECONDS)
            await fleet.valkey.start()
            up_at = time.time()
        goodput_per_s = await goodput(fleet, down_at, up_at)
        peak = await fleet.peak()
        calls = await fleet.calls(started_at)
    requests_after_change = [
        sum(1 for call in calls if at + 0.3 <= call["at"] < at + 0.9) for at in (down_at, up_at)
    ]
    figure(
        f"P13: {5 * READ_QUOTA} reads/s at 3 replicas, without Redis for {SECONDS} s",
        f"at Twilio at most {peak['read']} in any second; {goodput_per_s:.1f} reads/s accepted "
        "without "
        f"Redis ({goodput_per_s / READ_QUOTA:.0%} of the quota); {requests_after_change[0]} "
        "requests in "
        f"0.6 s after its failure, {requests_after_change[1]} after its return; "
        f"{summarize(fleet.outcomes)}",
        None,
    )
    assert {code for outcome in fleet.outcomes for code in outcome.codes} == {
        "OK",
        "QUOTA_EXCEEDED",
    }
    assert peak["read"] <= READ_QUOTA
    assert goodput_per_s >= 0.6 * READ_QUOTA


async def test_p14_one_greedy_caller_does_not_affect_nine_fair_ones(
    tmp_path: Path, figure: Figure
) -> None:
    fair = [f"fair{number}" for number in range(9)]
    reads_per_s = 5.0
    async with (
        create_fleet(tmp_path, 3, [*fair, "greedy"], GATEWAY_RECONCILE="0") as fleet,
        asyncio.TaskGroup() as group,
    ):
        for first, (caller, per_s) in enumerate(
            [*((caller, reads_per_s) for caller in fair), ("greedy", 10 * reads_per_s)]
        ):

            def execute(
                number: int, caller: str = caller, first: int = first
            ) -> Awaitable[Outcome]:
                return fleet.execute(first + number, caller, ROOM, ref=new_sid())

            group.create_task(run_at_rate(per_s, SECONDS, execute))
    served = {}
    for caller in (*fair, "greedy"):
        codes = [
            code for outcome in fleet.outcomes if outcome.caller == caller for code in outcome.codes
        ]
        served[caller] = codes.count("OK") / len(codes)
    figure(
        f"P14: nine callers send {reads_per_s:g} reads/s each, the tenth {10 * reads_per_s:g}",
        f"each of the nine had {min(served[caller] for caller in fair):.1%} or more answered, the "
        f"tenth {served['greedy']:.0%}",
        None,
    )
    assert min(served[caller] for caller in fair) >= 0.95


async def test_p14_mutations_stay_fast_while_lists_saturate_the_quota(
    tmp_path: Path, figure: Figure
) -> None:
    """Rounds without and with lists alternate, so that other load affects both."""
    outcomes: dict[bool, list[Outcome]] = {False: [], True: []}
    async with create_fleet(tmp_path, 3, ["ada", "bob"], GATEWAY_RECONCILE="0") as fleet:

        async def execute_list(first: int, number: int) -> Outcome:
            return await fleet.execute(number, "ada", LIST, at=list_date(first + number))

        for round_number, is_loaded in enumerate([False, True] * ROUNDS):
            # Keeps the distance between mutations across rounds.
            await asyncio.sleep(1 / MUTATIONS_PER_S)
            fleet.outcomes.clear()
            async with asyncio.TaskGroup() as group:
                if is_loaded:
                    list_rooms = partial(execute_list, round_number * LISTS_PER_S * ROUND_S)
                    group.create_task(run_at_rate(LISTS_PER_S, ROUND_S, list_rooms))
                group.create_task(
                    run_at_rate(
                        MUTATIONS_PER_S,
                        ROUND_S,
                        lambda number: fleet.execute(
                            number, "bob", "mutation { createRoom(input: {}) { room { sid } } }"
                        ),
                    )
                )
            outcomes[is_loaded] += [
                outcome for outcome in fleet.outcomes if outcome.caller == "bob"
            ]
        peak = await fleet.peak()
    unloaded, loaded = outcomes[False], outcomes[True]
    p99 = [
        sorted(caller.took_s for caller in sample)[len(sample) * 99 // 100]
        for sample in (unloaded, loaded)
    ]
    figure(
        f"P14: {len(unloaded)} rooms are created without other load, and {len(loaded)} under "
        f"{LISTS_PER_S} lists/s",
        f"{summarize(unloaded)} without load; {summarize(loaded)} under load: "
        f"×{p99[1] / p99[0]:.2f}; at Twilio at most {peak['read']} reads and {peak['write']} "
        "writes in "
        "any second",
        None,
    )
    assert {code for outcome in (*unloaded, *loaded) for code in outcome.codes} == {"OK"}
    assert peak["read"] <= READ_QUOTA
    assert peak["write"] <= WRITE_QUOTA
    assert p99[1] <= 1.5 * p99[0]
