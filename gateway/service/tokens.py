"""Use cases of access tokens: minting and explaining them.

A token holds an identity and is the key to a room. Neither the token nor its content is
ever logged.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from gateway.core.caching import ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Reason
from gateway.core.outcomes import RoomAlreadyEnded, not_found
from gateway.core.rooms import Room, RoomRef, RoomStatus
from gateway.core.tokens import TOKEN_LIMIT, AccessToken, Explanation, NewToken, Problem
from gateway.service.rooms import Rooms
from gateway.twilio import tokens
from gateway.twilio.tokens import SigningKey


class Tokens:
    """Mints and explains access tokens of one account.

    `key` is None when no API key is configured; all methods then raise
    FailedPrecondition. They raise PermissionDenied without the scope.
    """

    def __init__(
        self, key: SigningKey | None, rooms: Rooms, clock: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self._rooms = rooms
        self._clock = clock

    async def mint(self, caller: Caller, new: NewToken) -> AccessToken:
        """Returns a new token. Its grant names the room by SID or by name, as the
        caller did.

        A room given by SID must be in progress. A room given by name need not exist:
        backends mint tokens before they create the room, or let Twilio create it when
        the first participant joins.

        Raises PermissionDenied when the caller's grants do not include the room,
        NotFound and FailedPrecondition for a SID without a room in progress, and
        InvalidArgument for a ttl above the room's maxParticipantDuration.
        """
        key = self._signing_key(caller)
        _check_grants(caller, new.room)
        room = None if new.room is None else await self._room_in_progress(caller, new.room)
        ttl_s = new.lifetime_s(room)
        now_s = int(self._clock())
        room_name = None if new.room is None else new.room.sid or new.room.name
        return AccessToken(
            jwt=tokens.sign(key, identity=new.identity, room=room_name, ttl_s=ttl_s, now=now_s),
            identity=new.identity,
            room=room_name,
            expire_time=datetime.fromtimestamp(now_s + ttl_s, UTC),
        )

    async def explain(self, caller: Caller, token: str, room: RoomRef | None = None) -> Explanation:
        """Returns whether the token is valid now (for the room, if one is given), and
        why not.

        A room given by SID must be in progress, as for `mint`: NotFound and
        FailedPrecondition say so, unless the token itself is wrong. By a name, the room
        is looked up only when the token names it by the SID. Raises InvalidArgument for
        a text that is longer than any token.
        """
        key = self._signing_key(caller)
        if len(token) > TOKEN_LIMIT:
            raise InvalidArgument.at(
                "token",
                f"has {len(token)} characters, and no access token has more than {TOKEN_LIMIT}: "
                "give the token alone",
            )
        names = {room.sid or room.name or ""} if room is not None else set()
        explanation = tokens.explain(token, key, self._clock(), names)
        if room is None or explanation.problem not in (None, Problem.OTHER_ROOM):
            return explanation
        if room.sid is None and explanation.problem is None:
            return explanation
        found = await self._room_in_progress(caller, room)
        if found is None or explanation.problem is None:
            return explanation
        return tokens.explain(
            token,
            key,
            self._clock(),
            {found.sid, found.unique_name or found.sid, *names},
        )

    def _signing_key(self, caller: Caller) -> SigningKey:
        caller.require(Scope.TOKENS_MINT)
        if self._key is None:
            raise FailedPrecondition(
                "this gateway has no API key to sign access tokens with: "
                "the operator must set TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"
            )
        return self._key

    async def _room_in_progress(self, caller: Caller, ref: RoomRef) -> Room | None:
        room = await self._look_up(caller, ref)
        if ref.name is not None:
            return None if room is None else room.value
        if room is None:
            raise not_found(Reason.ROOM_NOT_FOUND)
        if room.value.status is not RoomStatus.IN_PROGRESS:
            raise RoomAlreadyEnded(room)
        return room.value

    async def _look_up(self, caller: Caller, ref: RoomRef) -> ReadResult[Room] | None:
        # A caller that may mint tokens needs no scope rooms:read for this, as nothing
        # of the room is returned. The grants apply.
        reader = replace(caller, scopes=caller.scopes | {Scope.ROOMS_READ})
        return await self._rooms.room(reader, ref)


def _check_grants(caller: Caller, ref: RoomRef | None) -> None:
    """Raises PermissionDenied when the grants cannot include the room. A SID is checked
    when its room has been read, as the grant may be by name."""
    if caller.grants is None:
        return
    if ref is None:
        raise PermissionDenied("this credential is valid for some rooms only: name one of them")
    # A grant by SID does not include the name: the token would open every later room of
    # that name.
    if ref.name is not None and not caller.may_name(None, ref.name):
        raise PermissionDenied(
            "this credential is not valid for rooms of this name: give a room as its grant does"
        )
