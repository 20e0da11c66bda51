"""Many concurrent callers read one room."""

import asyncio

from tests.running import Gateway

READ = "query($ref: ID!) { room(ref: {sid: $ref}) { sid status } }"


async def test_500_concurrent_uncached_reads_of_one_room_are_one_twilio_request(
    gateway: Gateway,
) -> None:
    # Another backend creates the room, so that no cache has it.
    room = await gateway.create_room_at_twilio()
    before = len(await gateway.sandbox("GET", "/calls"))
    async with gateway.fault(match={"method": "GET", "path": "/v1/Rooms"}, latency_ms=200, rate=1):
        results = await asyncio.gather(
            *(gateway.execute(READ, ref=room["sid"]) for _ in range(500))
        )
    assert results == [{"room": {"sid": room["sid"], "status": "IN_PROGRESS"}}] * 500
    # The lists that the reconciler reads meanwhile do not count.
    paths = [call["path"] for call in (await gateway.sandbox("GET", "/calls"))[before:]]
    assert paths.count(f"/v1/Rooms/{room['sid']}") == 1
