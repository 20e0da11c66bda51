from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.caching import Freshness, FreshnessSource, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import InvalidArgument, NotFound, Reason
from gateway.core.open_enum import HttpMethod
from gateway.core.paging import Page
from gateway.core.recordings import RecordingMedia
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from gateway.core.transcriptions import Transcription, TranscriptionStatus, Ttid
from gateway.rpc.responses import page_arguments, page_response, require_found, resource_response
from gateway.rpc.v1 import recording_service_pb2, room_pb2, room_service_pb2
from gateway.rpc.v1 import transcription_service_pb2 as pb
from gateway.service import call_context
from gateway.service.call_context import CallContext

AT = datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
FRESHNESS = Freshness(AT, True, FreshnessSource.CALLBACKS)
TRANSCRIPTION = Transcription(
    ttid=Ttid("video_1"),
    account_sid=AccountSid("AC" + "2" * 32),
    room_sid=RoomSid("RM" + "1" * 32),
    status=TranscriptionStatus.STARTED,
)
ROOM = Room(
    sid=RoomSid("RM" + "1" * 32),
    account_sid=AccountSid("AC" + "2" * 32),
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
    status_callback="https://example.org/hook",
    status_callback_method=HttpMethod.POST,
)


@pytest.mark.parametrize(
    ("page_size", "expected"), [(0, 50), (1, 1), (99, 99), (100, 100), (101, 100), (2**31 - 1, 100)]
)
def test_page_size_is_50_by_default_and_100_at_most(page_size: int, expected: int) -> None:
    assert page_arguments(pb.ListTranscriptionsRequest(page_size=page_size)) == (expected, None)


def test_page_token_is_passed_on() -> None:
    assert page_arguments(pb.ListTranscriptionsRequest(page_token="token")) == (50, "token")


def test_negative_page_size_is_rejected() -> None:
    with pytest.raises(InvalidArgument, match="page_size is -1: set it to 1 to 100"):
        page_arguments(pb.ListTranscriptionsRequest(page_size=-1))


def test_require_found_raises_not_found_for_none() -> None:
    assert require_found(0, Reason.TRACK_NOT_FOUND) == 0
    with pytest.raises(NotFound, match="no such track: give") as raised:
        require_found(None, Reason.TRACK_NOT_FOUND)
    assert raised.value.reason is Reason.TRACK_NOT_FOUND


def test_resource_response_has_freshness_and_as_of() -> None:
    response = resource_response(
        pb.GetTranscriptionResponse, ReadResult(TRANSCRIPTION, FRESHNESS, "cursor")
    )

    assert response.transcription.ttid == TRANSCRIPTION.ttid
    assert (response.freshness.fetch_time.ToDatetime(tzinfo=UTC), response.freshness.stale) == (
        AT,
        True,
    )
    assert response.freshness.source == room_pb2.FRESHNESS_SOURCE_CALLBACKS
    assert response.as_of == "cursor"


def test_resource_response_without_a_log_position_has_no_as_of() -> None:
    response = resource_response(
        pb.GetTranscriptionResponse, ReadResult(TRANSCRIPTION, FRESHNESS, None)
    )

    assert response.HasField("freshness")
    assert not response.HasField("as_of")


def test_resource_response_takes_a_plain_value() -> None:
    response = resource_response(
        recording_service_pb2.GetRecordingMediaResponse, RecordingMedia("https://example.org/media")
    )

    assert response.media.url == "https://example.org/media"


def test_page_response_has_the_token_of_the_next_page() -> None:
    page = Page((("a", TRANSCRIPTION), ("b", TRANSCRIPTION)), "b", has_next_page=True)

    response = page_response(pb.ListTranscriptionsResponse, ReadResult(page, FRESHNESS, "cursor"))

    assert [item.ttid for item in response.transcriptions] == [TRANSCRIPTION.ttid] * 2
    assert (response.next_page_token, response.as_of, response.freshness.stale) == (
        "b",
        "cursor",
        True,
    )


def test_last_page_has_no_token() -> None:
    page = Page((("a", TRANSCRIPTION),), "a", has_next_page=False)

    assert (
        page_response(
            pb.ListTranscriptionsResponse, ReadResult(page, FRESHNESS, None)
        ).next_page_token
        == ""
    )


def test_empty_page_may_have_a_next_page() -> None:
    page: Page[Transcription] = Page((), "a", has_next_page=True)

    response = page_response(pb.ListTranscriptionsResponse, ReadResult(page, FRESHNESS, None))

    assert (list(response.transcriptions), response.next_page_token) == ([], "a")


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [({Scope.ADMIN}, "https://example.org/hook"), ({Scope.ROOMS_READ, Scope.ROOMS_WRITE}, "")],
)
def test_only_operators_see_the_address_of_callbacks(
    caller: Caller, scopes: set[Scope], expected: str
) -> None:
    page = Page((("a", ROOM),), "a", has_next_page=False)
    found, several = ReadResult(ROOM, FRESHNESS, None), ReadResult(page, FRESHNESS, None)

    with call_context.entered(CallContext(replace(caller, scopes=frozenset(scopes)))):
        one = resource_response(room_service_pb2.GetRoomResponse, found)
        listed = page_response(room_service_pb2.ListRoomsResponse, several)

    for room in (one.room, *listed.rooms):
        assert room.twilio.status_callback == expected
        assert room.twilio.status_callback_method == room_pb2.HTTP_METHOD_POST
