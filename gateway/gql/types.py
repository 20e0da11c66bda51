"""The output types: thin views over core values.

Leaf fields are plain attributes with the names of core's, without resolver code, so that an operation can be compiled.
Does no I/O.
"""

from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from typing import Any, NewType, TypeVar

import strawberry
from graphql import GraphQLError

from gateway.core import caching, events, paging, rooms

for _enum in (
    rooms.RoomStatus,
    rooms.RoomType,
    rooms.VideoCodec,
    events.RoomEventType,
    events.EventSource,
    events.TrackKind,
    events.StreamMode,
    events.ResyncReason,
):
    strawberry.enum(_enum)
strawberry.enum(caching.FollowedBy, name="FreshnessSource", description="How a room's answers are kept true.")

BigInt = NewType("BigInt", int)


def _moment(text: object) -> datetime:
    if isinstance(text, str):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    raise GraphQLError("DateTime cannot be read; give a moment such as 2026-11-20T12:00:00Z")


SCALARS: dict[object, Any] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment by ISO 8601, with its offset, such as 2026-11-20T12:00:00Z.",
        serialize=lambda moment: moment.isoformat().replace("+00:00", "Z"),
        parse_value=_moment,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number that may pass 32 bits, written as a JSON number.",
        serialize=int,
        parse_value=int,
    ),
}


_T = TypeVar("_T")


def view(cls: type[_T], value: object, **others: object) -> _T:
    """An instance of `cls` whose fields are those of `value`, but for the `others`."""
    names = (field.name for field in fields(cls))  # type: ignore[arg-type]  # every view is a dataclass
    return cls(**{name: getattr(value, name) for name in names if name not in others}, **others)


def id_of(sid: str | None) -> strawberry.ID | None:
    return None if sid is None else strawberry.ID(sid)


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type(description="Where Twilio's REST has what belongs to a room.")
class RoomLinks:
    participants: str | None
    recordings: str | None
    recording_rules: str | None
    transcriptions: str | None


@strawberry.type(description="A word of Twilio's that this release does not know: its field says UNKNOWN.")
class UnknownWord:
    field: str
    word: str


@strawberry.type(description="When and how an answer was come by.")
class Freshness:
    fetched_at: datetime
    is_stale: bool
    source: caching.FollowedBy


@strawberry.type(description="A room. Durations are in seconds, the two timeouts in minutes, as Twilio counts them.")
class Room(Node):
    sid: strawberry.ID
    account_sid: strawberry.ID
    status: rooms.RoomStatus
    type: rooms.RoomType
    unique_name: str | None
    date_created: datetime | None
    date_updated: datetime | None
    end_time: datetime | None
    duration: int | None
    status_callback: str | None
    status_callback_method: str | None
    max_participants: int
    max_participant_duration: int
    max_concurrent_published_tracks: int | None
    empty_room_timeout: int
    unused_room_timeout: int
    record_participants_on_connect: bool | None
    video_codecs: list[rooms.VideoCodec]
    media_region: str | None
    audio_only: bool | None
    enable_turn: bool | None
    large_room: bool | None
    url: str | None
    links: RoomLinks | None
    unknown_words: list[UnknownWord]
    freshness: Freshness
    as_of: str | None = strawberry.field(description="Watching from this cursor misses nothing that is not shown here.")

    @classmethod
    def of(cls, seen: caching.Seen[rooms.Room]) -> "Room":
        room = seen.value
        return view(
            cls,
            room,
            id=room.sid,
            links=None if room.links is None else view(RoomLinks, room.links),
            unknown_words=[view(UnknownWord, word) for word in room.unknown_words],
            freshness=view(Freshness, seen.freshness),
            as_of=seen.as_of,
        )


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class RoomEdge:
    cursor: str
    node: Room


@strawberry.type(description="A page may be shorter than asked for and still have a next one.")
class RoomConnection:
    edges: list[RoomEdge]
    nodes: list[Room]
    page_info: PageInfo

    @classmethod
    def of(cls, page: paging.Page[caching.Seen[rooms.Room]], after: str | None) -> "RoomConnection":
        nodes = [Room.of(seen) for _, seen in page.items]
        return cls(
            edges=[RoomEdge(cursor=cursor, node=node) for (cursor, _), node in zip(page.items, nodes, strict=True)],
            nodes=nodes,
            page_info=PageInfo(
                has_next_page=page.has_next_page,
                has_previous_page=after is not None,
                start_cursor=page.items[0][0] if page.items else None,
                end_cursor=page.end_cursor,
            ),
        )
