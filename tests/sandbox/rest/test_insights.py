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
from tests.sandbox.conftest import moment

DAY_S = 24 * 3600
BASE = "http://127.0.0.1:1"
AUDIO, VIDEO, DATA = (TrackSettings(kind, kind.value) for kind in TrackKind)


def meeting(**settings: object) -> Room:
    """Ada is there twice, Ivo once; it ends after a minute."""
    room = rooms.create("AC1", 1, RoomSettings(**settings), moment()).room  # type: ignore[arg-type]
    room = rooms.join(room, "Ada", (AUDIO, VIDEO), moment(10)).room
    room = rooms.join(room, "Ivo", (DATA,), moment(20)).room
    room = rooms.join(room, "Ada", (), moment(30)).room
    room = rooms.leave(room, room.participants[1], Departure.LEFT, moment(40)).room
    return rooms.complete(room, moment(60)).room


@pytest.mark.parametrize(
    ("room_type", "days"), [(each, 2 if each is RoomType.GO else 7) for each in RoomType]
)
def test_a_room_is_kept_for_7_days_and_a_go_room_for_2(room_type: RoomType, days: int) -> None:
    room = meeting(type=room_type)
    end_s = moment(60).clock_s

    assert insights.is_kept(room, end_s)
    assert insights.is_kept(room, end_s + days * DAY_S - 1)
    assert not insights.is_kept(room, end_s + days * DAY_S)


def test_a_room_in_progress_is_not_there() -> None:
    room = rooms.create("AC1", 1, RoomSettings(), moment()).room

    assert not insights.is_kept(room, moment(5).clock_s)
    assert not insights.is_recent(room, moment(5).clock_s)


def test_a_room_is_recent_for_a_day() -> None:
    end_s = moment(60).clock_s

    assert [
        insights.is_recent(meeting(), end_s + after_s) for after_s in (0, DAY_S - 1, DAY_S)
    ] == [True, True, False]


def test_a_room_is_complete_after_ten_minutes() -> None:
    shown = [
        insights.room_json(meeting(), BASE, moment(60 + after_s).clock_s)["processing_state"]
        for after_s in (0, 599, 600)
    ]

    assert shown == ["in_progress", "in_progress", "complete"]


def test_a_summary_counts_people_and_seconds() -> None:
    shown = insights.room_json(meeting(), BASE, moment(60).clock_s)

    assert (shown["unique_participants"], shown["unique_participant_identities"]) == (3, 2)
    assert (shown["concurrent_participants"], shown["max_concurrent_participants"]) == (2, 50)
    assert (shown["duration_sec"], shown["total_participant_duration_sec"]) == (60, 20 + 20 + 30)
    assert (shown["codecs"], shown["recording_enabled"], shown["total_recording_duration_sec"]) == (
        ["opus", "VP8"],
        False,
        0,
    )
    assert (shown["end_reason"], shown["room_status"], shown["room_type"]) == (
        "room_ended_via_api",
        "completed",
        "group",
    )


def test_recorded_seconds_are_counted_when_their_recordings_are_completed() -> None:
    room = meeting(is_recorded_on_connect=True, media_region="in1")
    done = rooms.expire(room, moment(60 + PROCESSING_S)).room
    shown = [insights.room_json(each, BASE, moment(60).clock_s) for each in (room, done)]

    assert [each["total_recording_duration_sec"] for each in shown] == [0, 20 + 20]
    assert [each["recording_enabled"] for each in shown] == [True, True]
    assert (shown[0]["media_region"], shown[0]["edge_location"]) == ("in1", "roaming")


def test_words_have_underscores() -> None:
    assert insights.type_word(meeting(type=RoomType.PEER_TO_PEER)) == "peer_to_peer"


def test_a_room_that_nobody_uses_ends_by_timeout() -> None:
    room = rooms.create("AC1", 1, RoomSettings(unused_room_timeout_min=1), moment()).room
    ended = rooms.expire(room, moment(60)).room

    assert insights.room_json(ended, BASE, moment(60).clock_s)["end_reason"] == "timeout"


def test_participants_tell_how_they_left() -> None:
    room = meeting()
    shown = [insights.participant_json(each, room, BASE) for each in room.participants]

    assert [(each["end_reason"], each["error_code"]) for each in shown] == [
        ("duplicate_identity", 53205),
        ("participant_left", 0),
        ("room_ended", 0),
    ]
    assert [each["error_code_url"] for each in shown] == [
        "https://www.twilio.com/docs/errors/53205",
        None,
        None,
    ]
    assert [each["codecs"] for each in shown] == [["opus", "VP8"], [], []]
    assert [each["duration_sec"] for each in shown] == [20, 20, 30]


def test_who_comes_when_another_goes_is_not_there_at_once_with_them() -> None:
    def stay(start: int, end: int | None) -> Participant:
        left_at = None if end is None else moment().wall + timedelta(seconds=end)
        return Participant("PA1", 0, "Ada", moment(start), moment().wall, left_at)

    assert insights.most_at_once((stay(0, 5), stay(5, 9), stay(9, None))) == 1
    assert insights.most_at_once((stay(0, 5), stay(4, 9), stay(4, None))) == 3
    assert insights.most_at_once(()) == 0
