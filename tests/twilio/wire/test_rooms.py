from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.recordings import RecordedKind, RecordingRule, RuleType
from gateway.core.rooms import NewRoom, RoomFilter, RoomSid, RoomStatus, RoomType, VideoCodec
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.twilio.wire.rooms import (
    complete_room,
    create_room,
    fetch_room,
    find_room,
    list_rooms,
)
from tests.twilio.wire.documents import OPERATIONS, response

SID = RoomSid("RM00112233445566778899aabbccddeeff")
CALLBACK = "https://gw.example.com/callbacks/twilio#rc=5&rp=all"
ROOM = OPERATIONS["FetchRoom"].resource() | {"sid": SID}

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
)


@pytest.mark.parametrize(
    "name",
    ["max_participants", "max_participant_duration", "empty_room_timeout", "unused_room_timeout"],
)
def test_room_without_a_limit_is_shown_without_it(name: str) -> None:
    """One odd row must not hide a page of rooms."""
    without = {key: value for key, value in ROOM.items() if key != name}
    for document in (without, without | {name: None}, without | {name: "50"}):
        assert getattr(fetch_room(SID).read(response(document)), name) is None


def test_create_room_sends_every_parameter() -> None:
    request = create_room(FULL, CALLBACK)

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
        (
            "RecordingRules",
            '[{"type":"include","all":true},{"type":"exclude","kind":"video","publisher":"Zoë"}]',
        ),
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
    )


def test_create_room_without_parameters_sends_the_callback() -> None:
    assert create_room(NewRoom(), CALLBACK).form == (
        ("StatusCallback", CALLBACK),
        ("StatusCallbackMethod", "POST"),
    )


def test_complete_room_sends_the_status() -> None:
    assert complete_room(SID).form == (("Status", "completed"),)


@pytest.mark.parametrize(
    "name", ["Daily", "a/b", "..", "a&Status=completed", "x#y?z", "Zoë 100 %", "+", "\u202e"]
)
def test_find_room_sends_the_name_in_the_query(name: str) -> None:
    request = find_room(name)

    assert (request.method, request.path) == ("GET", "/v1/Rooms")
    assert parse_qsl(request.query) == [
        ("Status", "in-progress"),
        ("UniqueName", name),
        ("PageSize", "2"),
    ]


@pytest.mark.parametrize(
    ("rooms", "is_found"),
    [
        ([{"unique_name": "a/b"}], True),
        ([{"unique_name": "A/B"}, {"unique_name": "a/b"}], True),
        ([], False),
        ([{"unique_name": "A/B"}], False),
        ([{"unique_name": None}], False),
        ([{"unique_name": "a/b", "status": "completed"}], False),
    ],
)
def test_find_room_returns_an_exact_match_in_progress(
    rooms: list[dict[str, Any]], is_found: bool
) -> None:
    found = find_room("a/b").read(response({"rooms": [ROOM | room for room in rooms], "meta": {}}))

    assert (found is not None) is is_found


def test_list_rooms_sends_its_filter() -> None:
    rooms = RoomFilter(
        statuses=(RoomStatus.COMPLETED,),
        created_after=datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        created_before=datetime(2026, 1, 2, 3, 4, 59, 1, tzinfo=UTC),
    )

    assert parse_qsl(list_rooms(rooms, 100).query) == [
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
def test_date_out_of_range_is_refused(moment: datetime) -> None:
    with pytest.raises(InvalidArgument, match="years 1 to 9999"):
        list_rooms(RoomFilter(created_after=moment), 50)


def test_year_has_four_digits() -> None:
    query = list_rooms(RoomFilter(created_after=datetime(1, 1, 1, tzinfo=UTC)), 50).query

    assert ("DateCreatedAfter", "0001-01-01T00:00:00Z") in parse_qsl(query)


@pytest.mark.parametrize(
    "new",
    [
        NewRoom(transcriptions_configuration=TranscriptionsConfiguration(hints=("\ud800",))),
    ],
)
def test_lone_surrogate_is_refused(new: NewRoom) -> None:
    with pytest.raises(InvalidArgument, match="surrogate"):
        create_room(new, CALLBACK)
