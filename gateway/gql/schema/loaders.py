"""Reads that the fields of one operation share: what is asked for in the same moment is asked of the service at once.

Nothing is remembered between two batches. Caching is the service's, and an operation may live for days as a subscription
or read after its own mutation.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from strawberry.dataloader import DataLoader

from gateway.core.caching import ReadResult
from gateway.core.callers import Caller
from gateway.core.errors import GatewayError
from gateway.core.paging import Page
from gateway.core.participants import Participant, ParticipantFilter
from gateway.core.rooms import Room, RoomRef, RoomSid
from gateway.service.accounts import Account

ParticipantPage = ReadResult[Page[Participant]]
_Wanted = tuple[ParticipantFilter, int]
_Key = tuple[RoomSid, _Wanted]


class Loaders:
    """One operation's. What fails raises GatewayError in each field that asked for it."""

    def __init__(self, caller: Caller, account: Account) -> None:
        # Functions, and no methods of its own: those would make it a cycle, which only the garbage collector can free, with
        # all that the operation holds.
        self._rooms = DataLoader(partial(_load_rooms, caller, account), cache=False)
        self._participants = DataLoader(partial(_load_participants, caller, account), cache=False)

    async def room(self, sid: RoomSid) -> ReadResult[Room] | None:
        return await self._rooms.load(sid)

    async def participants(
        self, sid: RoomSid, wanted: ParticipantFilter, first: int
    ) -> ParticipantPage:
        """The first page of a room's participants."""
        return await self._participants.load((sid, (wanted, first)))


async def _load_rooms(
    caller: Caller, account: Account, sids: list[RoomSid]
) -> list[ReadResult[Room] | None]:
    each = list(dict.fromkeys(sids))
    rooms = await account.rooms.batch(caller, [RoomRef(sid, None) for sid in each])
    found = dict(zip(each, rooms, strict=True))
    return [found[sid] for sid in sids]


async def _load_participants(
    caller: Caller, account: Account, keys: list[_Key]
) -> Sequence[ParticipantPage | GatewayError]:
    rooms_of: dict[_Wanted, list[RoomSid]] = {}
    for sid, wanted in dict.fromkeys(keys):
        rooms_of.setdefault(wanted, []).append(sid)
    batches = await asyncio.gather(
        *(_pages(caller, account, wanted, sids) for wanted, sids in rooms_of.items())
    )
    found = {key: page for batch in batches for key, page in batch.items()}
    return [found[key] for key in keys]


async def _pages(
    caller: Caller, account: Account, wanted: _Wanted, sids: list[RoomSid]
) -> dict[_Key, ParticipantPage | GatewayError]:
    pages = await account.participants.pages(caller, sids, *wanted)
    return {(sid, wanted): page for sid, page in zip(sids, pages, strict=True)}
