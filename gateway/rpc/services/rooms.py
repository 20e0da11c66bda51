"""RoomService of rooms_gateway.v1. The proto describes each method."""
# ruff: noqa: N802 - methods have the names that the proto gives them.

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import grpc

from gateway.core.caching import ReadResult
from gateway.core.errors import InvalidArgument, NotFound, Reason, UpstreamUnavailable, Violations
from gateway.core.room_state.presence import RoomPresence
from gateway.core.rooms import AccountSid, NewRoom, RoomFilter, RoomRef
from gateway.core.validation import check_idempotency_key
from gateway.rpc.authentication import caller_and_account
from gateway.rpc.convert import from_pb, to_pb
from gateway.rpc.events import Encoder, event_to_pb, event_types_from_pb
from gateway.rpc.responses import (
    page_arguments,
    page_response,
    require_found,
    resource_response,
    visible_to_pb,
)
from gateway.rpc.v1 import participant_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1.events_pb2 import LoggedEvent
from gateway.rpc.v1.room_pb2 import Room
from gateway.rpc.v1.room_service_pb2_grpc import RoomServiceServicer
from gateway.service.accounts import Account
from gateway.service.streams.encoded import EncodedMessage
from gateway.service.streams.feed import EventFilter, EventSubscription

BATCH_LIMIT: Final = 100

Context = grpc.aio.ServicerContext[Any, Any]


class RoomService(RoomServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts
        self._encoder = Encoder()

    async def GetRoom(self, request: pb.GetRoomRequest, context: Context) -> pb.GetRoomResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.rooms.room(caller, RoomRef.of(request.room))
        return resource_response(pb.GetRoomResponse, require_found(result, Reason.ROOM_NOT_FOUND))

    async def BatchGetRooms(
        self, request: pb.BatchGetRoomsRequest, context: Context
    ) -> pb.BatchGetRoomsResponse:
        caller, account = caller_and_account(self._accounts)
        results = await account.rooms.batch(caller, _batch(request.rooms))
        return pb.BatchGetRoomsResponse(
            rooms=[visible_to_pb(result, Room) for result in results if result is not None],
            missing=[
                room for room, result in zip(request.rooms, results, strict=True) if result is None
            ],
        )

    async def ListRooms(
        self, request: pb.ListRoomsRequest, context: Context
    ) -> pb.ListRoomsResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.rooms.rooms(
            caller, from_pb(request, RoomFilter), *page_arguments(request)
        )
        return page_response(pb.ListRoomsResponse, result)

    async def CreateRoom(
        self, request: pb.CreateRoomRequest, context: Context
    ) -> pb.CreateRoomResponse:
        caller, account = caller_and_account(self._accounts)
        key, wrong = request.request_id or None, Violations()
        with wrong.collect():
            check_idempotency_key(key)
        with wrong.collect():
            new_room = from_pb(request, NewRoom)
        wrong.raise_any()
        created = await account.rooms.create(caller, new_room, key)
        response = resource_response(pb.CreateRoomResponse, created.room)
        response.created = created.is_new
        return response

    async def EnsureRoom(
        self, request: pb.EnsureRoomRequest, context: Context
    ) -> pb.EnsureRoomResponse:
        caller, account = caller_and_account(self._accounts)
        ensured = await account.rooms.ensure(caller, from_pb(request, NewRoom))
        response = resource_response(pb.EnsureRoomResponse, ensured.room)
        response.created = ensured.is_new
        return response

    async def CompleteRoom(
        self, request: pb.CompleteRoomRequest, context: Context
    ) -> pb.CompleteRoomResponse:
        caller, account = caller_and_account(self._accounts)
        room = await account.rooms.complete(
            caller, RoomRef.of(request.room), request.request_id or None
        )
        return resource_response(pb.CompleteRoomResponse, room)

    async def ListRoomEvents(
        self, request: pb.ListRoomEventsRequest, context: Context
    ) -> pb.ListRoomEventsResponse:
        caller, account = caller_and_account(self._accounts)
        ref, types = RoomRef.of(request.room), event_types_from_pb(request)
        page = await account.timeline.page(caller, ref, types, *page_arguments(request))
        return pb.ListRoomEventsResponse(
            events=[
                LoggedEvent(cursor=cursor, event=event_to_pb(event)) for cursor, event in page.items
            ],
            next_page_token=page.end_cursor if page.has_next_page else None,
        )

    async def GetRoomPresence(
        self, request: pb.GetRoomPresenceRequest, context: Context
    ) -> pb.GetRoomPresenceResponse:
        caller, account = caller_and_account(self._accounts)
        presence = await account.presence.of_room(caller, RoomRef.of(request.room))
        if presence is None:
            return pb.GetRoomPresenceResponse()
        return resource_response(pb.GetRoomPresenceResponse, presence)

    async def BatchGetRoomPresences(
        self, request: pb.BatchGetRoomPresencesRequest, context: Context
    ) -> pb.BatchGetRoomPresencesResponse:
        caller, account = caller_and_account(self._accounts)
        outcomes = await account.presence.of_refs(caller, _batch(request.rooms))
        rooms = list(zip(request.rooms, outcomes, strict=True))
        return pb.BatchGetRoomPresencesResponse(
            presences=[
                to_pb(presence, participant_pb2.RoomPresence)
                for _, presence in rooms
                if isinstance(presence, RoomPresence)
            ],
            unknown=[room for room, presence in rooms if presence is None],
            missing=[room for room, presence in rooms if isinstance(presence, NotFound)],
        )

    async def WatchRoom(
        self, request: pb.WatchRoomRequest, context: Context
    ) -> AsyncGenerator[pb.WatchRoomResponse, None]:
        """Raises UpstreamUnavailable when the server stops, so that the client
        reconnects."""
        caller, account = caller_and_account(self._accounts)
        async with aclosing(account.live.watch(caller, RoomRef.of(request.room))) as views:
            async for view in views:
                yield pb.WatchRoomResponse(
                    cursor=view.as_of,
                    room=visible_to_pb(
                        ReadResult(view.value.room, view.freshness, view.as_of), Room
                    ),
                    participants=[
                        to_pb(stay, participant_pb2.PresentParticipant)
                        for stay in view.value.present
                    ],
                )
        raise UpstreamUnavailable("this server is stopping: watch again")

    async def WatchRoomEvents(
        self, request: pb.WatchRoomEventsRequest, context: Context
    ) -> AsyncGenerator[EncodedMessage, None]:
        """Raises UpstreamUnavailable when the server stops, so that the client
        reconnects."""
        caller, account = caller_and_account(self._accounts)
        room = RoomRef.of(request.room) if request.room else None
        subscription = EventSubscription(
            EventFilter(room, event_types_from_pb(request)),
            request.after or None,
            self._encoder.encode,
        )
        async with aclosing(account.feed.subscribe(caller, subscription)) as messages:
            async for message in messages:
                yield message
        raise UpstreamUnavailable("this server is stopping: watch again after the last cursor")


def _batch(rooms: Sequence[str]) -> list[RoomRef]:
    """Returns the rooms of a batch. Raises InvalidArgument for too many rooms, and for
    one that can be neither a SID nor a name."""
    if len(rooms) > BATCH_LIMIT:
        raise InvalidArgument.at("rooms", f"has {len(rooms)} entries: send up to {BATCH_LIMIT}")
    return [RoomRef.of(room, ("rooms", index)) for index, room in enumerate(rooms)]
