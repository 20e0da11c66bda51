"""Access tokens: minted for callers who may, and explained to those who hold one.

A token is an identity and a key to a room in one: neither it nor what it holds is ever logged.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from gateway.core.callers import Caller, Scope
from gateway.core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from gateway.core.rooms import Room, RoomRef, RoomStatus
from gateway.core.tokens import TOKEN_LIMIT, AccessToken, Explanation, NewToken, Problem
from gateway.service.rooms import Rooms
from gateway.twilio import tokens
from gateway.twilio.tokens import SigningKey


class Tokens:
    """`key` is None when the operator configured no API key: then both raise FailedPrecondition."""

    def __init__(
        self, key: SigningKey | None, rooms: Rooms, clock: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self._rooms = rooms
        self._clock = clock

    async def mint(self, caller: Caller, new: NewToken) -> AccessToken:
        """A token that names the room just as the caller did.

        A room given by SID must be in progress. One given by name need not be: backends mint before they create, and Twilio
        makes the room when the first participant joins, where the account allows it.

        Raises PermissionDenied for rooms that the caller may not touch by that name, NotFound and FailedPrecondition for a
        SID without a room in progress, InvalidArgument for a ttl above the room's maxParticipantDuration.
        """
        key = self._signing_key(caller)
        _check_grants(caller, new.room)
        room = None if new.room is None else await self._room_in_progress(caller, new.room)
        ttl_s = new.lifetime_s(room)
        now_s = int(self._clock())
        named = None if new.room is None else new.room.sid or new.room.name
        return AccessToken(
            jwt=tokens.sign(key, identity=new.identity, room=named, ttl_s=ttl_s, now=now_s),
            identity=new.identity,
            room=named,
            expires_at=datetime.fromtimestamp(now_s + ttl_s, UTC),
        )

    async def explain(self, caller: Caller, token: str, room: RoomRef | None = None) -> Explanation:
        """Whether the token is good now – for the room, if one is given – and if not, why. Its text stays a secret.

        The room is looked up only when the token names it otherwise than the caller: by the SID for the name, or by the
        name for the SID.
        """
        key = self._signing_key(caller)
        if len(token) > TOKEN_LIMIT:
            raise InvalidArgument(
                f"token has {len(token)} characters; no access token has more than {TOKEN_LIMIT}"
            )
        named = {room.sid or room.name or ""} if room is not None else set()
        explanation = tokens.explain(token, key, self._clock(), named)
        if explanation.problem is not Problem.OTHER_ROOM or room is None:
            return explanation
        found = await self._look_up(caller, room)
        if found is None:
            return explanation
        return tokens.explain(
            token, key, self._clock(), {found.sid, *named} | {found.unique_name or found.sid}
        )

    def _signing_key(self, caller: Caller) -> SigningKey:
        caller.require(Scope.TOKENS_MINT)
        if self._key is None:
            raise FailedPrecondition(
                "this gateway has no API key to sign access tokens with; "
                "the operator must set TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"
            )
        return self._key

    async def _room_in_progress(self, caller: Caller, ref: RoomRef) -> Room | None:
        room = await self._look_up(caller, ref)
        if ref.name is not None:
            return room
        if room is None:
            raise NotFound("no such room; check the SID, or give the name of the room")
        if room.status is not RoomStatus.IN_PROGRESS:
            raise FailedPrecondition("the room has ended and nobody can join it; create a new one")
        return room

    async def _look_up(self, caller: Caller, ref: RoomRef) -> Room | None:
        # Who may let others into a room needs no rooms:read for it: nothing of the room is shown. The grants hold on.
        seen = await self._rooms.room(
            replace(caller, scopes=caller.scopes | {Scope.ROOMS_READ}), ref
        )
        return None if seen is None else seen.value


def _check_grants(caller: Caller, ref: RoomRef | None) -> None:
    """Raises PermissionDenied. Whether a SID may be touched is seen when its room is known, which may be granted by name."""
    if caller.grants is None:
        return
    if ref is None:
        raise PermissionDenied("this credential is for some rooms only; name one of them")
    # A name granted only by its room's SID is refused: the token would open whichever room has that name later.
    if ref.name is not None and not caller.may_name(None, ref.name):
        raise PermissionDenied(
            "this credential is not for rooms of this name; give a room that it is for, as it is granted"
        )
