"""Many callers, one quota."""

import asyncio

from tests.running import Gateway

READ = "query($ref: ID!) { room(ref: $ref) { sid status } }"


async def test_500_cold_queries_for_one_room_are_one_call_upstream(gateway: Gateway) -> None:
    # Made behind the gateway's back, so that nothing knows it yet.
    made = await gateway.create_room_at_twilio()
    before = len(await gateway.sandbox("GET", "/calls"))
    async with gateway.fault(match={"method": "GET", "path": "/v1/Rooms"}, latency_ms=200, rate=1):
        answers = await asyncio.gather(
            *(gateway.execute(READ, ref=made["sid"]) for _ in range(500))
        )
    assert answers == [{"room": {"sid": made["sid"], "status": "IN_PROGRESS"}}] * 500
    # What the reconciler lists meanwhile is none of theirs.
    paths = [call["path"] for call in (await gateway.sandbox("GET", "/calls"))[before:]]
    assert paths.count(f"/v1/Rooms/{made['sid']}") == 1
