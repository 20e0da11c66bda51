"""Our requests held against Twilio's documents: all operations, all parameters, all properties."""

import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import (
    CursorExpired,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.core.insights import InsightsRoomFilter
from gateway.core.limits.fairness import Priority
from gateway.core.open_enum import UnknownWord
from gateway.core.participants import (
    NewSubscribeRules,
    ParticipantFilter,
    ParticipantStatus,
    SubscribeRule,
)
from gateway.core.recordings import (
    Codec,
    NewRecordingRules,
    RecordingFilter,
    RecordingRule,
    RecordingStatus,
    RoomRecordingFilter,
)
from gateway.core.rooms import NewRoom, RoomFilter, RoomType, VideoCodec
from gateway.core.rules import RuleType, TrackKind, TrackPriority
from gateway.core.sids import ParticipantSid, RecordingSid, RoomSid, TrackSid
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
    Ttid,
)
from gateway.twilio.wire import operations
from gateway.twilio.wire.exchange import WireRequest, WireResponse
from gateway.twilio.wire.resource import Listed
from tests.twilio.wire.documents import OPERATIONS, Operation, answer

HEX = "0123456789abcdef" * 2
ROOM, PARTICIPANT = RoomSid("RM" + HEX), ParticipantSid("PA" + HEX)
TRACK, RECORDING, TTID = TrackSid("MT" + HEX), RecordingSid("RT" + HEX), Ttid("video_extension_1-2")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPAN: dict[str, Any] = {"created_after": AT, "created_before": AT}
CONFIGURATION = TranscriptionsConfiguration(language_code="en-US")
RECORDING_RULE = RecordingRule(type=RuleType.INCLUDE, all=True)
SUBSCRIBE_RULE = SubscribeRule(type=RuleType.EXCLUDE, track="a/b", priority=TrackPriority.LOW)

# What each request takes, every parameter set.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "FetchRoom": (ROOM,),
    "ListRoom": (RoomFilter(unique_name="a/b", **SPAN), 50),
    "CreateRoom": (
        NewRoom(
            unique_name="a/b",
            type=RoomType.GROUP,
            max_participants=50,
            max_participant_duration=600,
            empty_room_timeout=1,
            unused_room_timeout=60,
            record_participants_on_connect=True,
            recording_rules=(RECORDING_RULE,),
            video_codecs=(VideoCodec.VP8, VideoCodec.H264),
            media_region="us1",
            audio_only=False,
            transcribe_participants_on_connect=True,
            transcriptions_configuration=CONFIGURATION,
            large_room=False,
            enable_turn=True,
        ),
        "https://gw.example.com/callbacks/twilio",
    ),
    "UpdateRoom": (ROOM,),
    "FetchRoomParticipant": (ROOM, PARTICIPANT),
    "ListRoomParticipant": (
        ROOM,
        ParticipantFilter(status=ParticipantStatus.DISCONNECTED, identity="a/b", **SPAN),
        50,
    ),
    "UpdateRoomParticipant": (ROOM, PARTICIPANT),
    "UpdateRoomParticipantAnonymize": (ROOM, PARTICIPANT),
    "FetchRoomParticipantPublishedTrack": (ROOM, PARTICIPANT, TRACK),
    "ListRoomParticipantPublishedTrack": (ROOM, PARTICIPANT, 50),
    "FetchRoomParticipantSubscribedTrack": (ROOM, PARTICIPANT, TRACK),
    "ListRoomParticipantSubscribedTrack": (ROOM, PARTICIPANT, 50),
    "FetchRoomParticipantSubscribeRule": (ROOM, PARTICIPANT),
    "UpdateRoomParticipantSubscribeRule": (ROOM, PARTICIPANT, NewSubscribeRules((SUBSCRIBE_RULE,))),
    "FetchRoomRecordingRule": (ROOM,),
    "UpdateRoomRecordingRule": (ROOM, NewRecordingRules((RECORDING_RULE,))),
    "FetchRoomRecording": (ROOM, RECORDING),
    "ListRoomRecording": (
        ROOM,
        RoomRecordingFilter(status=RecordingStatus.COMPLETED, source_sid=TRACK, **SPAN),
        50,
    ),
    "DeleteRoomRecording": (ROOM, RECORDING),
    "FetchRecording": (RECORDING,),
    "ListRecording": (
        RecordingFilter(
            status=RecordingStatus.DELETED,
            source_sid=TRACK,
            grouping_sids=(ROOM, PARTICIPANT),
            media_type=TrackKind.DATA,
            **SPAN,
        ),
        50,
    ),
    "DeleteRecording": (RECORDING,),
    "FetchRoomTranscriptions": (ROOM, TTID),
    "ListRoomTranscriptions": (ROOM, 50),
    "CreateRoomTranscriptions": (ROOM, CONFIGURATION),
    "UpdateRoomTranscriptions": (
        ROOM,
        TTID,
        TranscriptionUpdate(status=TranscriptionStatus.STOPPED, configuration=CONFIGURATION),
    ),
    "FetchVideoRoomSummary": (ROOM,),
    "ListVideoRoomSummary": (
        InsightsRoomFilter(
            room_types=(RoomType.PEER_TO_PEER, RoomType.GO),
            codecs=(Codec.OPUS, Codec.VP8),
            room_name="a/b",
            **SPAN,
        ),
        50,
    ),
    "FetchVideoParticipantSummary": (ROOM, PARTICIPANT),
    "ListVideoParticipantSummary": (ROOM, 50),
}

# An answer of no use; after a create also the question whether it was done.
UNREADABLE = (UpstreamUnavailable, OutcomeUnknown)

# Twilio's paging: what it put into `next_page_url` is sent back as it is.
PAGING = {"Page", "PageToken"}

ALL = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
LISTS = pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS.values() if each.key],
    ids=lambda operation: operation.id,
)
READ = [each for each in OPERATIONS.values() if each.content]
READERS = pytest.mark.parametrize("operation", READ, ids=lambda operation: operation.id)
EXAMPLES = [
    pytest.param(operation, example, id=f"{operation.id}-{name}")
    for operation in OPERATIONS.values()
    for name, example in operation.examples.items()
]


def request(operation: Operation) -> WireRequest[Any]:
    return operations.OPERATIONS[operation.id](*ARGUMENTS[operation.id])


def read(operation: Operation, resource: object) -> Any:
    """One resource, also out of a list."""
    found = request(operation).read(operation.answer(resource))
    return found.items[0] if isinstance(found, Listed) else found


def test_there_are_30_operations_and_each_has_its_request() -> None:
    assert set(operations.OPERATIONS) == set(OPERATIONS)
    assert len(OPERATIONS) == 30


@ALL
def test_a_request_goes_where_the_document_says(operation: Operation) -> None:
    made = request(operation)

    assert (made.method, made.product) == (operation.method, operation.product)
    path = re.escape(operation.path).replace(r"\{", "{").replace(r"\}", "}")
    assert re.fullmatch(re.sub(r"{\w+}", "[A-Za-z0-9_-]+", path), made.path)


@ALL
def test_every_parameter_can_be_sent_and_nothing_else_is(operation: Operation) -> None:
    made = request(operation)

    assert {
        name for name, _ in [*parse_qsl(made.query), *made.form]
    } == operation.parameters - PAGING


@ALL
def test_no_other_segment_enters_a_path(operation: Operation) -> None:
    arguments = ARGUMENTS[operation.id]
    for place, argument in enumerate(arguments):
        if isinstance(argument, str) and not argument.startswith("https"):
            for wrong in (
                "",
                "..",
                ".",
                "a/b",
                f"{argument}/x",
                f"{argument}\n",
                f"{argument}?x",
                "%2e",
                "é",
            ):
                with pytest.raises(InvalidArgument):
                    operations.OPERATIONS[operation.id](
                        *arguments[:place], wrong, *arguments[place + 1 :]
                    )


@ALL
def test_a_sid_of_another_kind_is_refused_with_advice(operation: Operation) -> None:
    arguments = ARGUMENTS[operation.id]
    for place, argument in enumerate(arguments):
        if isinstance(argument, str) and argument.endswith(HEX):
            with pytest.raises(
                InvalidArgument,
                match=f"is not the SID of .*; give {argument[:2]} and 32 hex digits",
            ):
                operations.OPERATIONS[operation.id](
                    *arguments[:place], "CJ" + HEX, *arguments[place + 1 :]
                )


def shown(value: object) -> object:
    """A core value in Twilio's JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: shown(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [shown(each) for each in value]
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def assert_same(read_value: object, said: object) -> None:
    """`said` is all there, words in whatever spelling."""
    match said:
        case dict():
            assert isinstance(read_value, dict)
            for name, value in said.items():
                assert_same(read_value[RENAMED.get(name, name)], value)
        case list():
            assert isinstance(read_value, list)
            assert len(read_value) == len(said)
            for each, value in zip(read_value, said, strict=True):
                assert_same(each, value)
        case str() if isinstance(read_value, StrEnum):
            assert type(read_value)(said) is read_value
            assert read_value.name != "UNKNOWN"
        case _:
            assert read_value == said


RENAMED = {"languageCode": "language_code"}


@pytest.mark.parametrize(("operation", "example"), EXAMPLES)
def test_twilios_examples_are_read_without_loss(operation: Operation, example: Any) -> None:
    found = request(operation).read(answer(example, operation.status))

    if operation.key is None:
        assert_same(shown(found), example)
        assert found.unknown_words == ()
    else:
        assert_same([shown(each) for each in found.items], example[operation.key])
        assert found.next_query is None


def test_no_example_of_these_operations_is_left_out() -> None:
    assert len(EXAMPLES) == sum(len(operation.examples) for operation in OPERATIONS.values()) > 30


@READERS
def test_every_property_is_a_field_and_arrives(operation: Operation) -> None:
    resource = operation.resource()

    assert set(resource) == set(operation.schema["properties"])
    assert_same(shown(read(operation, resource)), resource)


@READERS
def test_what_may_be_null_may_be_missing(operation: Operation) -> None:
    resource = operation.resource()
    kind = type(read(operation, resource))
    required = {field.name for field in fields(kind) if field.default is MISSING}
    least = {name: value for name, value in resource.items() if name in required}
    nulls = {name: None for name in resource if name not in required}

    assert read(operation, least) == read(operation, least | nulls)
    for name in required & set(resource):
        for wrong in (
            {key: value for key, value in resource.items() if key != name},
            resource | {name: None},
        ):
            with pytest.raises(UNREADABLE):
                read(operation, wrong)


@READERS
def test_a_property_of_another_type_cannot_be_read(operation: Operation) -> None:
    resource = operation.resource()
    for name in resource:
        with pytest.raises(UNREADABLE):
            read(operation, resource | {name: 1.5})


@READERS
def test_numbers_sids_and_moments_out_of_bounds_cannot_be_read(operation: Operation) -> None:
    resource = operation.resource()
    for name, value in resource.items():
        wrong: list[Any] = []
        if type(value) is int:
            wrong = [-1, 2**63, True, "7"]
        elif (
            isinstance(value, str)
            and value.endswith(HEX)
            and name != "source_sid"
            and name != "identity"
        ):
            wrong = [value[:-1], f"{value}\n", "CJ" + HEX]
        elif value == "2026-01-02T03:04:05Z":
            wrong = ["2026-01-02T03:04:05", "yesterday", "", 5]
        for each in wrong:
            with pytest.raises(UNREADABLE):
                read(operation, resource | {name: each})


@READERS
def test_words_and_properties_added_later_are_borne_and_the_words_kept(
    operation: Operation,
) -> None:
    resource: dict[str, Any] = operation.resource() | {
        "brand_new": {"a": [1]},
        "unknown_words": [{"field": 1}],
    }
    names = [name for name in operation.enums() if name != "media_region"]
    for name in names:
        is_list = isinstance(resource[name], list)
        found = read(
            operation, resource | {name: [*resource[name], "brand-new"] if is_list else "brand-new"}
        )

        value = getattr(found, name)
        assert (value[-1] if is_list else value).name == "UNKNOWN"
        assert found.unknown_words == (UnknownWord(f"{name}[1]" if is_list else name, "brand-new"),)
    assert read(operation, resource).unknown_words == ()


@pytest.mark.parametrize("name", ["FetchRoomRecordingRule", "FetchRoomParticipantSubscribeRule"])
def test_a_rule_added_later_is_borne_and_its_words_kept(name: str) -> None:
    operation = OPERATIONS[name]
    rules = [
        {"type": "include", "all": True},
        {"type": "prefer", "kind": "smell", "publisher": "x" * 200},
    ]
    found = read(operation, operation.resource() | {"rules": rules})

    assert [rule.type.name for rule in found.rules] == ["INCLUDE", "UNKNOWN"]
    assert found.unknown_words == (
        UnknownWord("rules[1].type", "prefer"),
        UnknownWord("rules[1].kind", "smell"),
    )


def test_of_a_long_word_the_beginning_is_kept() -> None:
    operation = OPERATIONS["FetchRoom"]

    assert read(operation, operation.resource() | {"status": "x" * 1000}).unknown_words == (
        UnknownWord("status", "x" * 128),
    )


@READERS
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b"<html>",
        b'{"sid":"\xff"}',
        b'{"x":' + b"[" * 100_000,
        b"\x00",
        b'{"a":{}}',
    ],
    ids=lambda body: str(body[:12]),
)
def test_an_answer_of_another_kind_is_of_no_use(operation: Operation, body: bytes) -> None:
    with pytest.raises(UNREADABLE):
        request(operation).read(WireResponse(200, {}, body))


KEYS = sorted(
    {name for operation in READ for name in operation.schema["properties"]} | {"meta", "rooms"}
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)


@READERS
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_whatever_stands_in_a_property_it_is_read_or_refused(
    operation: Operation, data: st.DataObject
) -> None:
    resource = operation.resource()
    resource |= data.draw(
        st.dictionaries(st.sampled_from(sorted(resource)), json_values, max_size=3)
    )
    try:
        read(operation, resource)
    except UpstreamUnavailable:
        return
    except OutcomeUnknown:
        assert operation.method == "POST"


@ALL
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, 20404, NotFound),
        (400, 53204, NotFound),
        (429, 20429, QuotaExceeded),
        (401, 20003, UpstreamRejected),
        (302, None, UpstreamUnavailable),
        (503, 53103, UpstreamUnavailable),
    ],
)
def test_a_failure_is_raised_as_what_it_means(
    operation: Operation, status: int, code: int | None, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        request(operation).read(answer({"code": code}, status))


@ALL
def test_only_what_must_not_be_repeated_has_an_unknown_outcome(operation: Operation) -> None:
    is_create = operation.id in ("CreateRoom", "CreateRoomTranscriptions")
    with pytest.raises(OutcomeUnknown if is_create else UpstreamUnavailable):
        request(operation).read(answer({}, 500))


@pytest.mark.parametrize("name", ["DeleteRecording", "DeleteRoomRecording"])
@pytest.mark.parametrize("body", [b"", b"anything"])
def test_what_is_deleted_is_gone(name: str, body: bytes) -> None:
    assert request(OPERATIONS[name]).read(WireResponse(204, {}, body)) is None


@LISTS
@pytest.mark.parametrize(
    "base", ["https://video.twilio.com", "http://127.0.0.1:8080/x", "https://evil.example.com", ""]
)
def test_of_a_next_page_only_the_query_is_taken_and_given_back(
    operation: Operation, base: str
) -> None:
    query = "PageSize=50&Page=1&PageToken=PARM%2f1+x~"
    made = request(operation)
    meta = {"next_page_url": f"{base}{made.path}?{query}"}
    page = made.read(answer({operation.key: [operation.resource()], "meta": meta}))

    assert page.next_query == query
    arguments = ARGUMENTS[operation.id]
    assert operations.OPERATIONS[operation.id](*arguments, page.next_query).query == query


@LISTS
@pytest.mark.parametrize(
    "url", ["/v1/Other?Page=1", "{path}", "{path}?", "{path}?a b", "https://[{path}?a", "", 5, {}]
)
def test_a_next_page_of_another_list_is_refused(operation: Operation, url: object) -> None:
    made = request(operation)
    url = url.format(path=made.path) if isinstance(url, str) else url
    with pytest.raises(UpstreamUnavailable):
        made.read(answer({operation.key: [operation.resource()], "meta": {"next_page_url": url}}))


@LISTS
def test_an_empty_page_is_the_last_one(operation: Operation) -> None:
    made = request(operation)
    page = made.read(answer({operation.key: [], "meta": {"next_page_url": f"{made.path}?Page=1"}}))

    assert page == Listed((), None)


@LISTS
def test_one_item_that_cannot_be_read_makes_the_page_unreadable(operation: Operation) -> None:
    for wrong in ({}, None, [], 1):
        with pytest.raises(UpstreamUnavailable):
            request(operation).read(
                answer({operation.key: [operation.resource(), wrong], "meta": {}})
            )


@LISTS
@pytest.mark.parametrize("page_query", ["", "a b", "a#b", "a\r\nb", "é", "x" * 4097, 'a"b'])
def test_a_page_query_that_twilio_cannot_have_given_is_refused(
    operation: Operation, page_query: str
) -> None:
    with pytest.raises(CursorExpired):
        operations.OPERATIONS[operation.id](*ARGUMENTS[operation.id], page_query)


@LISTS
def test_a_page_is_no_longer_than_twilio_lets_it_be(operation: Operation) -> None:
    most = 100 if operation.id == "ListRecording" else 1000
    build: Callable[..., WireRequest[Any]] = operations.OPERATIONS[operation.id]
    *arguments, _ = ARGUMENTS[operation.id]
    assert ("PageSize", str(most)) in parse_qsl(build(*arguments, most).query)
    for wrong in (0, -1, most + 1):
        with pytest.raises(
            InvalidArgument, match=f"page size is {wrong}; give a whole number from 1 to {most}"
        ):
            build(*arguments, wrong)


def test_what_ends_goes_before_what_changes_and_one_before_a_list() -> None:
    priorities = {
        id_: build(*ARGUMENTS[id_]).priority for id_, build in operations.OPERATIONS.items()
    }

    assert {id_ for id_, priority in priorities.items() if priority is Priority.END} == {
        "UpdateRoom",
        "UpdateRoomParticipant",
    }
    assert {id_ for id_, priority in priorities.items() if priority is Priority.LIST} == {
        id_ for id_ in priorities if id_.startswith("List")
    }
    assert {id_ for id_, priority in priorities.items() if priority is Priority.READ} == {
        id_ for id_ in priorities if id_.startswith("Fetch")
    }
