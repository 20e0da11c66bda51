"""Events, rooms and cache entries for the tests of the store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from gateway.core.caching import Fence
from gateway.core.cursors import LogPosition
from gateway.core.events import RoomEvent, RoomEventSource, RoomEventType
from gateway.core.rooms import (
    AccountSid,
    Room,
    RoomLinks,
    RoomSid,
    RoomStatus,
    RoomType,
    VideoCodec,
)
from gateway.store.cache import CacheEntry, CacheKey, CacheLookup, ResponseCache
from gateway.store.eventlog import Logged, Unreadable

T = TypeVar("T")

ACCOUNT = AccountSid("AC" + "0" * 32)
AT = datetime(2026, 11, 20, 9, 18, 4, 195000, tzinfo=UTC)
END = datetime(2026, 11, 20, 9, 48, 4, tzinfo=UTC)


def sid(number: int) -> RoomSid:
    return RoomSid(f"RM{number:032x}")


ROOM = sid(1)


ROOM_DECODER: Final = msgspec.json.Decoder(CacheEntry[Room | None] | None)
AS_OF = LogPosition("0123456789abcdef", 7, b"\x00\xff\x01\x02\x03\x04\x05\x06")


def events_of(entries: Sequence[Logged | Unreadable]) -> list[RoomEvent]:
    """Returns the events of the entries, which must all be readable."""
    events = [entry.event for entry in entries if isinstance(entry, Logged)]
    assert len(events) == len(entries)
    return events


def room_key(room_sid: RoomSid = ROOM) -> CacheKey[Room | None]:
    return CacheKey(f"room:{room_sid}", room_sid, Fence.ROOM, ROOM_DECODER)


def fetched(value: T, seen_n: int, *, is_settled: bool = True) -> CacheEntry[T]:
    return CacheEntry(value, 1_800_000_000.25, seen_n, AS_OF, is_settled)


async def look_up(cache: ResponseCache, key: CacheKey[T]) -> CacheLookup[T]:
    [found] = await cache.get([key])
    return found


def joined(number: int = 0, room_sid: RoomSid = ROOM) -> RoomEvent:
    return RoomEvent(
        type=RoomEventType.PARTICIPANT_CONNECTED,
        account_sid=ACCOUNT,
        room_sid=room_sid,
        event_time=AT,
        room_name="standup",
        sequence_number=number,
        participant_sid="PA" + "0" * 32,
        participant_identity="alice",
    )


def created(room_sid: RoomSid = ROOM, *, late: bool = False) -> RoomEvent:
    return RoomEvent(
        type=RoomEventType.ROOM_CREATED,
        account_sid=ACCOUNT,
        room_sid=room_sid,
        event_time=AT,
        room_name="standup",
        late=late,
    )


def ended(room_sid: RoomSid = ROOM, *, duration: int = 1800) -> RoomEvent:
    return RoomEvent(
        type=RoomEventType.ROOM_ENDED,
        account_sid=ACCOUNT,
        room_sid=room_sid,
        event_time=END,
        room_name="standup",
        room_status=RoomStatus.COMPLETED,
        room_duration=duration,
    )


def room(status: RoomStatus = RoomStatus.IN_PROGRESS, room_sid: RoomSid = ROOM) -> Room:
    return Room(
        sid=room_sid,
        account_sid=ACCOUNT,
        status=status,
        type=RoomType.GROUP,
        unique_name="standup",
        create_time=AT,
        end_time=None if status is RoomStatus.IN_PROGRESS else END,
        max_participants=50,
        max_participant_duration=14400,
        empty_room_timeout=5,
        unused_room_timeout=5,
        video_codecs=(VideoCodec.VP8, VideoCodec.H264),
        links=RoomLinks(participants="https://video.twilio.com/v1/Rooms/RM/Participants"),
    )


def changed(status: RoomStatus = RoomStatus.IN_PROGRESS, room_sid: RoomSid = ROOM) -> RoomEvent:
    return RoomEvent(
        type=RoomEventType.ROOM_CHANGED,
        account_sid=ACCOUNT,
        room_sid=room_sid,
        event_time=AT,
        source=RoomEventSource.MUTATION,
        room_name="standup",
        room=room(status, room_sid),
    )
