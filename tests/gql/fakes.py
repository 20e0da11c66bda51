"""An in-memory account for the tests of GraphQL, and sample values.

Every fake records its calls, and raises `error` if that is set.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway.core.caching import Freshness, FreshnessSource, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import GatewayError, Reason
from gateway.core.events import (
    Delivered,
    RoomEvent,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.core.insights import InsightsParticipant, InsightsRoom, InsightsRoomFilter
from gateway.core.outcomes import not_found
from gateway.core.paging import Page
from gateway.core.participants import (
    NewSubscribeRules,
    Participant,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    PublishedTrack,
    SubscribedTrack,
    SubscribeRules,
    TrackRef,
)
from gateway.core.recordings import (
    NewRecordingRules,
    Recording,
    RecordingFilter,
    RecordingMedia,
    RecordingRules,
    RecordingStatus,
    RoomRecordingFilter,
)
from gateway.core.room_state.live import LiveRoom, Stay
from gateway.core.room_state.presence import RoomPresence
from gateway.core.rooms import (
    NewRoom,
    Room,
    RoomFilter,
    RoomRef,
    RoomStatus,
    RoomType,
)
from gateway.core.rules import TrackKind, TrackPriority, TrackRule, TrackRuleEffect
from gateway.core.sids import AccountSid, ParticipantSid, RecordingSid, RoomSid, TrackSid
from gateway.core.tokens import AccessToken, Explanation, NewToken, Problem, TokenFacts
from gateway.core.transcriptions import (
    Transcription,
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
    Ttid,
)
from gateway.gql.schema.context import Context
from gateway.service.callers.charge import Charge
from gateway.service.callers.points import CallerLimiter
from gateway.service.rooms import CreatedRoom
from gateway.service.streams.feed import EventSubscription, WriteNow
from tests.event_sids import required_sids

T = TypeVar("T")

ACCOUNT = AccountSid("AC" + "a" * 32)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TIMEOUT_S = 20


def room_sid(number: int) -> RoomSid:
    return RoomSid(f"RM{number:032x}")


ADA = ParticipantSid("PA" + "a" * 32)
VOICE = TrackSid("MT" + "a" * 32)
SCREEN = TrackSid("MT" + "b" * 32)
TAKE = RecordingSid("RT" + "a" * 32)
TTID = Ttid("video_transcriptions_1")


def read_result(value: T) -> ReadResult[T]:
    return ReadResult(value, Freshness(AT, is_stale=False, source=FreshnessSource.CALLBACKS), "c0")


def page(*items: T) -> ReadResult[Page[T]]:
    return read_result(
        Page(tuple((f"p{n}", item) for n, item in enumerate(items)), "end", has_next_page=True)
    )


def participant(room: RoomSid | None = None, **changes: Any) -> Participant:
    values: dict[str, Any] = {
        "sid": ADA,
        "room_sid": room or room_sid(1),
        "account_sid": ACCOUNT,
        "status": ParticipantStatus.CONNECTED,
        "identity": "ada",
    }
    return Participant(**{**values, **changes})


PUBLISHED = PublishedTrack(
    sid=VOICE, participant_sid=ADA, room_sid=room_sid(1), kind=TrackKind.AUDIO, name="voice"
)
SUBSCRIBED = SubscribedTrack(
    sid=SCREEN, participant_sid=ADA, room_sid=room_sid(1), kind=TrackKind.VIDEO, name="screen"
)
SUBSCRIBE_RULES = SubscribeRules(
    participant_sid=ADA,
    room_sid=room_sid(1),
    rules=(
        TrackRule(type=TrackRuleEffect.INCLUDE, kind=TrackKind.VIDEO, priority=TrackPriority.LOW),
    ),
)
RECORDING = Recording(
    sid=TAKE,
    account_sid=ACCOUNT,
    room_sid=room_sid(1),
    status=RecordingStatus.COMPLETED,
    type=TrackKind.AUDIO,
    size=2**40,
)
RECORDING_RULES = RecordingRules(
    room_sid=room_sid(1), rules=(TrackRule(type=TrackRuleEffect.EXCLUDE, all=True),)
)
TRANSCRIPTION = Transcription(
    ttid=TTID,
    account_sid=ACCOUNT,
    room_sid=room_sid(1),
    status=TranscriptionStatus.STARTED,
    configuration=TranscriptionsConfiguration(language_code="en-US", hints=("gateway",)),
)
INSIGHTS = InsightsRoom(room_sid=room_sid(1), account_sid=ACCOUNT, duration=2**40)
STAY = InsightsParticipant(
    participant_sid=ADA,
    room_sid=room_sid(1),
    account_sid=ACCOUNT,
    properties={"a": [1, None]},
    publisher_info={},
)


def room(number: int = 1, name: str | None = "standup", **changes: Any) -> Room:
    values: dict[str, Any] = {
        "sid": room_sid(number),
        "account_sid": ACCOUNT,
        "status": RoomStatus.IN_PROGRESS,
        "type": RoomType.GROUP,
        "unique_name": name,
        "max_participants": 50,
        "max_participant_duration": 14_400,
        "empty_room_timeout": 5,
        "unused_room_timeout": 5,
        "create_time": AT,
    }
    return Room(**{**values, **changes})


def event(type_: RoomEventType = RoomEventType.PARTICIPANT_CONNECTED, **values: Any) -> RoomEvent:
    values = required_sids(type_) | values
    return RoomEvent(type=type_, account_sid=ACCOUNT, room_sid=room_sid(1), event_time=AT, **values)


def delivered(n: int, what: RoomEvent | None = None) -> Delivered:
    return Delivered(f"c{n}", f"c{n - 1}", what or event())


@dataclass
class Service:
    """Base of the fakes. `calls` holds the method and the arguments of each call."""

    calls: list[tuple[object, ...]] = field(default_factory=list)
    error: Exception | None = None

    def _record(self, *call: object) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error


@dataclass
class Participants(Service):
    """Ada is in every room. A room in `failing` fails with the given error."""

    batches: list[list[RoomSid]] = field(default_factory=list)
    failing: dict[RoomSid, GatewayError] = field(default_factory=dict)

    async def page(
        self,
        caller: Caller,
        room: RoomRef,
        filters: ParticipantFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Participant]]:
        self._record("page", room, filters, first, after)
        return page(participant(room.sid))

    async def pages(
        self, caller: Caller, rooms: Sequence[RoomSid], filters: ParticipantFilter, first: int
    ) -> list[ReadResult[Page[Participant]] | GatewayError]:
        self._record("pages", filters, first)
        self.batches.append(list(rooms))
        return [self.failing.get(room) or page(participant(room)) for room in rooms]

    async def participant(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef
    ) -> ReadResult[Participant] | None:
        self._record("participant", room, ref)
        return (
            read_result(participant(room.sid)) if ref.sid == ADA or ref.identity == "ada" else None
        )

    async def disconnect(
        self,
        caller: Caller,
        room: RoomRef,
        ref: ParticipantRef,
        idempotency_key: str | None = None,
    ) -> Participant:
        self._record("disconnect", room, ref)
        return participant(status=ParticipantStatus.DISCONNECTED, duration=60)

    async def anonymize(self, caller: Caller, room: RoomRef, ref: ParticipantRef) -> Participant:
        self._record("anonymize", room, ref)
        return participant(identity=ADA)

    async def published_tracks(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[PublishedTrack]]:
        self._record("published_tracks", room, ref, first, after)
        return page(PUBLISHED)

    async def published_track(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, track: TrackRef
    ) -> ReadResult[PublishedTrack] | None:
        self._record("published_track", room, ref, track)
        return read_result(PUBLISHED) if track.sid == VOICE or track.name == "voice" else None

    async def subscribed_tracks(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[SubscribedTrack]]:
        self._record("subscribed_tracks", room, ref, first, after)
        return page(SUBSCRIBED)

    async def subscribed_track(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, track: TrackSid
    ) -> ReadResult[SubscribedTrack] | None:
        self._record("subscribed_track", room, ref, track)
        return read_result(SUBSCRIBED) if track == SCREEN else None

    async def subscribe_rules(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef
    ) -> ReadResult[SubscribeRules]:
        self._record("subscribe_rules", room, ref)
        return read_result(SUBSCRIBE_RULES)

    async def update_subscribe_rules(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, rules: NewSubscribeRules
    ) -> SubscribeRules:
        self._record("update_subscribe_rules", room, ref, rules)
        return SUBSCRIBE_RULES


@dataclass
class Recordings(Service):
    async def room_page(
        self,
        caller: Caller,
        room: RoomRef,
        filters: RoomRecordingFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Recording]]:
        self._record("room_page", room, filters, first, after)
        return page(RECORDING)

    async def room_recording(
        self, caller: Caller, room: RoomRef, recording: RecordingSid
    ) -> ReadResult[Recording] | None:
        self._record("room_recording", room, recording)
        return read_result(RECORDING) if recording == TAKE else None

    async def delete_room_recording(
        self, caller: Caller, room: RoomRef, recording: RecordingSid
    ) -> None:
        self._record("delete_room_recording", room, recording)

    async def page(
        self, caller: Caller, filters: RecordingFilter, first: int, after: str | None
    ) -> ReadResult[Page[Recording]]:
        self._record("page", filters, first, after)
        return page(RECORDING)

    async def recording(
        self, caller: Caller, recording: RecordingSid
    ) -> ReadResult[Recording] | None:
        self._record("recording", recording)
        return read_result(RECORDING) if recording == TAKE else None

    async def delete(self, caller: Caller, recording: RecordingSid) -> None:
        self._record("delete", recording)

    async def media(self, caller: Caller, recording: RecordingSid) -> RecordingMedia | None:
        self._record("media", recording)
        return RecordingMedia("https://media.example/take")

    async def rules(self, caller: Caller, room: RoomRef) -> ReadResult[RecordingRules]:
        self._record("rules", room)
        return read_result(RECORDING_RULES)

    async def update_rules(
        self, caller: Caller, room: RoomRef, rules: NewRecordingRules
    ) -> RecordingRules:
        self._record("update_rules", room, rules)
        return RECORDING_RULES


@dataclass
class Transcriptions(Service):
    async def page(
        self, caller: Caller, room: RoomRef, first: int, after: str | None
    ) -> ReadResult[Page[Transcription]]:
        self._record("page", room, first, after)
        return page(TRANSCRIPTION)

    async def transcription(
        self, caller: Caller, room: RoomRef, ttid: Ttid
    ) -> ReadResult[Transcription] | None:
        self._record("transcription", room, ttid)
        return read_result(TRANSCRIPTION) if ttid == TTID else None

    async def create(
        self,
        caller: Caller,
        room: RoomRef,
        configuration: TranscriptionsConfiguration | None,
        idempotency_key: str | None = None,
    ) -> Transcription:
        self._record("create", room, configuration)
        return TRANSCRIPTION

    async def update(
        self, caller: Caller, room: RoomRef, ttid: Ttid, update: TranscriptionUpdate
    ) -> Transcription:
        self._record("update", room, ttid, update)
        return TRANSCRIPTION


@dataclass
class Insights(Service):
    async def rooms(
        self, caller: Caller, filters: InsightsRoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[InsightsRoom]]:
        self._record("rooms", filters, first, after)
        return page(INSIGHTS)

    async def room(self, caller: Caller, room: RoomSid) -> ReadResult[InsightsRoom] | None:
        self._record("room", room)
        return read_result(INSIGHTS) if room == room_sid(1) else None

    async def participants(
        self, caller: Caller, room: RoomSid, first: int, after: str | None
    ) -> ReadResult[Page[InsightsParticipant]]:
        self._record("participants", room, first, after)
        return page(STAY)

    async def participant(
        self, caller: Caller, room: RoomSid, ref: ParticipantSid
    ) -> ReadResult[InsightsParticipant] | None:
        self._record("participant", room, ref)
        return read_result(STAY) if ref == ADA else None


@dataclass
class Tokens(Service):
    async def mint(self, caller: Caller, new: NewToken) -> AccessToken:
        self._record("mint", new.identity, new.room, new.ttl_s)
        return AccessToken(jwt="a.b.c", identity=new.identity, room="standup", expire_time=AT)

    async def explain(self, caller: Caller, token: str, room: RoomRef | None) -> Explanation:
        self._record("explain", token, room)
        facts = TokenFacts(identity="ada", expire_time=AT, is_signed=True)
        return Explanation(
            problem=Problem.EXPIRED, sentence="expired 4 minutes ago; mint a new one", facts=facts
        )


@dataclass
class Rooms:
    """Has the `stored` rooms. While `hangs` is true, no call returns."""

    stored: list[Room] = field(default_factory=lambda: [room()])
    error: Exception | None = None
    hangs: bool = False
    created: list[NewRoom] = field(default_factory=list)
    batches: list[list[RoomSid | None]] = field(default_factory=list)

    async def _ready(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def room(self, caller: Caller, ref: RoomRef) -> ReadResult[Room] | None:
        await self._ready()
        return next(
            (
                read_result(room)
                for room in self.stored
                if room.sid == ref.sid or room.unique_name == ref.name
            ),
            None,
        )

    async def batch(self, caller: Caller, refs: Sequence[RoomRef]) -> list[ReadResult[Room] | None]:
        self.batches.append([ref.sid for ref in refs])
        return [await self.room(caller, ref) for ref in refs]

    async def rooms(
        self, caller: Caller, filters: RoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[ReadResult[Room]]]:
        await self._ready()
        found = [room for room in self.stored if room.status in filters.statuses][:first]
        return read_result(
            Page(
                tuple((f"p{n}", read_result(room)) for n, room in enumerate(found)),
                None,
                has_next_page=False,
            )
        )

    async def create(
        self, caller: Caller, new: NewRoom, idempotency_key: str | None = None
    ) -> CreatedRoom:
        await self._ready()
        self.created.append(new)
        return CreatedRoom(read_result(room(9, new.unique_name)), is_new=True)

    async def ensure(self, caller: Caller, new: NewRoom) -> CreatedRoom:
        await self._ready()
        return CreatedRoom(read_result(room(9, new.unique_name)), is_new=False)

    async def complete(
        self, caller: Caller, ref: RoomRef, idempotency_key: str | None = None
    ) -> ReadResult[Room]:
        found = await self.room(caller, ref)
        if found is None:
            raise not_found(Reason.ROOM_NOT_FOUND)
        return found


@dataclass
class EventRequest:
    """The arguments of a subscription to events, or of a timeline."""

    ref: RoomRef | None
    types: frozenset[RoomEventType] | None
    after: str | None


@dataclass(eq=False)
class OpenStream:
    """A subscription that runs."""

    subscription: EventSubscription[Any]
    write_now: WriteNow[Any] | None
    queue: asyncio.Queue[StreamMessage | Exception | None] = field(default_factory=asyncio.Queue)

    def write(self, *messages: Delivered) -> bool:
        encode = self.subscription.encode
        return self.write_now is not None and self.write_now([encode(each) for each in messages])


class Feed:
    """Sends every subscriber the messages passed to `put`. None ends the streams.

    An exception passed to `put` is raised in every stream.
    """

    def __init__(self) -> None:
        self.calls: list[EventRequest] = []
        self.open_count = 0
        self.changed = asyncio.Condition()
        self.error: GatewayError | None = None
        self.streams: list[OpenStream] = []

    def put(self, message: StreamMessage | Exception | None) -> None:
        for stream in self.streams:
            stream.queue.put_nowait(message)

    def write_now(self, *messages: Delivered) -> bool:
        """Writes past the task of the only stream.

        False if the stream does not accept it.
        """
        [stream] = self.streams
        return stream.write(*messages)

    async def subscribe(
        self,
        caller: Caller,
        subscription: EventSubscription[Any],
        write_now: WriteNow[Any] | None = None,
    ) -> AsyncGenerator[Any, None]:
        selected = subscription.filter
        self.calls.append(EventRequest(selected.room, selected.types, subscription.after))
        if self.error is not None:
            raise self.error
        stream = OpenStream(subscription, write_now)
        self.streams.append(stream)
        await self._count(+1)
        try:
            yield subscription.encode(StreamStarted("c0", StreamMode.LIVE, room_sid(1), AT))
            while (message := await stream.queue.get()) is not None:
                if isinstance(message, Exception):
                    raise message
                yield subscription.encode(message)
        finally:
            self.streams.remove(stream)
            await self._count(-1)

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open_count += change
            self.changed.notify_all()

    async def wait_until_open(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT_S), self.changed:
            await self.changed.wait_for(lambda: self.open_count == count)


class Timeline:
    """`log` is the timeline of every room."""

    def __init__(self) -> None:
        self.calls: list[EventRequest] = []
        self.log: list[RoomEvent] = []
        self.error: GatewayError | None = None

    async def page(
        self,
        caller: Caller,
        room: RoomRef,
        types: frozenset[RoomEventType] | None,
        first: int,
        after: str | None,
    ) -> Page[RoomEvent]:
        self.calls.append(EventRequest(room, types, after))
        if self.error is not None:
            raise self.error
        items = [
            (f"c{n}", event)
            for n, event in enumerate(self.log, 1)
            if types is None or event.type in types
        ]
        return Page(
            tuple(items[:first]), items[-1][0] if items else None, has_next_page=len(items) > first
        )


class Live:
    """Sends every subscriber `first_view`, then the views passed to `put`.

    None ends them.
    """

    def __init__(self) -> None:
        self.calls: list[RoomRef] = []
        self.first_view = read_result(LiveRoom(room(), ()))
        self.error: GatewayError | None = None
        self._queues: list[asyncio.Queue[ReadResult[LiveRoom] | None]] = []

    def put(self, view: ReadResult[LiveRoom] | None) -> None:
        for queue in self._queues:
            queue.put_nowait(view)

    def participants(
        self, live: LiveRoom, filters: ParticipantFilter, first: int, after: str | None
    ) -> Page[Stay]:
        return live.page(filters, first, after)

    def tracks(self, stay: Stay, first: int, after: str | None) -> Page[PublishedTrack]:
        return stay.page(first, after)

    async def watch(
        self, caller: Caller, ref: RoomRef
    ) -> AsyncGenerator[ReadResult[LiveRoom], None]:
        self.calls.append(ref)
        if self.error is not None:
            raise self.error
        queue: asyncio.Queue[ReadResult[LiveRoom] | None] = asyncio.Queue()
        self._queues.append(queue)
        yield self.first_view
        while (view := await queue.get()) is not None:
            yield view


class Presence:
    """Who is in each room; a room that is not here is unknown to the log."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[RoomSid, RoomStatus]]] = []
        self.stays: dict[RoomSid, tuple[Stay, ...]] = {}
        self.error: GatewayError | None = None

    async def of_rooms(
        self, caller: Caller, rooms: Sequence[tuple[RoomSid, RoomStatus]]
    ) -> list[RoomPresence | None]:
        self.calls.append(list(rooms))
        if self.error is not None:
            raise self.error
        return [
            RoomPresence(sid, "c7", self.stays[sid]) if sid in self.stays else None
            for sid, _ in rooms
        ]


@dataclass
class Account:
    sid: AccountSid
    rooms: Rooms = field(default_factory=Rooms)
    feed: Feed = field(default_factory=Feed)
    timeline: Timeline = field(default_factory=Timeline)
    live: Live = field(default_factory=Live)
    participants: Participants = field(default_factory=Participants)
    presence: Presence = field(default_factory=Presence)
    recordings: Recordings = field(default_factory=Recordings)
    transcriptions: Transcriptions = field(default_factory=Transcriptions)
    insights: Insights = field(default_factory=Insights)
    tokens: Tokens = field(default_factory=Tokens)


def operation_context(account: Account) -> Context:
    """The context of an operation of a caller with all scopes."""
    caller = Caller(ACCOUNT, "test", frozenset({Scope.ADMIN}))
    return Context(caller, account, "trace", Charge(CallerLimiter(), caller))  # type: ignore[arg-type]
