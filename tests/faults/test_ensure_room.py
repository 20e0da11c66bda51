"""ensureRoom: callers that race on several replicas get one room for each name.

The rooms and the requests are counted in the sandbox.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Figure
from tests.faults.clients import CONNECTION_ERRORS
from tests.faults.harness import new_seed
from tests.faults.nemesis import Cluster, create_cluster
from tests.faults.test_create_once import rooms_at_twilio

ENSURE = """mutation($input: EnsureRoomInput!) { ensureRoom(input: $input) {
    room { sid uniqueName status } created errors { code } } }"""
RETRIED_CODES = {"UPSTREAM_UNAVAILABLE", "QUOTA_EXCEEDED", "GATEWAY_TIMEOUT", "gone"}
ROUNDS, CALLERS = 100, 4
RETRY_DELAY_S = 0.1


@dataclass
class Race:
    """What the callers of one name got. `codes` are the errors before their retries."""

    sids: set[str] = field(default_factory=set)
    created: int = 0
    codes: Counter[str] = field(default_factory=Counter)


async def ensure(cluster: Cluster, replica: Any, name: str, race: Race, rng: random.Random) -> None:
    """Calls until it gets a room: on the same replica, or on another after a crash."""
    while True:
        payload, code = await _call(replica.gateway, name)
        if payload is not None:
            assert payload["room"]["uniqueName"] == name
            assert payload["room"]["status"] == "IN_PROGRESS"
            race.sids.add(payload["room"]["sid"])
            race.created += payload["created"]
            return
        assert code in RETRIED_CODES, code
        race.codes[str(code)] += 1
        await asyncio.sleep(RETRY_DELAY_S)
        replica = rng.choice(cluster.running_replicas())


async def _call(gateway: Any, name: str) -> tuple[Any, str | None]:
    try:
        if gateway is None:
            raise ConnectionRefusedError
        body = (await gateway.post(ENSURE, {"input": {"uniqueName": name}})).body
    except CONNECTION_ERRORS:
        return None, "gone"
    if "errors" in body:
        return None, body["errors"][0]["extensions"]["code"]
    payload = body["data"]["ensureRoom"]
    assert payload["errors"] == []
    return payload, None


async def race(cluster: Cluster, name: str, rng: random.Random) -> Race:
    result = Race()
    replicas = cluster.running_replicas()
    async with asyncio.TaskGroup() as callers:
        for number in range(CALLERS):
            replica = replicas[number % len(replicas)]
            callers.create_task(ensure(cluster, replica, name, result, rng))
    return result


async def requests(cluster: Cluster, name: str, sids: set[str], since: float) -> Counter[str]:
    """Counts the look-ups of the name, the reads of its room and the creates, without
    what the reconciler reads."""
    calls = await cluster.sandbox.sandbox("GET", f"/calls?since={since}")
    kinds: Counter[str] = Counter()
    for call in calls:
        if call["method"] == "POST":
            kinds["create"] += 1
        elif f"UniqueName={name}&" in f"{call['query']}&":
            kinds["list"] += 1
        elif call["path"].removeprefix("/v1/Rooms/") in sids:
            kinds["fetch"] += 1
    return kinds


@pytest.mark.long
async def test_4_racing_callers_on_3_replicas_get_one_room_100_times(
    tmp_path: Path, figure: Figure
) -> None:
    seed = new_seed()
    rng = random.Random(seed)
    print(f"\nseed {seed}")
    async with create_cluster(tmp_path, seed, lambda fault: None) as cluster:
        counts = list[Counter[str]]()
        races = list[Race]()
        started_at = time.monotonic()
        for number in range(ROUNDS):
            name, since = f"room-{number}", time.time()
            races.append(await race(cluster, name, rng))
            counts.append(await requests(cluster, name, races[-1].sids, since))
        took_s = time.monotonic() - started_at
        names = Counter(room["unique_name"] for room in await rooms_at_twilio(cluster))
    most = {path: max(count[path] for count in counts) for path in set().union(*counts)}
    figure(
        f"{CALLERS} racing ensureRoom on 3 replicas, {ROUNDS} names",
        f"one room each, `created` true {sum(each.created for each in races)} times; at most "
        f"{max(count.total() for count in counts)} requests to Twilio for a name ({most}); "
        f"{took_s:.1f} s",
        seed,
    )
    assert names == Counter({f"room-{number}": 1 for number in range(ROUNDS)})
    assert [len(each.sids) for each in races] == [1] * ROUNDS
    assert [each.created for each in races] == [1] * ROUNDS
    assert most == {"list": 1, "create": 1}


@pytest.mark.long
async def test_racing_callers_get_one_room_with_lost_responses_and_killed_replicas(
    tmp_path: Path, figure: Figure
) -> None:
    seed, rounds, kills = new_seed(), 100, 6
    rng = random.Random(seed)
    print(f"\nseed {seed}")
    async with create_cluster(tmp_path, seed, lambda fault: None) as cluster:
        for fault in (
            {"hang_up": "after"},
            {"hang_up": "before"},
            {"status": 500, "is_processed": True},
        ):
            await cluster.sandbox.sandbox(
                "POST", "/faults", {"match": {"method": "POST"}, "rate": 0.11, **fault}
            )
        kill_before = set(rng.sample(range(rounds), kills))
        races = list[Race]()
        started_at = time.monotonic()
        for number in range(rounds):
            async with asyncio.TaskGroup() as tasks:
                racing = tasks.create_task(race(cluster, f"room-{number}", rng))
                if number in kill_before:
                    await asyncio.sleep(rng.uniform(0, 0.02))
                    await cluster.kill_replica(rng.choice(cluster.running_replicas()))
            races.append(racing.result())
        took_s = time.monotonic() - started_at
        await cluster.sandbox.sandbox("DELETE", "/faults")
        names = Counter(room["unique_name"] for room in await rooms_at_twilio(cluster))
    codes = sum((each.codes for each in races), Counter())
    untold = [number for number, each in enumerate(races) if each.created == 0]
    figure(
        f"{CALLERS} racing ensureRoom on 3 replicas, {rounds} names, 3 of 10 responses lost, "
        f"{kills} replicas killed",
        f"one room each; `created` true twice: {sum(each.created > 1 for each in races)}, never: "
        f"{len(untold)}; errors before the retries: {dict(codes)}; {took_s:.1f} s",
        seed,
    )
    assert names == Counter({f"room-{number}": 1 for number in range(rounds)})
    assert [len(each.sids) for each in races] == [1] * rounds
    assert max(each.created for each in races) == 1
