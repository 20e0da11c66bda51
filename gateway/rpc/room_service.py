"""RoomService of gateway.rooms.v1: unpack, ask the service, convert."""
# ruff: noqa: N802 - methods have the names of the protos.

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

import grpc

from gateway.core.errors import InvalidArgument, NotFound, UpstreamUnavailable
from gateway.core.paging import PAGE_LIMIT
from gateway.core.rooms import AccountSid, RoomRef
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1.room_service_pb2_grpc import RoomServiceServicer
from gateway.rpc.access import current_caller
from gateway.rpc.convert import event_types_of, new_room_of, room_filter_of, seen_room_to_pb, stream_message_to_pb
from gateway.service.accounts import Account

BATCH_LIMIT: Final = 100
DEFAULT_PAGE_SIZE: Final = 50

Context = grpc.aio.ServicerContext[Any, Any]


class RoomService(RoomServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def GetRoom(self, request: pb.GetRoomRequest, context: Context) -> pb.GetRoomResponse:
        caller = current_caller()
        seen = await self._accounts[caller.account_sid].rooms.room(caller, RoomRef.of(request.room))
        if seen is None:
            raise NotFound("there is no such room; give the SID of a room, or the name of one in progress")
        return pb.GetRoomResponse(room=seen_room_to_pb(seen))

    async def BatchGetRooms(self, request: pb.BatchGetRoomsRequest, context: Context) -> pb.BatchGetRoomsResponse:
        caller = current_caller()
        if len(request.rooms) > BATCH_LIMIT:
            raise InvalidArgument(f"rooms has {len(request.rooms)} entries; give up to {BATCH_LIMIT}")
        refs = [RoomRef.of(room) for room in request.rooms]
        answers = await self._accounts[caller.account_sid].rooms.batch(caller, refs)
        return pb.BatchGetRoomsResponse(
            rooms=[seen_room_to_pb(seen) for seen in answers if seen is not None],
            missing=[room for room, seen in zip(request.rooms, answers, strict=True) if seen is None],
        )

    async def ListRooms(self, request: pb.ListRoomsRequest, context: Context) -> pb.ListRoomsResponse:
        caller = current_caller()
        if request.page_size < 0:
            raise InvalidArgument(f"page_size is {request.page_size}; give 1 to {PAGE_LIMIT}, or leave it out")
        # Above the limit is not an error: https://google.aip.dev/158
        first = min(request.page_size or DEFAULT_PAGE_SIZE, PAGE_LIMIT)
        rooms = self._accounts[caller.account_sid].rooms
        page = await rooms.rooms(caller, room_filter_of(request), first, request.page_token or None)
        return pb.ListRoomsResponse(
            rooms=[seen_room_to_pb(seen) for _, seen in page.items],
            next_page_token=page.end_cursor if page.has_next_page else None,
        )

    async def CreateRoom(self, request: pb.CreateRoomRequest, context: Context) -> pb.CreateRoomResponse:
        caller = current_caller()
        seen = await self._accounts[caller.account_sid].rooms.create(caller, new_room_of(request))
        return pb.CreateRoomResponse(room=seen_room_to_pb(seen))

    async def CompleteRoom(self, request: pb.CompleteRoomRequest, context: Context) -> pb.CompleteRoomResponse:
        caller = current_caller()
        seen = await self._accounts[caller.account_sid].rooms.complete(caller, RoomRef.of(request.room))
        return pb.CompleteRoomResponse(room=seen_room_to_pb(seen))

    async def WatchRoomEvents(
        self, request: pb.WatchRoomEventsRequest, context: Context
    ) -> AsyncGenerator[pb.WatchRoomEventsResponse, None]:
        caller = current_caller()
        ref = RoomRef.of(request.room) if request.room else None
        feed = self._accounts[caller.account_sid].feed
        async with aclosing(feed.room_events(caller, ref, event_types_of(request), request.after or None)) as messages:
            async for message in messages:
                yield stream_message_to_pb(message)
        raise UpstreamUnavailable("this server is stopping; watch again after the last cursor received")
