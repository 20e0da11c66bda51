"""Inputs that name an object by its SID or id, or by its name. Does no I/O."""

from collections.abc import Callable
from typing import TypeVar

import strawberry
from strawberry import UNSET

from gateway.core import participants, rooms
from gateway.core.errors import InvalidArgument, below
from gateway.core.validation import check_text
from gateway.gql.schema.ids import participant_sid, room_sid, track_sid
from gateway.gql.schema.inputs import optional

S = TypeVar("S", bound=str)


@strawberry.input(one_of=True, description="Names a room. Set exactly one field.")
class RoomRef:
    sid: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The room's SID, `RM` and 32 hex digits, which is also its `id`. It finds "
        "the room in any state.",
    )
    unique_name: str | None = strawberry.field(
        default=UNSET,
        description="The `uniqueName` of a room in progress, 1 to 128 characters. It does not "
        "find a room that has ended: another room may have the name by then.",
    )

    def to_core(self, argument: str) -> rooms.RoomRef:
        """`argument` has this value. Raises InvalidArgument."""
        with below(argument):
            if (sid := optional(self.sid)) is not None:
                return rooms.RoomRef(_read(room_sid, sid, "unique_name"), None)
            name = self.unique_name or ""
            check_text(name, "unique_name", give="the unique name of a room in progress")
            if rooms.is_room_sid(name):
                raise InvalidArgument.at("unique_name", "is a SID; give it as `sid`")
            return rooms.RoomRef(None, name)


@strawberry.input(one_of=True, description="Names a participant of a room. Set exactly one field.")
class ParticipantRef:
    sid: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The participant's SID, `PA` and 32 hex digits, or its `id`. It finds the "
        "participant also after it has left.",
    )
    identity: str | None = strawberry.field(
        default=UNSET,
        description="The identity of a participant that is connected now, 1 to 128 characters.",
    )

    def to_core(self, argument: str) -> participants.ParticipantRef:
        """`argument` has this value. Raises InvalidArgument."""
        with below(argument):
            if (sid := optional(self.sid)) is not None:
                return participants.ParticipantRef(_read(participant_sid, sid, "identity"), None)
            identity = self.identity or ""
            check_text(identity, "identity", give="the identity of a participant")
            return participants.ParticipantRef(None, identity)


@strawberry.input(one_of=True, description="Names a published track. Set exactly one field.")
class TrackRef:
    sid: strawberry.ID | None = strawberry.field(
        default=UNSET, description="The track's SID, `MT` and 32 hex digits, or its `id`."
    )
    name: str | None = strawberry.field(
        default=UNSET, description="The track's `name`, 1 to 128 characters."
    )

    def to_core(self, argument: str) -> participants.TrackRef:
        """`argument` has this value. Raises InvalidArgument."""
        with below(argument):
            if (sid := optional(self.sid)) is not None:
                return participants.TrackRef(_read(track_sid, sid, "name"), None)
            name = self.name or ""
            check_text(name, "name", give="the name of a track")
            return participants.TrackRef(None, name)


def optional_ref(ref: RoomRef | None, argument: str) -> rooms.RoomRef | None:
    """The room that an optional input names. Raises InvalidArgument."""
    given = optional(ref)
    return None if given is None else given.to_core(argument)


def _read(read: Callable[[str, str], S], sid: str, other: str) -> S:
    """The SID in the field `sid`. The error for a wrong one also names the field that
    takes the name."""
    try:
        return read(sid, "sid")
    except InvalidArgument as error:
        [violation] = error.fields
        raise InvalidArgument.at("sid", f"{violation.message}, or a name as `{other}`") from None
