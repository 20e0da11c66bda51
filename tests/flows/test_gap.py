"""A newer release logs an event that this release cannot read.

Every stream reports a gap in its place and continues.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from gateway.core.cursors import tag_of
from gateway.core.rooms import AccountSid
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1.room_service_pb2_grpc import RoomServiceStub
from gateway.store.keys import Keys
from tests.running import Gateway, new_sid, take

WATCH = """subscription($room: ID!, $after: String) { roomEvents(room: {sid: $room}, after:
    $after) {
    __typename cursor prev } }"""
JOINED = "participant-connected"


async def log_unreadable(gateway: Gateway, room: str) -> None:
    """Logs an event of an unknown type, as the script of a newer release would."""
    keys, event = (
        Keys(AccountSid(gateway.account_sid)),
        f'{{"type": "hand-raised", "room_sid": "{room}"}}',
    )
    script = """
        local n = redis.call('HGET', KEYS[2], 'n') + 1
        local epoch = redis.call('HGET', KEYS[2], 'epoch')
        redis.call('XADD', KEYS[1], string.format('%.0f-0', n),
                   'e', epoch, 't', ARGV[1], 'd', ARGV[3], 'j', ARGV[2])
        redis.call('HSET', KEYS[2], 'n', string.format('%.0f', n), 'last', ARGV[3], 'tag', ARGV[4])
        return 1"""
    async with Redis.from_url(gateway.ready["redis"]) as redis:
        arguments = (round(time.time() * 1000), event, "0" * 16, tag_of(event.encode()).hex())
        await redis.eval(script, 2, keys.log, keys.meta, *arguments)


@asynccontextmanager
async def watch_grpc(
    gateway: Gateway, room: str, after: str = ""
) -> AsyncIterator[AsyncIterator[Any]]:
    async with gateway.channel() as channel:
        request = pb.WatchRoomEventsRequest(room=room, after=after)
        call = RoomServiceStub(channel).WatchRoomEvents(request, metadata=gateway.metadata)
        yield aiter(call)
        call.cancel()


async def test_i5_gap_is_part_of_the_cursor_chain_on_every_transport(gateway: Gateway) -> None:
    room = new_sid()
    async with (
        gateway.subscribe_ws(WATCH, room=room) as by_ws,
        gateway.subscribe_sse(WATCH, room=room) as by_sse,
        watch_grpc(gateway, room) as by_grpc,
    ):
        [started] = await take(by_ws, 1)
        await take(by_sse, 1)
        await take(by_grpc, 1)
        await gateway.send_callback(
            gateway.callback_fields(JOINED, room, ParticipantSid=new_sid("PA"))
        )
        await log_unreadable(gateway, room)
        await gateway.send_callback(
            gateway.callback_fields(JOINED, room, ParticipantSid=new_sid("PA"))
        )
        events = await take(by_ws, 3)
        assert [event["__typename"] for event in events] == [
            "ParticipantConnected",
            "Gap",
            "ParticipantConnected",
        ]
        assert [event["prev"] for event in events] == [
            started["cursor"],
            *(event["cursor"] for event in events[:2]),
        ]
        sse_messages = await take(by_sse, 3)
        assert sse_messages == [(event["cursor"], event) for event in events]
        grpc_messages = await take(by_grpc, 3)
        assert [event.WhichOneof("message") for event in grpc_messages] == ["event", "gap", "event"]
        assert [(event.cursor, event.prev) for event in grpc_messages] == [
            (event["cursor"], event["prev"]) for event in events
        ]
    gap, last = events[1]["cursor"], events[2]
    async with (
        gateway.subscribe_sse(WATCH, {"Last-Event-ID": gap}, room=room) as by_sse,
        watch_grpc(gateway, room, gap) as by_grpc,
    ):
        assert (await take(by_sse, 2))[1] == (last["cursor"], last)
        assert (await take(by_grpc, 2))[1].cursor == last["cursor"]
