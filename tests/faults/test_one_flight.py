"""P11: a crowd that misses the same room on every replica at once costs Twilio one call, and one more if its maker dies."""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Figure
from tests.faults.clients import GONE
from tests.faults.nemesis import Cluster, Replica, cluster
from tests.faults.scene import new_seed

READ = "query($ref: ID!) { room(ref: $ref) { sid status freshness { isStale } } }"
CROWD = 500
TWILIO_TAKES_MS = 500


@pytest.mark.long
@pytest.mark.parametrize("is_killed", [False, True], ids=["all live", "the one who asks is killed"])
async def test_p11_500_cache_misses_on_3_replicas_are_one_twilio_request(
    tmp_path: Path, figure: Figure, is_killed: bool
) -> None:
    seed, trials = new_seed(), 5
    answers, calls, took_s = list[Counter[str]](), list[int](), list[float]()
    rng = random.Random(seed)
    print(f"\nseed {seed}")
    async with cluster(tmp_path, seed, lambda fault: None) as made:
        for _ in range(trials):
            sid = await _made_elsewhere(made)
            path = f"/v1/Rooms/{sid}"
            slow = {
                "match": {"method": "GET", "path": path},
                "latency_ms": TWILIO_TAKES_MS,
                "rate": 1,
            }
            await made.sandbox.sandbox("POST", "/faults", slow)
            outcomes: Counter[str] = Counter()
            begun = time.monotonic()
            async with asyncio.TaskGroup() as callers:
                first = rng.choice(made.up())
                callers.create_task(_read(first, sid, outcomes))
                if is_killed:
                    await _asked(made, path)
                for number in range(1, CROWD):
                    callers.create_task(_read(made.replicas[number % 3], sid, outcomes))
                if is_killed:
                    await first.kill()
            took_s.append(time.monotonic() - begun)
            calls.append(await _calls(made, path))
            answers.append(outcomes)
            if is_killed:
                await first.start()
            await made.sandbox.sandbox("DELETE", "/faults")
    figure(
        f"P11: {trials} times {CROWD} cold misses of one room over 3 replicas{', one of which is killed' * is_killed}",
        f"at most {max(calls)} calls upstream; {dict(sum(answers, Counter()))} within {max(took_s):.1f} s",
        seed,
    )
    assert max(calls) <= 1 + is_killed
    assert set().union(*answers) <= ({"right", "gone"} if is_killed else {"right"})
    if is_killed:
        assert min(outcomes["right"] for outcomes in answers) >= CROWD // 2


async def _read(replica: Replica, sid: str, outcomes: Counter[str]) -> None:
    gateway = replica.gateway
    try:
        if gateway is None:
            raise ConnectionRefusedError
        body = (await gateway.post(READ, {"ref": sid})).body
    except GONE:
        outcomes["gone"] += 1
        return
    right = {"room": {"sid": sid, "status": "IN_PROGRESS", "freshness": {"isStale": False}}}
    if "errors" in body:
        outcomes[str(body["errors"][0]["extensions"]["code"])] += 1
    else:
        outcomes["right" if body["data"] == right else str(body["data"])] += 1


async def _calls(made: Cluster, path: str) -> int:
    return sum(call["path"] == path for call in await made.sandbox.sandbox("GET", "/calls"))


async def _asked(made: Cluster, path: str) -> None:
    """Twilio has been asked, and is still thinking."""
    async with asyncio.timeout(5):
        while not await _calls(made, path):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the sandbox rings no bell


async def _made_elsewhere(made: Cluster) -> str:
    twilio = made.sandbox.ready["twilio"]
    login = {
        "Authorization": aiohttp.encode_basic_auth(twilio["account_sid"], twilio["auth_token"])
    }
    async with made.sandbox.http.post(
        f"{twilio['base_url']}/v1/Rooms", data={}, headers=login
    ) as reply:
        return str((await reply.json())["sid"])
