import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import (
    AlreadyExists,
    CursorExpired,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.core.recordings import RecordedKind, RecordingRule, RuleType
from gateway.core.rooms import NewRoom, RoomFilter, RoomSid, RoomStatus, RoomType, VideoCodec
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.twilio import wire
from gateway.twilio.wire import Answer

DOCUMENT = json.loads((Path(__file__).parents[1] / "samples" / "video_v1.json").read_text())
SID = RoomSid("RM00112233445566778899aabbccddeeff")
CALLBACK = "https://gw.example.com/callbacks/twilio#rc=5&rp=all"

MINIMAL: dict[str, Any] = {
    "sid": SID,
    "account_sid": "AC0123456789abcdef0123456789abcdef",
    "status": "in-progress",
    "type": "group",
    "max_participants": 50,
    "max_participant_duration": 14400,
    "empty_room_timeout": 5,
    "unused_room_timeout": 5,
}


def examples(path: str, method: str, status: str) -> list[Any]:
    content = DOCUMENT["paths"][path][method]["responses"][status]["content"]["application/json"]
    return [pytest.param(example["value"], id=name) for name, example in content["examples"].items()]


ROOMS = [
    *examples("/v1/Rooms", "post", "201"),
    *examples("/v1/Rooms/{Sid}", "get", "200"),
    *examples("/v1/Rooms/{Sid}", "post", "202"),
]


def answer(said: object, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(said).encode())


def page(rooms: list[dict[str, Any]], next_page_url: object = None) -> Answer:
    return answer(
        {"rooms": rooms, "meta": {"page": 0, "page_size": 50, "next_page_url": next_page_url, "key": "rooms"}}
    )


@pytest.mark.parametrize("example", ROOMS)
def test_twilios_examples_of_a_room_are_read_without_loss(example: dict[str, Any]) -> None:
    room = wire.read_room(answer(example))

    for name, value in example.items():
        read = getattr(room, name)
        if isinstance(read, datetime):
            read = read.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif name == "links":
            read = {link: getattr(read, link) for link in value}
        elif name == "video_codecs":
            read = list(read)
        assert read == value


@pytest.mark.parametrize("example", examples("/v1/Rooms", "get", "200"))
def test_twilios_examples_of_a_list_are_read(example: dict[str, Any]) -> None:
    listed = wire.read_rooms(answer(example))

    assert [room.sid for room in listed.rooms] == [room["sid"] for room in example["rooms"]]
    assert listed.next_query is None


def test_the_document_has_no_field_of_a_room_that_is_not_read() -> None:
    fields = DOCUMENT["components"]["schemas"]["video.v1.room"]["properties"]

    assert [name for name in fields if not hasattr(wire.read_room(answer(MINIMAL)), name)] == []


def test_the_document_has_no_parameter_of_a_create_that_is_not_sent() -> None:
    body = DOCUMENT["paths"]["/v1/Rooms"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]

    assert set(body["schema"]["properties"]) == {name for name, _ in wire.create_room(FULL, CALLBACK).form}


FULL = NewRoom(
    unique_name="a/b ..&=é",
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=600,
    empty_room_timeout=1,
    unused_room_timeout=60,
    record_participants_on_connect=True,
    recording_rules=(
        RecordingRule(type=RuleType.INCLUDE, all=True),
        RecordingRule(type=RuleType.EXCLUDE, kind=RecordedKind.VIDEO, publisher="Zoë"),
    ),
    video_codecs=(VideoCodec.VP8, VideoCodec.H264),
    media_region="us1",
    audio_only=False,
    transcribe_participants_on_connect=True,
    transcriptions_configuration=TranscriptionsConfiguration(
        transcription_engine="google", partial_results=False, hints=("one", "two")
    ),
    large_room=False,
    enable_turn=True,
)


def test_a_create_sends_every_parameter_in_twilios_form() -> None:
    request = wire.create_room(FULL, CALLBACK)

    assert (request.method, request.path, request.query) == ("POST", "/v1/Rooms", "")
    assert request.form == (
        ("UniqueName", "a/b ..&=é"),
        ("Type", "group"),
        ("StatusCallback", CALLBACK),
        ("StatusCallbackMethod", "POST"),
        ("MaxParticipants", "50"),
        ("MaxParticipantDuration", "600"),
        ("EmptyRoomTimeout", "1"),
        ("UnusedRoomTimeout", "60"),
        ("RecordParticipantsOnConnect", "true"),
        ("RecordingRules", '[{"type":"include","all":true},{"type":"exclude","kind":"video","publisher":"Zoë"}]'),
        ("VideoCodecs", "VP8"),
        ("VideoCodecs", "H264"),
        ("MediaRegion", "us1"),
        ("AudioOnly", "false"),
        ("TranscribeParticipantsOnConnect", "true"),
        (
            "TranscriptionsConfiguration",
            '{"transcriptionEngine":"google","partialResults":false,"hints":["one","two"]}',
        ),
        ("LargeRoom", "false"),
        ("EnableTurn", "true"),
    )


def test_a_create_without_parameters_sends_the_callback_alone() -> None:
    assert wire.create_room(NewRoom(), CALLBACK).form == (
        ("StatusCallback", CALLBACK),
        ("StatusCallbackMethod", "POST"),
    )


def test_a_room_is_fetched_and_completed_by_sid() -> None:
    assert wire.fetch_room(SID) == wire.Request("GET", f"/v1/Rooms/{SID}")
    assert wire.complete_room(SID) == wire.Request("POST", f"/v1/Rooms/{SID}", form=(("Status", "completed"),))


@pytest.mark.parametrize(
    "text", ["", "..", "RM1", "DailyStandup", f"{SID}/Participants", f"{SID}\n", f"{SID}?x", "%2e"]
)
def test_nothing_but_a_sid_enters_a_path(text: str) -> None:
    for build in (wire.fetch_room, wire.complete_room):
        with pytest.raises(InvalidArgument):
            build(RoomSid(text))


@pytest.mark.parametrize("name", ["Daily", "a/b", "..", "a&Status=completed", "x#y?z", "Zoë 100 %", "+", "\u202e"])
def test_a_name_travels_as_a_query_value(name: str) -> None:
    request = wire.find_room_by_name(name)

    assert (request.method, request.path) == ("GET", "/v1/Rooms")
    assert parse_qsl(request.query) == [("Status", "in-progress"), ("UniqueName", name), ("PageSize", "2")]


def test_a_list_sends_its_filter() -> None:
    rooms = RoomFilter(
        status=RoomStatus.COMPLETED,
        created_after=datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        created_before=datetime(2026, 1, 2, 3, 4, 59, 1, tzinfo=UTC),
    )

    assert parse_qsl(wire.list_rooms(rooms, 100).query) == [
        ("Status", "completed"),
        ("DateCreatedAfter", "2026-01-02T03:04:05Z"),
        ("DateCreatedBefore", "2026-01-02T03:05:00Z"),
        ("PageSize", "100"),
    ]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-2))),
        datetime(9999, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_date_beyond_all_years_is_refused(moment: datetime) -> None:
    with pytest.raises(InvalidArgument, match="years 1 to 9999"):
        wire.list_rooms(RoomFilter(created_after=moment), 50)


def test_an_early_year_has_four_digits() -> None:
    query = wire.list_rooms(RoomFilter(created_after=datetime(1, 1, 1, tzinfo=UTC)), 50).query

    assert ("DateCreatedAfter", "0001-01-01T00:00:00Z") in parse_qsl(query)


@pytest.mark.parametrize(
    "new",
    [
        NewRoom(transcriptions_configuration=TranscriptionsConfiguration(hints=("\ud800",))),
        NewRoom(transcriptions_configuration=TranscriptionsConfiguration(language_code="\ud800")),
    ],
)
def test_half_a_character_is_refused(new: NewRoom) -> None:
    with pytest.raises(InvalidArgument, match="surrogate"):
        wire.create_room(new, CALLBACK)


def test_a_next_page_is_asked_for_byte_by_byte() -> None:
    query = "Status=in-progress&PageSize=50&Page=1&PageToken=PARM%2f1+x~"

    assert wire.list_rooms(RoomFilter(), 50, query).query == query


@pytest.mark.parametrize("query", ["", "a b", "a#b", "a\r\nb", "é", "x" * 4097, 'a"b'])
def test_a_page_query_that_twilio_cannot_have_given_is_refused(query: str) -> None:
    with pytest.raises(CursorExpired):
        wire.list_rooms(RoomFilter(), 50, query)


@pytest.mark.parametrize("size", [0, 1001, -1])
def test_a_page_has_1_to_1000_rooms(size: int) -> None:
    with pytest.raises(InvalidArgument):
        wire.list_rooms(RoomFilter(), size)


@pytest.mark.parametrize("base", ["https://video.twilio.com", "http://127.0.0.1:8080", "https://evil.example.com", ""])
def test_of_a_next_page_only_the_query_is_taken(base: str) -> None:
    query = "PageSize=1&Page=1&PageToken=PT1"

    assert wire.read_rooms(page([MINIMAL], f"{base}/v1/Rooms?{query}")).next_query == query


@pytest.mark.parametrize(
    "url",
    [
        "https://video.twilio.com/v1/Recordings?Page=1",
        "https://evil.example.com/?Page=1",
        "https://video.twilio.com/v1/Rooms",
        "https://video.twilio.com/v1/Rooms?a b",
        "https://[/v1/Rooms?Page=1",
        "",
    ],
)
def test_a_next_page_of_another_list_is_refused(url: str) -> None:
    with pytest.raises(UpstreamUnavailable):
        wire.read_rooms(page([MINIMAL], url))


def test_an_empty_page_is_the_last_one() -> None:
    assert wire.read_rooms(page([], "https://video.twilio.com/v1/Rooms?Page=1")).next_query is None


def test_unknown_words_and_fields_are_tolerated() -> None:
    room = wire.read_room(
        answer(
            MINIMAL
            | {"status": "paused", "type": "mega", "video_codecs": ["AV1"], "new": {"x": [1]}, "links": {"y": 1}}
        )
    )

    assert (room.status, room.type) == (RoomStatus.UNKNOWN, RoomType.UNKNOWN)
    assert room.video_codecs == (VideoCodec.UNKNOWN,)


def test_what_may_be_null_may_be_missing() -> None:
    nulls = {name: None for name in wire.read_room(answer(MINIMAL)).__slots__ if name not in MINIMAL}

    assert wire.read_room(answer(MINIMAL | nulls)) == wire.read_room(answer(MINIMAL))


@pytest.mark.parametrize("name", MINIMAL)
def test_a_room_without_what_it_must_have_cannot_be_read(name: str) -> None:
    for said in ({key: value for key, value in MINIMAL.items() if key != name}, MINIMAL | {name: None}):
        with pytest.raises(UpstreamUnavailable):
            wire.read_room(answer(said))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sid": "RM1"},
        {"sid": f"{SID}\n"},
        {"account_sid": SID},
        {"status": 1},
        {"max_participants": "50"},
        {"max_participants": -1},
        {"max_participants": 10**12},
        {"date_created": "yesterday"},
        {"date_created": "2026-01-02T03:04:05"},
        {"duration": 1.5},
        {"audio_only": "false"},
        {"video_codecs": "VP8"},
        {"links": []},
    ],
)
def test_a_field_of_another_type_cannot_be_read(wrong: dict[str, object]) -> None:
    with pytest.raises(UpstreamUnavailable):
        wire.read_room(answer(MINIMAL | wrong))
    with pytest.raises(UpstreamUnavailable):
        wire.read_rooms(page([MINIMAL, MINIMAL | wrong]))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"<html>", b'{"rooms":{}}', b'{"sid":"\xff"}', b'{"x":' + b"[" * 100_000, b"\x00"],
    ids=lambda body: str(body[:12]),
)
def test_an_answer_that_is_no_room_is_unusable(body: bytes) -> None:
    for read in (wire.read_room, wire.read_rooms):
        with pytest.raises(UpstreamUnavailable):
            read(Answer(200, {}, body))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@settings(max_examples=50)
def test_no_json_makes_reading_it_fail_in_another_way(said: object) -> None:
    with pytest.raises(UpstreamUnavailable):
        wire.read_rooms(answer(said))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, 20404, NotFound),
        (400, 53113, AlreadyExists),
        (429, 20429, QuotaExceeded),
        (401, 20003, UpstreamRejected),
        (302, None, UpstreamUnavailable),
        (503, 53103, UpstreamUnavailable),
    ],
)
def test_a_failure_is_raised_as_what_it_means(status: int, code: int | None, expected: type[Exception]) -> None:
    for read in (wire.read_room, wire.read_rooms, wire.read_created):
        with pytest.raises(expected):
            read(answer({"code": code}, status))


@pytest.mark.parametrize(("status", "said"), [(500, {}), (503, None), (502, {"code": 20500}), (201, {}), (204, None)])
def test_a_create_without_a_usable_answer_may_have_made_the_room(status: int, said: object) -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_created(answer(said, status))


def test_a_created_room_is_read() -> None:
    assert wire.read_created(answer(MINIMAL, 201)).sid == SID
