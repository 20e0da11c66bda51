from collections.abc import Callable
from functools import partial

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
from tests.sandbox.conftest import instant

AUDIO, VIDEO, DATA = (TrackSettings(kind, kind.value) for kind in TrackKind)
ALL, NOTHING = Rule(True), Rule(False)


def new_room(**settings: object) -> Room:
    return rooms.create("AC1", 1, RoomSettings(**settings), instant()).room  # type: ignore[arg-type]


def recorded(*tracks: TrackSettings) -> Room:
    return rooms.join(new_room(is_recorded_on_connect=True), "Ada", tracks, instant()).room


def names(change: RoomChange) -> list[str]:
    return [event.name.value for event in change.events]


def statuses(room: Room) -> list[str]:
    return [recording.status.value for recording in room.recordings]


def code_of(action: Callable[[], object]) -> int:
    with pytest.raises(TwilioError) as caught:
        action()
    return caught.value.code


def test_recordings_start_with_tracks_and_complete_some_seconds_after_the_end() -> None:
    joined = rooms.join(new_room(is_recorded_on_connect=True), "Ada", (AUDIO, DATA), instant())
    ended = rooms.complete(joined.room, instant(30))
    early = rooms.expire(ended.room, instant(30 + PROCESSING_S - 0.1))
    completed = rooms.expire(ended.room, instant(30 + PROCESSING_S))

    assert names(joined) == [
        "participant-connected",
        "track-added",
        "recording-started",
        "track-added",
    ]
    assert [event.sequence for event in joined.events] == [1, 2, None, 3]
    assert names(ended) == ["participant-disconnected", "room-ended"]
    assert rooms.next_deadline_s(ended.room) == instant(30 + PROCESSING_S).clock_s
    assert (names(early), statuses(early.room)) == ([], ["processing"])
    assert (names(completed), statuses(completed.room)) == (["recording-completed"], ["completed"])
    assert completed.room.recordings[0].duration_s == 30
    assert rooms.next_deadline_s(completed.room) is None


def test_recording_stops_when_its_track_is_removed_or_its_participant_leaves() -> None:
    room = recorded(VIDEO)
    ada = room.participants[0]
    for change in (
        rooms.unpublish(room, ada, ada.tracks[0], instant(5)),
        rooms.leave(room, ada, Departure.LEFT, instant(5)),
    ):
        assert names(rooms.expire(change.room, instant(5 + PROCESSING_S))) == [
            "recording-completed"
        ]


def test_failed_recording_does_not_complete() -> None:
    room = recorded(VIDEO)
    ada = room.participants[0]
    failed = recordings.fail_track(room, ada, ada.tracks[0], FailedOperation.START, instant(1))
    left = rooms.leave(failed.room, failed.room.participants[0], Departure.LEFT, instant(2))

    assert (names(failed), statuses(failed.room)) == (["recording-failed"], ["failed"])
    assert names(rooms.expire(left.room, instant(2 + PROCESSING_S))) == []
    assert failed.room.recordings[0].size == 0


def test_recording_of_an_unrecorded_track_can_fail_to_start() -> None:
    room = rooms.join(new_room(), "Ada", (AUDIO,), instant()).room
    failed = recordings.fail_track(
        room, room.participants[0], room.participants[0].tracks[0], FailedOperation.START, instant()
    )

    assert (names(failed), statuses(failed.room)) == (["recording-failed"], ["failed"])


def test_processing_can_fail_until_completion() -> None:
    ended = rooms.complete(recorded(VIDEO), instant(5)).room
    failed = recordings.fail(ended, ended.recordings[0], FailedOperation.UPLOAD, instant(6))
    completed = rooms.expire(ended, instant(5 + PROCESSING_S)).room

    assert (names(failed), statuses(failed.room)) == (["recording-failed"], ["failed"])
    assert (
        names(
            recordings.fail(completed, completed.recordings[0], FailedOperation.UPLOAD, instant(20))
        )
        == []
    )


def test_failed_recording_detaches_from_its_track() -> None:
    room = recorded(VIDEO)
    failed = recordings.fail(room, room.recordings[0], FailedOperation.COMPLETE, instant(6)).room

    assert failed.participants[0].tracks[0].recording_sid is None
    assert statuses(failed) == ["failed"]


def test_deleted_recording_keeps_its_metadata() -> None:
    completed = rooms.expire(
        rooms.complete(recorded(AUDIO), instant(5)).room, instant(5 + PROCESSING_S)
    ).room
    deleted = recordings.delete(completed, completed.recordings[0], instant(60)).room
    repeated = recordings.delete(deleted, deleted.recordings[0], instant(90)).room

    assert (
        statuses(deleted),
        deleted.recordings[0].duration_s,
        deleted.recordings[0].has_media,
    ) == (
        ["deleted"],
        5,
        False,
    )
    assert repeated == deleted


def test_recording_deleted_in_progress_does_not_complete() -> None:
    room = recorded(AUDIO)
    room = recordings.delete(room, room.recordings[0], instant(3)).room
    room = rooms.complete(room, instant(5)).room

    assert rooms.next_deadline_s(room) is None
    assert statuses(room) == ["deleted"]


def test_new_rules_start_and_stop_recordings_at_once() -> None:
    room = rooms.join(new_room(), "Ada", (AUDIO, VIDEO, DATA), instant()).room
    started = recordings.set_rules(room, (ALL,), instant(1))
    less = recordings.set_rules(started.room, (ALL, Rule(False, TrackKind.VIDEO)), instant(11))
    same = recordings.set_rules(less.room, (Rule(True, TrackKind.AUDIO),), instant(12))
    completed = rooms.expire(same.room, instant(11 + PROCESSING_S))
    repeated = recordings.set_rules(completed.room, (ALL,), instant(20))

    assert names(started) == ["recording-started", "recording-started"]
    assert (names(less), names(same)) == ([], [])
    assert (names(completed), statuses(completed.room)) == (
        ["recording-completed"],
        ["processing", "completed"],
    )
    assert (names(repeated), len(repeated.room.recordings)) == (["recording-started"], 3)
    assert (room.recording_rules.created_at, same.room.recording_rules.updated_at) == (
        instant().wall,
        instant(12).wall,
    )


def test_rules_need_a_room_in_progress_with_a_media_server() -> None:
    ended = rooms.complete(new_room(), instant()).room

    assert code_of(lambda: recordings.set_rules(ended, (ALL,), instant())) == 53118
    for room_type in (RoomType.GO, RoomType.PEER_TO_PEER):
        set_rules = partial(recordings.set_rules, new_room(type=room_type), (ALL,), instant())
        assert code_of(set_rules) == 53122
    assert recordings.set_rules(
        new_room(type=RoomType.GROUP_SMALL), (ALL,), instant()
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
def test_room_starts_with_the_rules_of_its_settings(
    settings: RoomSettings, rules: tuple[Rule, ...], kinds: list[str]
) -> None:
    room = rooms.create("AC1", 1, settings, instant()).room
    room = rooms.join(room, "Ada", (AUDIO, VIDEO, DATA), instant()).room

    assert room.recording_rules.rules == rules
    assert [recording.kind for recording in room.recordings] == kinds


def test_video_codec_is_the_first_of_the_room() -> None:
    room = new_room(is_recorded_on_connect=True, video_codecs=("H264", "VP8"))

    assert [
        recording.codec
        for recording in rooms.join(room, "Ada", (AUDIO, VIDEO), instant()).room.recordings
    ] == [
        "OPUS",
        "H264",
    ]
