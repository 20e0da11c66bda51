"""P16: creates whose answers are lost, asked for again with their keys on whichever replica, make each room once. The
sandbox counts."""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Figure
from tests.faults.clients import GONE
from tests.faults.nemesis import Cluster, cluster
from tests.faults.scene import new_seed

CREATE = "mutation($name: String, $key: String) { createRoom(input: {uniqueName: $name}, idempotencyKey: $key) { sid } }"
AGAIN = ("UPSTREAM_UNAVAILABLE", "OUTCOME_UNKNOWN", "QUOTA_EXCEEDED", "GATEWAY_TIMEOUT")
PAUSE_S = 0.1
AT_ONCE = 12


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "kills"), [(1_000, 0), (300, 6)], ids=["answers lost", "replicas killed as well"]
)
async def test_p16_create_room_with_lost_responses_creates_no_room_twice(
    tmp_path: Path, figure: Figure, count: int, kills: int
) -> None:
    unnamed, seed = count // 20, new_seed()
    rng = random.Random(seed)
    print(f"\nseed {seed}")
    async with cluster(tmp_path, seed, lambda fault: None) as made:
        # Three of ten answers are lost: after the room was made, before, or it was made and Twilio says it failed.
        for fault in (
            {"hang_up": "after"},
            {"hang_up": "before"},
            {"status": 500, "is_processed": True},
        ):
            await made.sandbox.sandbox(
                "POST", "/faults", {"match": {"method": "POST"}, "rate": 0.11, **fault}
            )
        keys = iter([(f"room-{n}" if n >= unnamed else None, f"key-{n}") for n in range(count)])
        told: dict[str, str | None] = {}
        codes: Counter[str] = Counter()
        begun = time.monotonic()

        async def create() -> None:
            for name, key in keys:
                told[key] = await _until_told(made, rng, codes, name, key)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(create())
            for _ in range(kills):
                # Some of those that hold a key die between sending and writing down what came of it.
                await asyncio.sleep(rng.uniform(0.5, 2))
                await made.kill_replica(rng.choice(made.up()))
        took_s = time.monotonic() - begun
        await made.sandbox.sandbox("DELETE", "/faults")
        rooms = await _at_twilio(made)
    names = Counter(room["unique_name"] for room in rooms if room["unique_name"])
    marks = Counter(room["status_callback"] for room in rooms)
    figure(
        f"P16: {count:,} creates ({unnamed} without a name), 3 of 10 answers lost, {kills} replicas killed, {took_s:.0f} s",
        f"{sum(number > 1 for number in marks.values())} keys made two of {len(rooms):,} rooms; "
        f"refused on the way: {dict(codes)}",
        seed,
    )
    assert max(names.values()) == max(marks.values()) == 1
    by_name = {room["unique_name"]: room["sid"] for room in rooms}
    assert all(told[f"key-{n}"] == by_name[f"room-{n}"] for n in range(unnamed, count))
    assert {f"room-{n}" for n in range(unnamed, count)} <= set(names)


async def _until_told(
    made: Cluster, rng: random.Random, codes: Counter[str], name: str | None, key: str
) -> str | None:
    """The SID that the key stands for; None for a room without a name about which nobody can know. Asked twice at once now
    and then, as by a client that has given up on the first."""
    while True:
        asked = rng.sample(made.up(), 2 if rng.random() < 0.2 else 1)
        answers = await asyncio.gather(*(_ask(replica.gateway, name, key) for replica in asked))
        codes.update(code for _, code in answers if code)
        if sids := {sid for sid, _ in answers if sid}:
            assert len(sids) == 1
            return sids.pop()
        assert {code for _, code in answers} <= {*AGAIN, "gone"}, answers
        if name is None and all(code == "OUTCOME_UNKNOWN" for _, code in answers):
            return None
        await asyncio.sleep(PAUSE_S)


async def _ask(gateway: Any, name: str | None, key: str) -> tuple[str | None, str | None]:
    try:
        body = (await gateway.post(CREATE, {"name": name, "key": key})).body
    except GONE:
        return None, "gone"
    if "errors" in body:
        return None, body["errors"][0]["extensions"]["code"]
    return body["data"]["createRoom"]["sid"], None


async def _at_twilio(made: Cluster) -> list[dict[str, Any]]:
    """Every room that the sandbox has made."""
    twilio, rooms = made.sandbox.ready["twilio"], []
    login = {
        "Authorization": aiohttp.encode_basic_auth(twilio["account_sid"], twilio["auth_token"])
    }
    for status in ("in-progress", "completed"):
        url: str | None = f"{twilio['base_url']}/v1/Rooms?PageSize=1000&Status={status}"
        while url:
            async with made.sandbox.http.get(url, headers=login) as reply:
                page = await reply.json()
            rooms += page["rooms"]
            url = page["meta"]["next_page_url"] if page["rooms"] else None
    return rooms
