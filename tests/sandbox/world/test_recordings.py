from collections.abc import Callable

import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import recordings, rooms
from gateway.sandbox.world.model import (
    Departure,
    FailedOperation,
    Room,
    RoomSettings,
    RoomType,
    Rule,
    TrackKind,
    TrackSettings,
)
from gateway.sandbox.world.recordings import PROCESSING_S
from gateway.sandbox.world.room_change import RoomChange
from tests.sandbox.conftest import moment

AUDIO, VIDEO, DATA = (TrackSettings(kind, kind.value) for kind in TrackKind)
ALL, NOTHING = Rule(True), Rule(False)


def new_room(**settings: object) -> Room:
    return rooms.create("AC1", 1, RoomSettings(**settings), moment()).room  # type: ignore[arg-type]


def recorded(*tracks: TrackSettings) -> Room:
    return rooms.join(new_room(is_recorded_on_connect=True), "Ada", tracks, moment()).room


def names(change: RoomChange) -> list[str]:
    return [event.name.value for event in change.events]


def statuses(room: Room) -> list[str]:
    return [recording.status.value for recording in room.recordings]


def code_of(act: Callable[[], object]) -> int:
    with pytest.raises(TwilioError) as caught:
        act()
    return caught.value.code


def test_recordings_start_with_the_tracks_and_complete_some_seconds_after_the_end() -> None:
    joined = rooms.join(new_room(is_recorded_on_connect=True), "Ada", (AUDIO, DATA), moment())
    ended = rooms.complete(joined.room, moment(30))
    early = rooms.expire(ended.room, moment(30 + PROCESSING_S - 0.1))
    done = rooms.expire(ended.room, moment(30 + PROCESSING_S))

    assert names(joined) == [
        "participant-connected",
        "track-added",
        "recording-started",
        "track-added",
    ]
    assert [event.sequence for event in joined.events] == [1, 2, None, 3]
    assert names(ended) == ["participant-disconnected", "room-ended"]
    assert rooms.next_deadline_s(ended.room) == moment(30 + PROCESSING_S).clock_s
    assert (names(early), statuses(early.room)) == ([], ["processing"])
    assert (names(done), statuses(done.room)) == (["recording-completed"], ["completed"])
    assert done.room.recordings[0].duration_s == 30
    assert rooms.next_deadline_s(done.room) is None


def test_a_recording_is_processed_when_its_track_is_removed_or_its_participant_leaves() -> None:
    room = recorded(VIDEO)
    ada = room.participants[0]
    for change in (
        rooms.unpublish(room, ada, ada.tracks[0], moment(5)),
        rooms.leave(room, ada, Departure.LEFT, moment(5)),
    ):
        assert names(rooms.expire(change.room, moment(5 + PROCESSING_S))) == ["recording-completed"]


def test_a_recording_that_failed_does_not_complete() -> None:
    room = recorded(VIDEO)
    ada = room.participants[0]
    failed = recordings.fail_track(room, ada, ada.tracks[0], FailedOperation.START, moment(1))
    left = rooms.leave(failed.room, failed.room.participants[0], Departure.LEFT, moment(2))

    assert (names(failed), statuses(failed.room)) == (["recording-failed"], ["failed"])
    assert names(rooms.expire(left.room, moment(2 + PROCESSING_S))) == []
    assert failed.room.recordings[0].size == 0


def test_a_track_that_is_not_recorded_can_fail_to_be() -> None:
    room = rooms.join(new_room(), "Ada", (AUDIO,), moment()).room
    failed = recordings.fail_track(
        room, room.participants[0], room.participants[0].tracks[0], FailedOperation.START, moment()
    )

    assert (names(failed), statuses(failed.room)) == (["recording-failed"], ["failed"])


def test_what_is_processed_can_fail_until_it_is_completed() -> None:
    ended = rooms.complete(recorded(VIDEO), moment(5)).room
    failed = recordings.fail(ended, ended.recordings[0], FailedOperation.UPLOAD, moment(6))
    done = rooms.expire(ended, moment(5 + PROCESSING_S)).room

    assert (names(failed), statuses(failed.room)) == (["recording-failed"], ["failed"])
    assert (
        names(recordings.fail(done, done.recordings[0], FailedOperation.UPLOAD, moment(20))) == []
    )


def test_a_running_recording_that_fails_leaves_its_track() -> None:
    room = recorded(VIDEO)
    failed = recordings.fail(room, room.recordings[0], FailedOperation.COMPLETE, moment(6)).room

    assert failed.participants[0].tracks[0].recording_sid is None
    assert statuses(failed) == ["failed"]


def test_what_is_known_of_a_deleted_recording_stays() -> None:
    done = rooms.expire(
        rooms.complete(recorded(AUDIO), moment(5)).room, moment(5 + PROCESSING_S)
    ).room
    gone = recordings.delete(done, done.recordings[0], moment(60)).room
    again = recordings.delete(gone, gone.recordings[0], moment(90)).room

    assert (statuses(gone), gone.recordings[0].duration_s, gone.recordings[0].has_media) == (
        ["deleted"],
        5,
        False,
    )
    assert again == gone


def test_a_recording_that_is_deleted_while_it_runs_does_not_complete() -> None:
    room = recorded(AUDIO)
    room = recordings.delete(room, room.recordings[0], moment(3)).room
    room = rooms.complete(room, moment(5)).room

    assert rooms.next_deadline_s(room) is None
    assert statuses(room) == ["deleted"]


def test_new_rules_start_and_stop_recordings_at_once() -> None:
    room = rooms.join(new_room(), "Ada", (AUDIO, VIDEO, DATA), moment()).room
    started = recordings.set_rules(room, (ALL,), moment(1))
    less = recordings.set_rules(started.room, (ALL, Rule(False, TrackKind.VIDEO)), moment(11))
    same = recordings.set_rules(less.room, (Rule(True, TrackKind.AUDIO),), moment(12))
    done = rooms.expire(same.room, moment(11 + PROCESSING_S))
    again = recordings.set_rules(done.room, (ALL,), moment(20))

    assert names(started) == ["recording-started", "recording-started"]
    assert (names(less), names(same)) == ([], [])
    assert (names(done), statuses(done.room)) == (
        ["recording-completed"],
        ["processing", "completed"],
    )
    assert (names(again), len(again.room.recordings)) == (["recording-started"], 3)
    assert (room.recording_rules.created_at, same.room.recording_rules.updated_at) == (
        moment().wall,
        moment(12).wall,
    )


def test_rules_are_for_rooms_in_progress_with_a_media_server() -> None:
    ended = rooms.complete(new_room(), moment()).room

    assert code_of(lambda: recordings.set_rules(ended, (ALL,), moment())) == 53118
    for room_type in (RoomType.GO, RoomType.PEER_TO_PEER):
        room = new_room(type=room_type)
        assert code_of(lambda room=room: recordings.set_rules(room, (ALL,), moment())) == 53122
    assert recordings.set_rules(
        new_room(type=RoomType.GROUP_SMALL), (ALL,), moment()
    ).room.recording_rules.rules == (ALL,)


@pytest.mark.parametrize(
    ("settings", "rules", "kinds"),
    [
        (RoomSettings(), (NOTHING,), []),
        (RoomSettings(is_recorded_on_connect=True), (ALL,), ["audio", "video"]),
        (RoomSettings(recording_rules=(ALL,)), (ALL,), ["audio", "video"]),
        (
            RoomSettings(
                is_recorded_on_connect=True, recording_rules=(Rule(True, TrackKind.AUDIO),)
            ),
            (Rule(True, TrackKind.AUDIO),),
            ["audio"],
        ),
        (RoomSettings(type=RoomType.GO, recording_rules=(ALL,)), (ALL,), []),
    ],
)
def test_a_room_begins_with_the_rules_that_it_was_created_with(
    settings: RoomSettings, rules: tuple[Rule, ...], kinds: list[str]
) -> None:
    room = rooms.create("AC1", 1, settings, moment()).room
    room = rooms.join(room, "Ada", (AUDIO, VIDEO, DATA), moment()).room

    assert room.recording_rules.rules == rules
    assert [recording.kind for recording in room.recordings] == kinds


def test_the_codec_is_the_rooms_first() -> None:
    room = new_room(is_recorded_on_connect=True, video_codecs=("H264", "VP8"))

    assert [
        each.codec for each in rooms.join(room, "Ada", (AUDIO, VIDEO), moment()).room.recordings
    ] == [
        "OPUS",
        "H264",
    ]
