"""P16: creates whose responses are lost are retried with their key, on any replica.

Each key must create one room. The rooms are counted in the sandbox.
"""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Figure
from tests.faults.clients import CONNECTION_ERRORS
from tests.faults.harness import new_seed
from tests.faults.nemesis import Cluster, create_cluster

CREATE = """mutation($name: String, $key: String) { createRoom(input: {uniqueName: $name,
    idempotencyKey: $key}) { room { sid } errors { code message field } } }"""
RETRIED_CODES = ("UPSTREAM_UNAVAILABLE", "OUTCOME_UNKNOWN", "QUOTA_EXCEEDED", "GATEWAY_TIMEOUT")
RETRY_DELAY_S = 0.1
CONCURRENCY = 12


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "kills"),
    [(1_000, 0), (300, 6)],
    ids=["responses lost", "responses lost and replicas killed"],
)
async def test_p16_create_room_with_lost_responses_creates_no_room_twice(
    tmp_path: Path, figure: Figure, count: int, kills: int
) -> None:
    unnamed, seed = count // 20, new_seed()
    rng = random.Random(seed)
    print(f"\nseed {seed}")
    async with create_cluster(tmp_path, seed, lambda fault: None) as cluster:
        # Three of ten responses are lost: after the room was created, before, or the
        # room is created and Twilio responds with an error.
        for fault in (
            {"hang_up": "after"},
            {"hang_up": "before"},
            {"status": 500, "is_processed": True},
        ):
            await cluster.sandbox.sandbox(
                "POST", "/faults", {"match": {"method": "POST"}, "rate": 0.11, **fault}
            )
        keys = iter([(f"room-{n}" if n >= unnamed else None, f"key-{n}") for n in range(count)])
        result: dict[str, str | None] = {}
        codes: Counter[str] = Counter()
        started_at = time.monotonic()

        async def create() -> None:
            for name, key in keys:
                result[key] = await _create_until_known(cluster, rng, codes, name, key)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONCURRENCY):
                tasks.create_task(create())
            for _ in range(kills):
                # Some replicas die between the request to Twilio and the record of its
                # result.
                await asyncio.sleep(rng.uniform(0.5, 2))
                await cluster.kill_replica(rng.choice(cluster.running_replicas()))
        took_s = time.monotonic() - started_at
        await cluster.sandbox.sandbox("DELETE", "/faults")
        rooms = await rooms_at_twilio(cluster)
    names = Counter(room["unique_name"] for room in rooms if room["unique_name"])
    callback_urls = Counter(room["status_callback"] for room in rooms)
    figure(
        f"P16: {count:,} creates ({unnamed} without a name), 3 of 10 responses lost, {kills} "
        f"replicas killed, {took_s:.0f} s",
        f"{sum(number > 1 for number in callback_urls.values())} keys created two rooms, of "
        f"{len(rooms):,} "
        "rooms; "
        f"errors before the retries: {dict(codes)}",
        seed,
    )
    assert max(names.values()) == max(callback_urls.values()) == 1
    by_name = {room["unique_name"]: room["sid"] for room in rooms}
    assert all(result[f"key-{n}"] == by_name[f"room-{n}"] for n in range(unnamed, count))
    assert {f"room-{n}" for n in range(unnamed, count)} <= set(names)


async def _create_until_known(
    cluster: Cluster, rng: random.Random, codes: Counter[str], name: str | None, key: str
) -> str | None:
    """Retries a create until its result is known. Returns the room's SID.

    Returns None for a room without a name whose outcome cannot be found. One request in
    five is sent to two replicas at once, as by a client that gave up on the first.
    """
    while True:
        replicas = rng.sample(cluster.running_replicas(), 2 if rng.random() < 0.2 else 1)
        responses = await asyncio.gather(
            *(_create(replica.gateway, name, key) for replica in replicas)
        )
        codes.update(code for _, code in responses if code)
        if sids := {sid for sid, _ in responses if sid}:
            assert len(sids) == 1
            return sids.pop()
        assert {code for _, code in responses} <= {*RETRIED_CODES, "gone"}, responses
        if name is None and all(code == "OUTCOME_UNKNOWN" for _, code in responses):
            return None
        await asyncio.sleep(RETRY_DELAY_S)


async def _create(gateway: Any, name: str | None, key: str) -> tuple[str | None, str | None]:
    try:
        body = (await gateway.post(CREATE, {"name": name, "key": key})).body
    except CONNECTION_ERRORS:
        return None, "gone"
    if "errors" in body:
        return None, body["errors"][0]["extensions"]["code"]
    payload = body["data"]["createRoom"]
    if payload["errors"]:
        return None, payload["errors"][0]["code"]
    return payload["room"]["sid"], None


async def rooms_at_twilio(cluster: Cluster) -> list[dict[str, Any]]:
    """Returns all rooms of the sandbox."""
    twilio, rooms = cluster.sandbox.ready["twilio"], []
    headers = {
        "Authorization": aiohttp.encode_basic_auth(twilio["account_sid"], twilio["auth_token"])
    }
    for status in ("in-progress", "completed"):
        url: str | None = f"{twilio['base_url']}/v1/Rooms?PageSize=1000&Status={status}"
        while url:
            async with cluster.sandbox.http.get(url, headers=headers) as reply:
                page = await reply.json()
            rooms += page["rooms"]
            url = page["meta"]["next_page_url"] if page["rooms"] else None
    return rooms
