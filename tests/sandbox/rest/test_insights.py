from datetime import timedelta

import pytest

from gateway.sandbox.rest import insights
from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import (
    Departure,
    Participant,
    Room,
    RoomSettings,
    RoomType,
    TrackKind,
    TrackSettings,
)
from gateway.sandbox.world.recordings import PROCESSING_S
from tests.sandbox.conftest import instant

DAY_S = 24 * 3600
BASE = "http://127.0.0.1:1"
AUDIO, VIDEO, DATA = (TrackSettings(kind, kind.value) for kind in TrackKind)


def meeting(**settings: object) -> Room:
    """Returns a room that ended after a minute. Ada joined it twice and Ivo once."""
    room = rooms.create("AC1", 1, RoomSettings(**settings), instant()).room  # type: ignore[arg-type]
    room = rooms.join(room, "Ada", (AUDIO, VIDEO), instant(10)).room
    room = rooms.join(room, "Ivo", (DATA,), instant(20)).room
    room = rooms.join(room, "Ada", (), instant(30)).room
    room = rooms.leave(room, room.participants[1], Departure.LEFT, instant(40)).room
    return rooms.complete(room, instant(60)).room


@pytest.mark.parametrize(
    ("room_type", "days"), [(kind, 2 if kind is RoomType.GO else 7) for kind in RoomType]
)
def test_room_is_available_for_7_days_and_a_go_room_for_2(room_type: RoomType, days: int) -> None:
    room = meeting(type=room_type)
    end_s = instant(60).clock_s

    assert insights.is_available(room, end_s)
    assert insights.is_available(room, end_s + days * DAY_S - 1)
    assert not insights.is_available(room, end_s + days * DAY_S)


def test_room_in_progress_is_not_available() -> None:
    room = rooms.create("AC1", 1, RoomSettings(), instant()).room

    assert not insights.is_available(room, instant(5).clock_s)
    assert not insights.is_recent(room, instant(5).clock_s)


def test_room_is_recent_for_one_day() -> None:
    end_s = instant(60).clock_s

    assert [
        insights.is_recent(meeting(), end_s + after_s) for after_s in (0, DAY_S - 1, DAY_S)
    ] == [True, True, False]


def test_room_is_complete_after_ten_minutes() -> None:
    fields = [
        insights.room_json(meeting(), BASE, instant(60 + after_s).clock_s)["processing_state"]
        for after_s in (0, 599, 600)
    ]

    assert fields == ["in_progress", "in_progress", "complete"]


def test_summary_counts_participants_and_seconds() -> None:
    fields = insights.room_json(meeting(), BASE, instant(60).clock_s)

    assert (fields["unique_participants"], fields["unique_participant_identities"]) == (3, 2)
    assert (fields["concurrent_participants"], fields["max_concurrent_participants"]) == (2, 50)
    assert (fields["duration_sec"], fields["total_participant_duration_sec"]) == (60, 20 + 20 + 30)
    assert (
        fields["codecs"],
        fields["recording_enabled"],
        fields["total_recording_duration_sec"],
    ) == (
        ["opus", "VP8"],
        False,
        0,
    )
    assert (fields["end_reason"], fields["room_status"], fields["room_type"]) == (
        "room_ended_via_api",
        "completed",
        "group",
    )


def test_recorded_seconds_count_completed_recordings_only() -> None:
    room = meeting(is_recorded_on_connect=True, media_region="in1")
    completed = rooms.expire(room, instant(60 + PROCESSING_S)).room
    fields = [insights.room_json(state, BASE, instant(60).clock_s) for state in (room, completed)]

    assert [item["total_recording_duration_sec"] for item in fields] == [0, 20 + 20]
    assert [item["recording_enabled"] for item in fields] == [True, True]
    assert (fields[0]["media_region"], fields[0]["edge_location"]) == ("in1", "roaming")


def test_room_type_has_underscores() -> None:
    assert insights.room_type(meeting(type=RoomType.PEER_TO_PEER)) == "peer_to_peer"


def test_unused_room_has_end_reason_timeout() -> None:
    room = rooms.create("AC1", 1, RoomSettings(unused_room_timeout_min=1), instant()).room
    ended = rooms.expire(room, instant(60)).room

    assert insights.room_json(ended, BASE, instant(60).clock_s)["end_reason"] == "timeout"


def test_participants_have_the_reason_of_their_departure() -> None:
    room = meeting()
    fields = [insights.participant_json(item, room, BASE) for item in room.participants]

    assert [(item["end_reason"], item["error_code"]) for item in fields] == [
        ("duplicate_identity", 53205),
        ("participant_left", 0),
        ("room_ended", 0),
    ]
    assert [item["error_code_url"] for item in fields] == [
        "https://www.twilio.com/docs/errors/53205",
        None,
        None,
    ]
    assert [item["codecs"] for item in fields] == [["opus", "VP8"], [], []]
    assert [item["duration_sec"] for item in fields] == [20, 20, 30]


def test_leaving_and_joining_at_one_instant_do_not_overlap() -> None:
    def stay(start: int, end: int | None) -> Participant:
        left_at = None if end is None else instant().wall + timedelta(seconds=end)
        return Participant("PA1", 0, "Ada", instant(start), instant().wall, left_at)

    assert insights.max_concurrent((stay(0, 5), stay(5, 9), stay(9, None))) == 1
    assert insights.max_concurrent((stay(0, 5), stay(4, 9), stay(4, None))) == 3
    assert insights.max_concurrent(()) == 0
