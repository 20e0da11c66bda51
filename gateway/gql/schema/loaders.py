"""Batches the reads of one operation.

Fields that request rooms, participants or presence in the same event loop step share
one call of the service. A loader caches nothing between batches: the service caches,
and an operation may run for days as a subscription or read after its own mutation.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from strawberry.dataloader import DataLoader

from gateway.core.caching import ReadResult
from gateway.core.callers import Caller
from gateway.core.errors import GatewayError
from gateway.core.paging import PAGE_LIMIT, Page
from gateway.core.participants import Participant, ParticipantFilter
from gateway.core.room_state.presence import RoomPresence
from gateway.core.rooms import Room, RoomRef, RoomSid, RoomStatus
from gateway.service.accounts import Account

ParticipantPage = ReadResult[Page[Participant]]
_PageQuery = tuple[ParticipantFilter, int]
"""The filter and the size of a first page."""
_Key = tuple[RoomSid, _PageQuery]
_ShownRoom = tuple[RoomSid, RoomStatus]
"""A room that the caller has been shown, with the status that was shown."""


class Loaders:
    """The loaders of one operation.

    A failed read raises GatewayError in every field that needs it.
    """

    def __init__(self, caller: Caller, account: Account) -> None:
        # Plain functions, not methods: bound methods would form a reference cycle,
        # and only the garbage collector could free the operation.
        self._rooms = DataLoader(partial(_load_rooms, caller, account), cache=False)
        self._participants = DataLoader(partial(_load_participants, caller, account), cache=False)
        self._presence = DataLoader(
            partial(_load_presence, caller, account), max_batch_size=PAGE_LIMIT, cache=False
        )

    async def room(self, sid: RoomSid) -> ReadResult[Room] | None:
        """A room by its SID; None when there is none, or the caller may not see it."""
        return await self._rooms.load(sid)

    async def participants(
        self, sid: RoomSid, filters: ParticipantFilter, first: int
    ) -> ParticipantPage:
        """The first page of a room's participants."""
        return await self._participants.load((sid, (filters, first)))

    async def presence(self, sid: RoomSid, status: RoomStatus) -> RoomPresence | None:
        """Who is in a room that the caller has been shown; None when the log does not
        have its whole story."""
        return await self._presence.load((sid, status))


async def _load_rooms(
    caller: Caller, account: Account, sids: list[RoomSid]
) -> list[ReadResult[Room] | None]:
    distinct = list(dict.fromkeys(sids))
    rooms = await account.rooms.batch(caller, [RoomRef(sid, None) for sid in distinct])
    room_of = dict(zip(distinct, rooms, strict=True))
    return [room_of[sid] for sid in sids]


async def _load_presence(
    caller: Caller, account: Account, rooms: list[_ShownRoom]
) -> list[RoomPresence | None]:
    distinct = list(dict.fromkeys(rooms))
    presences = await account.presence.of_rooms(caller, distinct)
    presence_of = dict(zip(distinct, presences, strict=True))
    return [presence_of[room] for room in rooms]


async def _load_participants(
    caller: Caller, account: Account, keys: list[_Key]
) -> Sequence[ParticipantPage | GatewayError]:
    sids_of: dict[_PageQuery, list[RoomSid]] = {}
    for sid, query in dict.fromkeys(keys):
        sids_of.setdefault(query, []).append(sid)
    batches = await asyncio.gather(
        *(_load_pages(caller, account, query, sids) for query, sids in sids_of.items())
    )
    page_of = {key: page for batch in batches for key, page in batch.items()}
    return [page_of[key] for key in keys]


async def _load_pages(
    caller: Caller, account: Account, query: _PageQuery, sids: list[RoomSid]
) -> dict[_Key, ParticipantPage | GatewayError]:
    pages = await account.participants.pages(caller, sids, *query)
    return {(sid, query): page for sid, page in zip(sids, pages, strict=True)}
