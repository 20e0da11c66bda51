"""The service below a room, kept in memory: `asked` holds what each method was told, `failure` is what it raises."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway.core.caching import Freshness, FreshnessSource, ReadResult
from gateway.core.callers import Caller
from gateway.core.errors import GatewayError
from gateway.core.insights import InsightsParticipant, InsightsRoom, InsightsRoomFilter
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
    MediaLink,
    NewRecordingRules,
    Recording,
    RecordingFilter,
    RecordingRules,
    RecordingStatus,
    RoomRecordingFilter,
)
from gateway.core.rooms import RoomRef
from gateway.core.rules import Rule, RuleEffect, TrackKind, TrackPriority
from gateway.core.sids import AccountSid, ParticipantSid, RecordingSid, RoomSid, TrackSid
from gateway.core.tokens import AccessToken, Explanation, NewToken, Problem, TokenFacts
from gateway.core.transcriptions import (
    Transcription,
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
    Ttid,
)

T = TypeVar("T")

ACCOUNT = AccountSid("AC" + "a" * 32)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def sid(number: int) -> RoomSid:
    return RoomSid(f"RM{number:032x}")


ADA = ParticipantSid("PA" + "a" * 32)
VOICE = TrackSid("MT" + "a" * 32)
SCREEN = TrackSid("MT" + "b" * 32)
TAKE = RecordingSid("RT" + "a" * 32)
TTID = Ttid("video_transcriptions_1")


def seen(value: T) -> ReadResult[T]:
    return ReadResult(value, Freshness(AT, is_stale=False, source=FreshnessSource.CALLBACKS), "c0")


def page(*items: T) -> ReadResult[Page[T]]:
    return seen(
        Page(tuple((f"p{n}", item) for n, item in enumerate(items)), "end", has_next_page=True)
    )


def participant(room: RoomSid | None = None, **mutations: Any) -> Participant:
    values: dict[str, Any] = {
        "sid": ADA,
        "room_sid": room or sid(1),
        "account_sid": ACCOUNT,
        "status": ParticipantStatus.CONNECTED,
        "identity": "ada",
    }
    return Participant(**{**values, **mutations})


PUBLISHED = PublishedTrack(
    sid=VOICE, participant_sid=ADA, room_sid=sid(1), kind=TrackKind.AUDIO, name="voice"
)
SUBSCRIBED = SubscribedTrack(
    sid=SCREEN, participant_sid=ADA, room_sid=sid(1), kind=TrackKind.VIDEO, name="screen"
)
SUBSCRIBE_RULES = SubscribeRules(
    participant_sid=ADA,
    room_sid=sid(1),
    rules=(Rule(type=RuleEffect.INCLUDE, kind=TrackKind.VIDEO, priority=TrackPriority.LOW),),
)
RECORDING = Recording(
    sid=TAKE,
    account_sid=ACCOUNT,
    room_sid=sid(1),
    status=RecordingStatus.COMPLETED,
    type=TrackKind.AUDIO,
    size=2**40,
)
RECORDING_RULES = RecordingRules(room_sid=sid(1), rules=(Rule(type=RuleEffect.EXCLUDE, all=True),))
TRANSCRIPTION = Transcription(
    ttid=TTID,
    account_sid=ACCOUNT,
    room_sid=sid(1),
    status=TranscriptionStatus.STARTED,
    configuration=TranscriptionsConfiguration(language_code="en-US", hints=("gateway",)),
)
INSIGHTS = InsightsRoom(room_sid=sid(1), account_sid=ACCOUNT, duration_sec=2**40)
STAY = InsightsParticipant(
    participant_sid=ADA,
    room_sid=sid(1),
    account_sid=ACCOUNT,
    properties={"a": [1, None]},
    publisher_info={},
)


@dataclass
class Service:
    asked: list[tuple[object, ...]] = field(default_factory=list)
    failure: Exception | None = None

    def _told(self, *what: object) -> None:
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure


@dataclass
class Participants(Service):
    """Ada is in every room, but for those in `failing`."""

    batches: list[list[RoomSid]] = field(default_factory=list)
    failing: dict[RoomSid, GatewayError] = field(default_factory=dict)

    async def page(
        self,
        caller: Caller,
        room: RoomRef,
        wanted: ParticipantFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Participant]]:
        self._told("page", room, wanted, first, after)
        return page(participant(room.sid))

    async def pages(
        self, caller: Caller, rooms: Sequence[RoomSid], wanted: ParticipantFilter, first: int
    ) -> list[ReadResult[Page[Participant]] | GatewayError]:
        self._told("pages", wanted, first)
        self.batches.append(list(rooms))
        return [self.failing.get(room) or page(participant(room)) for room in rooms]

    async def participant(
        self, caller: Caller, room: RoomRef, who: ParticipantRef
    ) -> ReadResult[Participant] | None:
        self._told("participant", room, who)
        return seen(participant(room.sid)) if who.sid == ADA or who.identity == "ada" else None

    async def disconnect(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Participant:
        self._told("disconnect", room, who)
        return participant(status=ParticipantStatus.DISCONNECTED, duration=60)

    async def anonymize(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Participant:
        self._told("anonymize", room, who)
        return participant(identity=ADA)

    async def published_tracks(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[PublishedTrack]]:
        self._told("published_tracks", room, who, first, after)
        return page(PUBLISHED)

    async def published_track(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, track: TrackRef
    ) -> ReadResult[PublishedTrack] | None:
        self._told("published_track", room, who, track)
        return seen(PUBLISHED) if track.sid == VOICE or track.name == "voice" else None

    async def subscribed_tracks(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[SubscribedTrack]]:
        self._told("subscribed_tracks", room, who, first, after)
        return page(SUBSCRIBED)

    async def subscribed_track(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, track: TrackSid
    ) -> ReadResult[SubscribedTrack] | None:
        self._told("subscribed_track", room, who, track)
        return seen(SUBSCRIBED) if track == SCREEN else None

    async def subscribe_rules(
        self, caller: Caller, room: RoomRef, who: ParticipantRef
    ) -> ReadResult[SubscribeRules]:
        self._told("subscribe_rules", room, who)
        return seen(SUBSCRIBE_RULES)

    async def update_subscribe_rules(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, rules: NewSubscribeRules
    ) -> SubscribeRules:
        self._told("update_subscribe_rules", room, who, rules)
        return SUBSCRIBE_RULES


@dataclass
class Recordings(Service):
    async def of_room(
        self,
        caller: Caller,
        room: RoomRef,
        wanted: RoomRecordingFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Recording]]:
        self._told("of_room", room, wanted, first, after)
        return page(RECORDING)

    async def in_room(
        self, caller: Caller, room: RoomRef, recording: RecordingSid
    ) -> ReadResult[Recording] | None:
        self._told("in_room", room, recording)
        return seen(RECORDING) if recording == TAKE else None

    async def delete_in_room(self, caller: Caller, room: RoomRef, recording: RecordingSid) -> None:
        self._told("delete_in_room", room, recording)

    async def page(
        self, caller: Caller, wanted: RecordingFilter, first: int, after: str | None
    ) -> ReadResult[Page[Recording]]:
        self._told("page", wanted, first, after)
        return page(RECORDING)

    async def recording(
        self, caller: Caller, recording: RecordingSid
    ) -> ReadResult[Recording] | None:
        self._told("recording", recording)
        return seen(RECORDING) if recording == TAKE else None

    async def delete(self, caller: Caller, recording: RecordingSid) -> None:
        self._told("delete", recording)

    async def media(self, caller: Caller, recording: RecordingSid) -> MediaLink | None:
        self._told("media", recording)
        return MediaLink("https://media.example/take")

    async def rules(self, caller: Caller, room: RoomRef) -> ReadResult[RecordingRules]:
        self._told("rules", room)
        return seen(RECORDING_RULES)

    async def update_rules(
        self, caller: Caller, room: RoomRef, rules: NewRecordingRules
    ) -> RecordingRules:
        self._told("update_rules", room, rules)
        return RECORDING_RULES


@dataclass
class Transcriptions(Service):
    async def page(
        self, caller: Caller, room: RoomRef, first: int, after: str | None
    ) -> ReadResult[Page[Transcription]]:
        self._told("page", room, first, after)
        return page(TRANSCRIPTION)

    async def transcription(
        self, caller: Caller, room: RoomRef, ttid: Ttid
    ) -> ReadResult[Transcription] | None:
        self._told("transcription", room, ttid)
        return seen(TRANSCRIPTION) if ttid == TTID else None

    async def create(
        self, caller: Caller, room: RoomRef, configuration: TranscriptionsConfiguration | None
    ) -> Transcription:
        self._told("create", room, configuration)
        return TRANSCRIPTION

    async def update(
        self, caller: Caller, room: RoomRef, ttid: Ttid, update: TranscriptionUpdate
    ) -> Transcription:
        self._told("update", room, ttid, update)
        return TRANSCRIPTION


@dataclass
class Insights(Service):
    async def rooms(
        self, caller: Caller, wanted: InsightsRoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[InsightsRoom]]:
        self._told("rooms", wanted, first, after)
        return page(INSIGHTS)

    async def room(self, caller: Caller, room: RoomSid) -> ReadResult[InsightsRoom] | None:
        self._told("room", room)
        return seen(INSIGHTS) if room == sid(1) else None

    async def participants(
        self, caller: Caller, room: RoomSid, first: int, after: str | None
    ) -> ReadResult[Page[InsightsParticipant]]:
        self._told("participants", room, first, after)
        return page(STAY)

    async def participant(
        self, caller: Caller, room: RoomSid, who: ParticipantSid
    ) -> ReadResult[InsightsParticipant] | None:
        self._told("participant", room, who)
        return seen(STAY) if who == ADA else None


@dataclass
class Tokens(Service):
    async def mint(self, caller: Caller, new: NewToken) -> AccessToken:
        self._told("mint", new.identity, new.room, new.ttl_s)
        return AccessToken(jwt="a.b.c", identity=new.identity, room="standup", expires_at=AT)

    async def explain(self, caller: Caller, token: str, room: RoomRef | None) -> Explanation:
        self._told("explain", token, room)
        facts = TokenFacts(identity="ada", expires_at=AT, is_signed=True)
        return Explanation(
            problem=Problem.EXPIRED, sentence="expired 4 minutes ago; mint a new one", facts=facts
        )
