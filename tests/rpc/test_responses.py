from datetime import UTC, datetime

import pytest

from gateway.core.caching import Freshness, FreshnessSource, ReadResult
from gateway.core.errors import InvalidArgument, NotFound
from gateway.core.paging import Page
from gateway.core.recordings import MediaLink
from gateway.core.rooms import AccountSid, RoomSid
from gateway.core.transcriptions import Transcription, TranscriptionStatus, Ttid
from gateway.rooms.v1 import recording_service_pb2, room_pb2
from gateway.rooms.v1 import transcription_service_pb2 as pb
from gateway.rpc.responses import page_arguments, page_response, require_found, resource_response

AT = datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
PROVENANCE = Freshness(AT, True, FreshnessSource.CALLBACKS)
TRANSCRIPTION = Transcription(
    ttid=Ttid("video_1"),
    account_sid=AccountSid("AC" + "2" * 32),
    room_sid=RoomSid("RM" + "1" * 32),
    status=TranscriptionStatus.STARTED,
)


@pytest.mark.parametrize(
    ("asked", "first"), [(0, 50), (1, 1), (99, 99), (100, 100), (101, 100), (2**31 - 1, 100)]
)
def test_a_page_has_50_unless_told_otherwise_and_100_at_the_most(asked: int, first: int) -> None:
    assert page_arguments(pb.ListTranscriptionsRequest(page_size=asked)) == (first, None)


def test_a_page_begins_after_its_token() -> None:
    assert page_arguments(pb.ListTranscriptionsRequest(page_token="token")) == (50, "token")


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="page_size is -1; give 1 to 100"):
        page_arguments(pb.ListTranscriptionsRequest(page_size=-1))


def test_what_is_not_there_is_not_found() -> None:
    assert require_found(0, "there is no zero; give one") == 0
    with pytest.raises(NotFound, match="there is no zero; give one"):
        require_found(None, "there is no zero; give one")


def test_an_answer_tells_how_good_it_is() -> None:
    answer = resource_response(
        pb.GetTranscriptionResponse, ReadResult(TRANSCRIPTION, PROVENANCE, "cursor")
    )

    assert answer.transcription.ttid == TRANSCRIPTION.ttid
    assert (answer.freshness.fetched_at.ToDatetime(tzinfo=UTC), answer.freshness.is_stale) == (
        AT,
        True,
    )
    assert answer.freshness.source == room_pb2.FOLLOWED_BY_CALLBACKS
    assert answer.as_of == "cursor"


def test_an_answer_without_a_place_in_the_log_has_no_as_of() -> None:
    answer = resource_response(
        pb.GetTranscriptionResponse, ReadResult(TRANSCRIPTION, PROVENANCE, None)
    )

    assert answer.HasField("freshness")
    assert not answer.HasField("as_of")


def test_an_answer_may_be_plain() -> None:
    answer = resource_response(
        recording_service_pb2.GetRecordingMediaResponse, MediaLink("https://example.org/media")
    )

    assert answer.media.url == "https://example.org/media"


def test_a_page_tells_where_the_next_one_begins() -> None:
    page = Page((("a", TRANSCRIPTION), ("b", TRANSCRIPTION)), "b", has_next_page=True)

    answer = page_response(pb.ListTranscriptionsResponse, ReadResult(page, PROVENANCE, "cursor"))

    assert [each.ttid for each in answer.transcriptions] == [TRANSCRIPTION.ttid] * 2
    assert (answer.next_page_token, answer.as_of, answer.freshness.is_stale) == (
        "b",
        "cursor",
        True,
    )


def test_the_last_page_has_no_token() -> None:
    page = Page((("a", TRANSCRIPTION),), "a", has_next_page=False)

    assert (
        page_response(
            pb.ListTranscriptionsResponse, ReadResult(page, PROVENANCE, None)
        ).next_page_token
        == ""
    )


def test_an_empty_page_may_have_a_next_one() -> None:
    page: Page[Transcription] = Page((), "a", has_next_page=True)

    answer = page_response(pb.ListTranscriptionsResponse, ReadResult(page, PROVENANCE, None))

    assert (list(answer.transcriptions), answer.next_page_token) == ([], "a")
