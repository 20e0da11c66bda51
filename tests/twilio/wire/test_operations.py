"""Our requests compared with the operations, parameters and properties of Twilio's
OpenAPI documents."""

import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, get_type_hints
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
    MediaCodec,
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
from gateway.twilio.wire.resource import CORE_NAMES, WirePage
from tests.twilio.wire.documents import OPERATIONS, Operation, response

HEX = "0123456789abcdef" * 2
ROOM, PARTICIPANT = RoomSid("RM" + HEX), ParticipantSid("PA" + HEX)
TRACK, RECORDING, TTID = TrackSid("MT" + HEX), RecordingSid("RT" + HEX), Ttid("video_extension_1-2")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPAN: dict[str, Any] = {"created_after": AT, "created_before": AT}
CONFIGURATION = TranscriptionsConfiguration(language_code="en-US")
RECORDING_RULE = RecordingRule(type=RuleType.INCLUDE, all=True)
SUBSCRIBE_RULE = SubscribeRule(type=RuleType.EXCLUDE, track="a/b", priority=TrackPriority.LOW)

# The arguments of each function, with every parameter set.
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
        ),
        "https://gw.example.com/callbacks/twilio",
    ),
    "UpdateRoom": (ROOM,),
    "FetchRoomParticipant": (ROOM, PARTICIPANT),
    "ListRoomParticipant": (
        ROOM,
        ParticipantFilter(statuses=(ParticipantStatus.DISCONNECTED,), identity="a/b", **SPAN),
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
        RoomRecordingFilter(statuses=(RecordingStatus.COMPLETED,), source_sid=TRACK, **SPAN),
        50,
    ),
    "DeleteRoomRecording": (ROOM, RECORDING),
    "FetchRecording": (RECORDING,),
    "ListRecording": (
        RecordingFilter(
            statuses=(RecordingStatus.DELETED,),
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
            codecs=(MediaCodec.OPUS, MediaCodec.VP8),
            room_name="a/b",
            **SPAN,
        ),
        50,
    ),
    "FetchVideoParticipantSummary": (ROOM, PARTICIPANT),
    "ListVideoParticipantSummary": (ROOM, 50),
}

# The errors for an unusable response. After a create the room may exist.
UNREADABLE = (UpstreamUnavailable, OutcomeUnknown)

# Twilio puts these into `next_page_url`, and they are sent back unchanged.
PAGING = {"Page", "PageToken"}

ALL = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
LISTS = pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS.values() if operation.key],
    ids=lambda operation: operation.id,
)
READ = [operation for operation in OPERATIONS.values() if operation.content]
READERS = pytest.mark.parametrize("operation", READ, ids=lambda operation: operation.id)
EXAMPLES = [
    pytest.param(operation, example, id=f"{operation.id}-{name}")
    for operation in OPERATIONS.values()
    for name, example in operation.examples.items()
]


def request(operation: Operation) -> WireRequest[Any]:
    return operations.OPERATIONS[operation.id](*ARGUMENTS[operation.id])


def read(operation: Operation, resource: object) -> Any:
    """Returns the resource, also from a page."""
    found = request(operation).read(operation.response(resource))
    return found.items[0] if isinstance(found, WirePage) else found


def test_each_of_30_operations_has_a_function() -> None:
    assert set(operations.OPERATIONS) == set(OPERATIONS)
    assert len(OPERATIONS) == 30


@ALL
def test_request_has_the_method_and_path_of_the_document(operation: Operation) -> None:
    made = request(operation)

    assert (made.method, made.product) == (operation.method, operation.product)
    path = re.escape(operation.path).replace(r"\{", "{").replace(r"\}", "}")
    assert re.fullmatch(re.sub(r"{\w+}", "[A-Za-z0-9_-]+", path), made.path)


@ALL
def test_all_parameters_of_the_document_and_no_others_are_sent(operation: Operation) -> None:
    made = request(operation)

    assert {
        name for name, _ in [*parse_qsl(made.query), *made.form]
    } == operation.parameters - PAGING - {"EnableTurn"}


@ALL
def test_text_that_is_not_a_sid_is_refused(operation: Operation) -> None:
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
def test_sid_of_another_kind_is_refused(operation: Operation) -> None:
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


def to_json(value: object) -> object:
    """Returns a value of `core` as Twilio's JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        muted = parts.get("muted")
        return parts | {"enabled": None if muted is None else not muted, "enable_turn": True}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def assert_equal(read_value: object, document: object) -> None:
    """Checks that the value has all of the document, with words in any spelling."""
    match document:
        case dict():
            assert isinstance(read_value, dict)
            for name, value in document.items():
                assert_equal(read_value[RENAMED.get(name, name)], value)
        case list():
            assert isinstance(read_value, list)
            assert len(read_value) == len(document)
            for item, value in zip(read_value, document, strict=True):
                assert_equal(item, value)
        case str() if isinstance(read_value, StrEnum):
            assert type(read_value)(document) is read_value
            assert read_value.name != "UNKNOWN"
        case _:
            assert read_value == document


# Twilio considers EnableTurn always true, so it is neither sent nor read.
RENAMED = {"languageCode": "language_code", **CORE_NAMES["video"], **CORE_NAMES["insights"]}


@pytest.mark.parametrize(("operation", "example"), EXAMPLES)
def test_examples_of_the_document_are_read_without_loss(operation: Operation, example: Any) -> None:
    found = request(operation).read(response(example, operation.status))

    if operation.key is None:
        assert_equal(to_json(found), example)
        assert found.unknown_words == ()
    else:
        assert_equal([to_json(item) for item in found.items], example[operation.key])
        assert found.next_query is None


def test_all_examples_are_used() -> None:
    assert len(EXAMPLES) == sum(len(operation.examples) for operation in OPERATIONS.values()) > 30


@READERS
def test_every_property_is_read(operation: Operation) -> None:
    resource = operation.resource()

    assert set(resource) == set(operation.schema["properties"])
    assert_equal(to_json(read(operation, resource)), resource)


@READERS
def test_nullable_property_may_be_missing(operation: Operation) -> None:
    resource = operation.resource()
    kind = type(read(operation, resource))
    required = {field.name for field in fields(kind) if field.default is MISSING}
    required_only = {name: value for name, value in resource.items() if name in required}
    nulls = {name: None for name in resource if name not in required}

    assert read(operation, required_only) == read(operation, required_only | nulls)
    for name in required & set(resource):
        for wrong in (
            {key: value for key, value in resource.items() if key != name},
            resource | {name: None},
        ):
            with pytest.raises(UNREADABLE):
                read(operation, wrong)


def check_odd_value(operation: Operation, name: str, odd: object) -> None:
    """The value is null where `core` allows it. Otherwise the error names the field."""
    made = request(operation)
    core_name = CORE_NAMES[made.product].get(name, "muted" if name == "enabled" else name)
    row = f"{operation.key}[0]." if operation.key else ""
    answer = operation.response(operation.resource() | {name: odd})
    try:
        found = made.read(answer)
    except UNREADABLE as error:
        cause = error if isinstance(error, UpstreamUnavailable) else error.__cause__
        assert f"its field {row}{core_name}" in str(cause)
        kind = type(read(operation, operation.resource()))
        assert get_type_hints(kind)[core_name] != get_type_hints(kind)[core_name] | None
    else:
        shown = getattr(found.items[0] if isinstance(found, WirePage) else found, core_name)
        assert shown is None
    assert [path.startswith(row + core_name) for path in answer.unreadable] == [True]


@READERS
def test_property_of_another_type_is_null_or_named(operation: Operation) -> None:
    for name in operation.resource().keys() - {"enable_turn"}:
        check_odd_value(operation, name, 1.5)


@READERS
def test_property_out_of_bounds_is_null_or_named(operation: Operation) -> None:
    """What no face can show, for every property of Twilio's documents."""
    for name, value in operation.resource().items():
        wrong: list[Any] = []
        if type(value) is int:
            wrong = [-1, 2**63, 10**400, True, "7"]
        elif (
            isinstance(value, str)
            and value.endswith(HEX)
            and name != "source_sid"
            and name != "identity"
        ):
            wrong = [value[:-1], f"{value}\n", "CJ" + HEX]
        elif value == "2026-01-02T03:04:05Z":
            wrong = ["2026-01-02T03:04:05", "yesterday", "", 5]
            wrong += ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"]
        elif name in ("properties", "publisher_info"):
            wrong = [{"a": 2**63}, {"a": [{"b": 10**400}]}, nested(17)]
        for odd in wrong:
            check_odd_value(operation, name, odd)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@READERS
def test_unknown_words_and_properties_are_tolerated(
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
def test_unknown_rule_is_tolerated(name: str) -> None:
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


def test_long_unknown_word_is_truncated() -> None:
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
def test_body_of_another_kind_is_unreadable(operation: Operation, body: bytes) -> None:
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
def test_any_property_value_is_read_or_refused(operation: Operation, data: st.DataObject) -> None:
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
def test_error_response_raises_its_error(
    operation: Operation, status: int, code: int | None, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        request(operation).read(response({"code": code}, status))


@ALL
def test_server_error_is_outcome_unknown_only_for_creates(operation: Operation) -> None:
    is_create = operation.id in ("CreateRoom", "CreateRoomTranscriptions")
    with pytest.raises(OutcomeUnknown if is_create else UpstreamUnavailable):
        request(operation).read(response({}, 500))


@pytest.mark.parametrize("name", ["DeleteRecording", "DeleteRoomRecording"])
@pytest.mark.parametrize("body", [b"", b"anything"])
def test_delete_ignores_the_body(name: str, body: bytes) -> None:
    assert request(OPERATIONS[name]).read(WireResponse(204, {}, body)) is None


@LISTS
@pytest.mark.parametrize(
    "base", ["https://video.twilio.com", "http://127.0.0.1:8080/x", "https://evil.example.com", ""]
)
def test_next_page_uses_only_the_query_of_its_url(operation: Operation, base: str) -> None:
    query = "PageSize=50&Page=1&PageToken=PARM%2f1+x~"
    made = request(operation)
    meta = {"next_page_url": f"{base}{made.path}?{query}"}
    page = made.read(response({operation.key: [operation.resource()], "meta": meta}))

    assert page.next_query == query
    arguments = ARGUMENTS[operation.id]
    assert operations.OPERATIONS[operation.id](*arguments, page.next_query).query == query


@LISTS
@pytest.mark.parametrize(
    "url", ["/v1/Other?Page=1", "{path}", "{path}?", "{path}?a b", "https://[{path}?a", "", 5, {}]
)
def test_next_page_of_another_list_is_refused(operation: Operation, url: object) -> None:
    made = request(operation)
    url = url.format(path=made.path) if isinstance(url, str) else url
    with pytest.raises(UpstreamUnavailable):
        made.read(response({operation.key: [operation.resource()], "meta": {"next_page_url": url}}))


@LISTS
def test_empty_page_is_the_last_one(operation: Operation) -> None:
    made = request(operation)
    page = made.read(
        response({operation.key: [], "meta": {"next_page_url": f"{made.path}?Page=1"}})
    )

    assert page == WirePage((), None)


@LISTS
def test_unreadable_item_makes_its_page_unreadable(operation: Operation) -> None:
    unreadable: list[Any] = [{}, None, [], 1]
    for wrong in unreadable:
        with pytest.raises(UpstreamUnavailable):
            request(operation).read(
                response({operation.key: [operation.resource(), wrong], "meta": {}})
            )


@LISTS
@pytest.mark.parametrize("page_query", ["", "a b", "a#b", "a\r\nb", "é", "x" * 4097, 'a"b'])
def test_malformed_page_query_is_refused(operation: Operation, page_query: str) -> None:
    with pytest.raises(CursorExpired):
        operations.OPERATIONS[operation.id](*ARGUMENTS[operation.id], page_query)


@LISTS
def test_page_size_is_bounded(operation: Operation) -> None:
    most = 100 if operation.id == "ListRecording" else 1000
    build: Callable[..., WireRequest[Any]] = operations.OPERATIONS[operation.id]
    *arguments, _ = ARGUMENTS[operation.id]
    assert ("PageSize", str(most)) in parse_qsl(build(*arguments, most).query)
    for wrong in (0, -1, most + 1):
        with pytest.raises(
            InvalidArgument, match=f"page size is {wrong}: use a whole number from 1 to {most}"
        ):
            build(*arguments, wrong)


def test_priority_of_each_operation() -> None:
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
