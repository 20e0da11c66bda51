"""Conversions of every core type and its message: names of fields, and example
values."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, NewType, Union, get_args, get_origin, get_type_hints

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.core.caching import Freshness, FreshnessSource, ReadResult
from gateway.core.errors import InvalidArgument
from gateway.core.insights import (
    InsightsLinks,
    InsightsParticipant,
    InsightsRoom,
    InsightsRoomFilter,
)
from gateway.core.open_enum import UnknownWord
from gateway.core.participants import (
    NewSubscribeRules,
    Participant,
    ParticipantFilter,
    ParticipantLinks,
    PublishedTrack,
    SubscribedTrack,
    SubscribeRule,
    SubscribeRules,
)
from gateway.core.recordings import (
    INT64,
    GroupingSids,
    NewRecordingRules,
    RecordedKind,
    Recording,
    RecordingFilter,
    RecordingLinks,
    RecordingMedia,
    RecordingRule,
    RecordingRules,
    RecordingStatus,
    RoomRecordingFilter,
    RuleType,
)
from gateway.core.room_state.live import Stay
from gateway.core.rooms import (
    NewRoom,
    Room,
    RoomFilter,
    RoomLinks,
    RoomStatus,
    RoomType,
    VideoCodec,
)
from gateway.core.rules import TrackKind, TrackPriority, TrackRule
from gateway.core.tokens import AccessToken, Explanation, NewToken, Problem, TokenFacts
from gateway.core.transcriptions import (
    Transcription,
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
)
from gateway.rpc.convert import CORE_NAMES, decode_duration, from_pb, to_pb
from gateway.rpc.v1 import (
    insights_pb2,
    insights_service_pb2,
    participant_pb2,
    participant_service_pb2,
    recording_pb2,
    recording_service_pb2,
    room_pb2,
    rule_pb2,
    token_pb2,
    token_service_pb2,
    transcription_pb2,
    transcription_service_pb2,
)
from gateway.rpc.v1 import room_service_pb2 as pb

AT = datetime(2026, 11, 20, 12, 30, 15, 250_000, tzinfo=UTC)

# Responses: a core type, its message, and the fields that only the message has.
ENCODED: list[tuple[type[Any], type[Message], set[str]]] = [
    (Room, room_pb2.Room, {"freshness", "as_of"}),
    (RoomLinks, room_pb2.RoomLinks, set()),
    (UnknownWord, room_pb2.UnknownWord, set()),
    (Freshness, room_pb2.Freshness, set()),
    (Participant, participant_pb2.Participant, set()),
    (ParticipantLinks, participant_pb2.ParticipantLinks, set()),
    (PublishedTrack, participant_pb2.PublishedTrack, set()),
    (Stay, participant_pb2.PresentParticipant, {"muted"}),
    (SubscribedTrack, participant_pb2.SubscribedTrack, set()),
    (SubscribeRules, participant_pb2.SubscribeRules, set()),
    (TrackRule, rule_pb2.TrackRule, set()),
    (Recording, recording_pb2.Recording, set()),
    (GroupingSids, recording_pb2.GroupingSids, set()),
    (RecordingLinks, recording_pb2.RecordingLinks, set()),
    (RecordingMedia, recording_pb2.RecordingMedia, set()),
    (RecordingRules, recording_pb2.RecordingRules, set()),
    (Transcription, transcription_pb2.Transcription, set()),
    (TranscriptionsConfiguration, transcription_pb2.TranscriptionsConfiguration, set()),
    (InsightsRoom, insights_pb2.InsightsRoom, set()),
    (InsightsLinks, insights_pb2.InsightsLinks, set()),
    (InsightsParticipant, insights_pb2.InsightsParticipant, set()),
    (AccessToken, token_pb2.AccessToken, set()),
    (Explanation, token_pb2.TokenExplanation, {"is_valid", "twilio_code"}),
    (TokenFacts, token_pb2.TokenFacts, set()),
]

ROOM_ARGUMENT = {"room"}
PARTICIPANT_ARGUMENTS = {"room", "participant"}
LIST_ARGUMENTS = {"page_size", "page_token", "read_mask"}

# Requests: a core type, its message, and the fields that only the message has.
DECODED: list[tuple[type[Any], type[Message], set[str]]] = [
    (NewRoom, pb.CreateRoomRequest, {"request_id"}),
    (RoomFilter, pb.ListRoomsRequest, LIST_ARGUMENTS),
    (RecordingRule, recording_pb2.RecordingRule, set()),
    (SubscribeRule, participant_pb2.SubscribeRule, set()),
    (TranscriptionsConfiguration, transcription_pb2.TranscriptionsConfiguration, set()),
    (
        ParticipantFilter,
        participant_service_pb2.ListParticipantsRequest,
        ROOM_ARGUMENT | LIST_ARGUMENTS,
    ),
    (NewSubscribeRules, participant_service_pb2.UpdateSubscribeRulesRequest, PARTICIPANT_ARGUMENTS),
    (
        RoomRecordingFilter,
        recording_service_pb2.ListRoomRecordingsRequest,
        ROOM_ARGUMENT | LIST_ARGUMENTS,
    ),
    (RecordingFilter, recording_service_pb2.ListRecordingsRequest, LIST_ARGUMENTS),
    (NewRecordingRules, recording_service_pb2.UpdateRecordingRulesRequest, ROOM_ARGUMENT),
    (
        TranscriptionUpdate,
        transcription_service_pb2.UpdateTranscriptionRequest,
        {"room", "transcription"},
    ),
    (InsightsRoomFilter, insights_service_pb2.ListInsightsRoomsRequest, LIST_ARGUMENTS),
    (NewToken, token_service_pb2.MintAccessTokenRequest, set()),
]


@dataclass(frozen=True, kw_only=True)
class IdentifiedRoom(NewRoom):
    """A new room with the field that only the request has."""

    request_id: str = "once"


def name_of(value: object) -> str | None:
    return value.__name__ if isinstance(value, type) else None


def example(hint: Any) -> Any:
    """Returns a value of this type in which every field has a value."""
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, NewType):
        return example(hint.__supertype__)
    if origin is Annotated:
        return 5_000_000_000 if INT64 in arguments else example(arguments[0])
    if origin in (Union, UnionType):
        return example(next(argument for argument in arguments if argument is not NoneType))
    if origin is tuple:
        return (example(arguments[0]), example(arguments[0]))
    if origin is Mapping:
        return {"a": [1.5, "b", None, {"c": True}]}
    if is_dataclass(hint) and isinstance(hint, type):
        return filled(hint)
    if issubclass(hint, Enum):
        return list(hint)[-1]
    plain: dict[type, object] = {str: "word", bool: True, int: 7, datetime: AT}
    return plain[hint]


def filled(core_type: type[Any]) -> Any:
    hints = get_type_hints(core_type, include_extras=True)
    return core_type(**{field.name: example(hints[field.name]) for field in fields(core_type)})


def names(core_type: Any) -> set[str]:
    return {field.name for field in fields(core_type)}


def pb_fields(message_type: Any) -> dict[str, FieldDescriptor]:
    """Returns the fields of a message by their names in core, which has those of
    `twilio` beside the others."""
    found: dict[str, FieldDescriptor] = {}
    for field in message_type.DESCRIPTOR.fields:
        if field.name == "twilio":
            found |= pb_fields(GetMessageClass(field.message_type))
        else:
            found[CORE_NAMES.get(field.name, field.name)] = field
    return found


def datetime_of(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


def plain(value: Any) -> Any:
    """Returns a core value as dictionaries, lists and names of enum members."""
    match value:
        case Enum():
            return value.name
        case tuple():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def as_core(message: Message) -> dict[str, Any]:
    """Returns the set fields of a message with the names, units and values of core."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name == "twilio":
            found |= as_core(value)
        else:
            items = [_core_value(field, item) for item in value] if field.is_repeated else None
            name = CORE_NAMES.get(field.name, field.name)
            found[name] = _core_value(field, value) if items is None else items
    return found


def _core_value(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return field.enum_type.values_by_number[value].name.removeprefix(prefix)
    match value:
        case Timestamp():
            return datetime_of(value)
        case Duration():
            return decode_duration(value, (field.name,))
        case Struct():
            return MessageToDict(value)
        case Message():
            return as_core(value)
        case _:
            return value


@pytest.mark.parametrize(("core_type", "message_type", "pb_only"), ENCODED + DECODED, ids=name_of)
def test_core_type_and_message_have_the_same_fields(
    core_type: type[Any], message_type: type[Message], pb_only: set[str]
) -> None:
    assert pb_fields(message_type).keys() == names(core_type) | pb_only


@pytest.mark.parametrize(("core_type", "message_type", "pb_only"), ENCODED, ids=name_of)
def test_to_pb_sets_every_field(
    core_type: type[Any], message_type: type[Message], pb_only: set[str]
) -> None:
    value = filled(core_type)

    message = to_pb(value, message_type)

    actual = as_core(message)
    assert {name: actual[name] for name in names(core_type)} == plain(value)


@pytest.mark.parametrize(("core_type", "message_type", "pb_only"), ENCODED, ids=name_of)
def test_to_pb_leaves_none_unset(
    core_type: type[Any], message_type: type[Message], pb_only: set[str]
) -> None:
    hints = get_type_hints(core_type, include_extras=True)
    required = {part.name for part in fields(core_type) if part.default is MISSING}
    bare = core_type(**{name: example(hints[name]) for name in required})

    assert as_core(to_pb(bare, message_type)).keys() - pb_only == required


@pytest.mark.parametrize(("core_type", "message_type", "pb_only"), ENCODED, ids=name_of)
def test_int64_fields_of_core_have_64_bits_in_the_message(
    core_type: type[Any], message_type: type[Message], pb_only: set[str]
) -> None:
    hints = get_type_hints(core_type, include_extras=True)
    long = {name for name in names(core_type) if INT64 in str(hints[name])}
    found = pb_fields(message_type)

    int64 = {name for name, field in found.items() if field.type == FieldDescriptor.TYPE_INT64}
    durations = {name for name, field in found.items() if field.message_type is Duration.DESCRIPTOR}
    assert int64 <= long <= int64 | durations


@pytest.mark.parametrize(("core_type", "message_type", "pb_only"), ENCODED, ids=name_of)
def test_optional_fields_of_core_have_presence_in_the_message(
    core_type: type[Any], message_type: type[Message], pb_only: set[str]
) -> None:
    hints = get_type_hints(core_type)
    for name, field in pb_fields(message_type).items():
        has_presence = field.is_repeated or field.enum_type is not None or field.has_presence
        assert has_presence or name in pb_only or NoneType not in get_args(hints[name]), name


def test_false_is_not_the_same_as_unset() -> None:
    message = to_pb(TrackRule(type=filled(TrackRule).type, all=False), rule_pb2.TrackRule)

    assert message.HasField("all")
    assert not message.HasField("publisher")


@pytest.mark.parametrize(
    ("core_type", "message_type", "path", "shown"),
    [
        (Room, room_pb2.Room, "video_codecs[1]", "video_codecs[1]"),
        (
            Room,
            room_pb2.Room,
            "status_callback_method",
            "twilio.status_callback_method",
        ),
        (SubscribeRules, participant_pb2.SubscribeRules, "rules[1].type", "rules[1].effect"),
        (SubscribeRules, participant_pb2.SubscribeRules, "rules[0].kind", "rules[0].kind"),
        (Recording, recording_pb2.Recording, "type", "type"),
        (Recording, recording_pb2.Recording, "failed_operation", "failed_operation"),
    ],
)
def test_unknown_words_name_the_fields_of_the_message(
    core_type: type[Any], message_type: Any, path: str, shown: str
) -> None:
    value = replace(filled(core_type), unknown_words=(UnknownWord(path, "new"),))

    [unknown] = to_pb(value, message_type).unknown_words

    assert (unknown.field, unknown.word) == (shown, "new")


def test_to_pb_of_a_read_result_sets_freshness_and_as_of() -> None:
    message = to_pb(
        ReadResult(filled(Room), Freshness(AT, True, FreshnessSource.POLLED), "cursor"),
        room_pb2.Room,
    )

    assert message.sid == "word"
    assert datetime_of(message.freshness.fetch_time) == AT
    assert (message.freshness.stale, message.freshness.source) == (
        True,
        room_pb2.FRESHNESS_SOURCE_POLLED,
    )
    assert message.as_of == "cursor"


def test_explanation_has_the_error_code_of_twilio() -> None:
    facts = TokenFacts(api_key_sid="SK1", expire_time=AT, is_signed=True)

    good = to_pb(
        Explanation(problem=None, sentence="good", facts=facts), token_pb2.TokenExplanation
    )
    bad = to_pb(
        Explanation(problem=Problem.EXPIRED, sentence="expired", facts=facts),
        token_pb2.TokenExplanation,
    )

    assert (good.valid, good.problem, good.HasField("twilio_code")) == (True, 0, False)
    assert (bad.valid, bad.problem, bad.twilio_code) == (
        False,
        token_pb2.TOKEN_PROBLEM_EXPIRED,
        20104,
    )
    assert datetime_of(bad.facts.expire_time) == AT


def test_from_pb_reads_every_field_of_a_new_room() -> None:
    rules = (
        RecordingRule(type=RuleType.INCLUDE, all=True),
        RecordingRule(
            type=RuleType.EXCLUDE, kind=RecordedKind.AUDIO, publisher="ann", track="camera"
        ),
    )
    configuration = TranscriptionsConfiguration(
        transcription_engine="google",
        speech_model="telephony",
        language_code="en-US",
        partial_results=True,
        profanity_filter=False,
        hints=("Twilio",),
        enable_automatic_punctuation=True,
    )
    room = NewRoom(
        unique_name="daily",
        type=RoomType.GROUP,
        max_participants=12,
        max_participant_duration=600,
        empty_room_timeout=1,
        unused_room_timeout=60,
        record_participants_on_connect=False,
        recording_rules=rules,
        video_codecs=(VideoCodec.H264,),
        media_region="us1",
        audio_only=True,
        transcribe_participants_on_connect=True,
        transcriptions_configuration=configuration,
        large_room=False,
    )

    identified = IdentifiedRoom(**{field.name: getattr(room, field.name) for field in fields(room)})
    assert from_pb(to_pb(identified, pb.CreateRoomRequest), NewRoom) == room


def test_from_pb_leaves_unset_fields_to_the_defaults_of_core() -> None:
    assert from_pb(pb.CreateRoomRequest(), NewRoom) == NewRoom()
    assert from_pb(pb.ListRoomsRequest(page_size=5), RoomFilter) == RoomFilter(
        statuses=(RoomStatus.IN_PROGRESS,)
    )


def test_from_pb_reads_rules() -> None:
    rules = (
        SubscribeRule(
            type=RuleType.INCLUDE, kind=TrackKind.DATA, publisher="ann", priority=TrackPriority.LOW
        ),
        SubscribeRule(type=RuleType.EXCLUDE, all=True),
    )
    request = participant_service_pb2.UpdateSubscribeRulesRequest(
        room="daily",
        participant="ann",
        rules=[to_pb(rule, participant_pb2.SubscribeRule) for rule in rules],
    )

    assert from_pb(request, NewSubscribeRules) == NewSubscribeRules(rules)


def test_from_pb_reads_filters() -> None:
    sid = "PA" + "1" * 32
    request = recording_service_pb2.ListRecordingsRequest(
        statuses=[recording_pb2.RECORDING_STATUS_COMPLETED],
        source_sid="MT" + "1" * 32,
        grouping_sids=[sid],
        media_type=rule_pb2.TRACK_KIND_VIDEO,
        created_after=AT.astimezone(timezone(timedelta(hours=2))),
        created_before=AT + timedelta(hours=1),
    )

    assert from_pb(request, RecordingFilter) == RecordingFilter(
        statuses=(RecordingStatus.COMPLETED,),
        source_sid="MT" + "1" * 32,
        grouping_sids=(sid,),
        media_type=TrackKind.VIDEO,
        created_after=AT,
        created_before=AT + timedelta(hours=1),
    )


def test_from_pb_reads_an_empty_configuration() -> None:
    request = transcription_service_pb2.UpdateTranscriptionRequest(
        status=transcription_pb2.TRANSCRIPTION_STATUS_STOPPED,
        configuration=transcription_pb2.TranscriptionsConfiguration(),
    )

    assert from_pb(request, TranscriptionUpdate) == TranscriptionUpdate(
        status=TranscriptionStatus.STOPPED, configuration=TranscriptionsConfiguration()
    )


def request(message_type: Any, **fields: Any) -> Any:
    """Returns the message. The generated stubs do not accept unknown enum numbers."""
    return message_type(**fields)


RECORDING_RULE = recording_pb2.RecordingRule
SUBSCRIBE_RULES = participant_service_pb2.UpdateSubscribeRulesRequest


@pytest.mark.parametrize(
    ("request_", "core_type", "message"),
    [
        (pb.CreateRoomRequest(max_participants=0), NewRoom, "max_participants is 0"),
        (pb.CreateRoomRequest(max_participants=51), NewRoom, "max_participants is 51"),
        (pb.CreateRoomRequest(unique_name=""), NewRoom, "unique_name is empty"),
        (
            request(pb.CreateRoomRequest, type=17),
            NewRoom,
            "type is 17: set it to one of ROOM_TYPE_GROUP",
        ),
        (pb.CreateRoomRequest(type=room_pb2.ROOM_TYPE_UNKNOWN), NewRoom, "type cannot be UNKNOWN"),
        (
            request(pb.CreateRoomRequest, video_codecs=[9]),
            NewRoom,
            r"video_codecs\[0\] is 9: set it to one of VIDEO_CODEC_VP8, VIDEO_CODEC_H264",
        ),
        (
            pb.CreateRoomRequest(recording_rules=[RECORDING_RULE(all=True)]),
            NewRoom,
            r"recording_rules\[0\].effect is not set: set it to one of TRACK_RULE_EFFECT_INCLUDE",
        ),
        (
            pb.CreateRoomRequest(
                recording_rules=[
                    request(RECORDING_RULE, effect=1, all=True),
                    request(RECORDING_RULE, effect=1, kind=rule_pb2.TRACK_KIND_DATA),
                ]
            ),
            NewRoom,
            r"recording_rules\[1\].kind is 3: set it to one of TRACK_KIND_AUDIO, TRACK_KIND_VIDEO",
        ),
        (SUBSCRIBE_RULES(), NewSubscribeRules, "rules has 0 rules"),
        (token_service_pb2.MintAccessTokenRequest(), NewToken, "identity is empty"),
        (
            transcription_service_pb2.UpdateTranscriptionRequest(),
            TranscriptionUpdate,
            "configuration",
        ),
    ],
)
def test_from_pb_rejects_invalid_values(
    request_: Message, core_type: type[Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        from_pb(request_, core_type)


@pytest.mark.parametrize(
    ("field", "duration", "unit"),
    [
        ("empty_room_timeout", Duration(seconds=90), "minutes"),
        ("unused_room_timeout", Duration(seconds=59), "minutes"),
        ("max_participant_duration", Duration(seconds=600, nanos=1), "seconds"),
        ("max_participant_duration", Duration(seconds=599, nanos=1_000_000_000), "seconds"),
        ("max_participant_duration", Duration(seconds=-600, nanos=-1), "seconds"),
    ],
)
def test_from_pb_rejects_a_duration_that_is_not_whole(
    field: str, duration: Duration, unit: str
) -> None:
    request = pb.CreateRoomRequest()
    getattr(request, field).CopyFrom(duration)

    with pytest.raises(
        InvalidArgument, match=f"{field} is not a whole number of {unit}: round it to one"
    ):
        from_pb(request, NewRoom)


def test_from_pb_reads_durations_in_the_units_of_core() -> None:
    request = pb.CreateRoomRequest(
        empty_room_timeout=timedelta(hours=1), max_participant_duration=timedelta(days=1)
    )

    room = from_pb(request, NewRoom)

    assert (room.empty_room_timeout, room.max_participant_duration) == (60, 86_400)


def test_a_duration_that_is_too_long_for_the_message_becomes_the_longest() -> None:
    """Twilio sends durations with 64 bits, and a wrong one must not fail the call."""
    room = replace(filled(InsightsRoom), duration=2**62, total_recording_duration=-(2**62))

    message = to_pb(room, insights_pb2.InsightsRoom)

    assert message.duration.seconds == 315_576_000_000
    assert message.total_recording_duration.seconds == -315_576_000_000


@pytest.mark.parametrize(
    "timestamp", [Timestamp(seconds=1 << 62), Timestamp(seconds=-(1 << 62)), Timestamp(nanos=-1)]
)
def test_from_pb_rejects_an_invalid_timestamp(timestamp: Timestamp) -> None:
    with pytest.raises(InvalidArgument, match="created_after is not a valid timestamp: set"):
        from_pb(pb.ListRoomsRequest(created_after=timestamp), RoomFilter)
