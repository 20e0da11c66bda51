from collections.abc import Callable

import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import (
    Departure,
    ParticipantStatus,
    Room,
    RoomEnd,
    RoomSettings,
    RoomStatus,
    Rule,
    TrackKind,
    TrackSettings,
)
from gateway.sandbox.world.room_change import RoomChange
from tests.sandbox.conftest import instant

LEFT = Departure.LEFT
AUDIO, VIDEO, DATA = (TrackSettings(kind, kind.value) for kind in TrackKind)


def new_room(**settings: object) -> Room:
    return rooms.create("AC1", 1, RoomSettings(**settings), instant()).room  # type: ignore[arg-type]


def names(change: RoomChange) -> list[str]:
    return [event.name.value for event in change.events]


def code_of(action: Callable[[], object]) -> int:
    with pytest.raises(TwilioError) as caught:
        action()
    return caught.value.code


def test_new_room_is_in_progress_and_its_first_event_has_sequence_0() -> None:
    change = rooms.create("AC1", 1, RoomSettings(), instant())

    assert change.room.status is RoomStatus.IN_PROGRESS
    assert [(event.name, event.sequence) for event in change.events] == [("room-created", 0)]


def test_join_emits_connected_before_the_tracks() -> None:
    change = rooms.join(new_room(), "Ada", (AUDIO, VIDEO), instant(1))

    assert names(change) == ["participant-connected", "track-added", "track-added"]
    assert [event.sequence for event in change.events] == [1, 2, 3]


def test_second_join_with_an_identity_disconnects_the_first() -> None:
    first = rooms.join(new_room(), "Ada", (), instant(1)).room
    second = rooms.join(first, "Ada", (), instant(2))

    assert names(second) == ["participant-disconnected", "participant-connected"]
    assert [item.status for item in second.room.participants] == [
        ParticipantStatus.DISCONNECTED,
        ParticipantStatus.CONNECTED,
    ]


def test_complete_disconnects_all_participants_then_ends_the_room() -> None:
    room = rooms.join(
        rooms.join(new_room(), "Ada", (AUDIO,), instant(1)).room, "Ivo", (), instant(2)
    ).room
    change = rooms.complete(room, instant(60))

    assert names(change) == ["participant-disconnected", "participant-disconnected", "room-ended"]
    assert [event.room.status for event in change.events] == [
        "in-progress",
        "in-progress",
        "completed",
    ]
    assert (change.room.duration_s, list(change.room.connected())) == (60, [])


def test_ended_room_refuses_every_change() -> None:
    joined = rooms.join(new_room(), "Ada", (AUDIO,), instant(1)).room
    ada, track = joined.participants[0], joined.participants[0].tracks[0]
    ended = rooms.complete(joined, instant(2)).room

    assert code_of(lambda: rooms.complete(ended, instant(3))) == 53112
    assert code_of(lambda: rooms.join(ended, "Ivo", (), instant(3))) == 53118
    assert code_of(lambda: rooms.publish(ended, ada, VIDEO, instant(3))) == 53118
    assert code_of(lambda: rooms.unpublish(ended, ada, track, instant(3))) == 53118
    assert code_of(lambda: rooms.set_track_enabled(ended, ada, track, False, instant(3))) == 53118


def test_leaving_twice_emits_one_event() -> None:
    room = rooms.join(new_room(), "Ada", (), instant(1)).room
    left = rooms.leave(room, room.participants[0], LEFT, instant(11))
    repeated = rooms.leave(left.room, left.room.participants[0], LEFT, instant(12))

    assert (names(left), left.room.participants[0].duration_s) == (["participant-disconnected"], 10)
    assert (names(repeated), repeated.room) == ([], left.room)


def test_full_room_refuses_another_participant() -> None:
    room = rooms.join(new_room(max_participants=1), "Ada", (), instant()).room

    assert code_of(lambda: rooms.join(room, "Ivo", (), instant())) == 53105


def test_full_room_accepts_a_participant_who_replaces_itself() -> None:
    room = rooms.join(new_room(max_participants=1), "Ada", (), instant()).room

    assert names(rooms.join(room, "Ada", (), instant())) == [
        "participant-disconnected",
        "participant-connected",
    ]


def test_tracks_are_added_muted_unmuted_and_removed() -> None:
    room = rooms.join(new_room(), "Ada", (), instant()).room
    emitted = []
    change = rooms.publish(room, room.participants[0], AUDIO, instant(1))
    emitted += names(change)
    for is_enabled in (False, False, True):
        ada = change.room.participants[0]
        change = rooms.set_track_enabled(change.room, ada, ada.tracks[0], is_enabled, instant(2))
        emitted += names(change)
    ada = change.room.participants[0]
    change = rooms.unpublish(change.room, ada, ada.tracks[0], instant(3))

    assert [*emitted, *names(change)] == [
        "track-added",
        "track-disabled",
        "track-enabled",
        "track-removed",
    ]
    assert change.room.participants[0].tracks == ()


def test_invalid_tracks_are_refused() -> None:
    audio_only = rooms.join(new_room(is_audio_only=True), "Ada", (AUDIO,), instant()).room
    crowded = new_room()
    for visitor in range(17):
        many = tuple(TrackSettings(TrackKind.DATA) for _ in range(10))
        crowded = rooms.join(crowded, f"visitor {visitor}", many, instant()).room

    assert (
        code_of(lambda: rooms.publish(audio_only, audio_only.participants[0], VIDEO, instant()))
        == 53125
    )
    assert (
        code_of(lambda: rooms.publish(audio_only, audio_only.participants[0], AUDIO, instant()))
        == 53304
    )
    assert (
        code_of(lambda: rooms.publish(crowded, crowded.participants[0], AUDIO, instant())) == 53305
    )


def test_reconnecting_participant_comes_back_or_leaves() -> None:
    room = rooms.join(new_room(), "Ada", (), instant()).room
    reconnecting = rooms.set_reconnecting(room, room.participants[0], True, instant(1))
    reconnected = rooms.set_reconnecting(
        reconnecting.room, reconnecting.room.participants[0], False, instant(2)
    ).room
    left = rooms.leave(reconnecting.room, reconnecting.room.participants[0], LEFT, instant(3)).room

    assert (names(reconnecting), reconnecting.room.participants[0].status) == (
        [],
        ParticipantStatus.RECONNECTING,
    )
    assert reconnected.participants[0].status is ParticipantStatus.CONNECTED
    assert left.participants[0].status is ParticipantStatus.DISCONNECTED
    assert rooms.set_reconnecting(left, left.participants[0], True, instant(4)).room == left
    assert (
        code_of(
            lambda: rooms.set_reconnecting(
                rooms.complete(room, instant()).room, room.participants[0], True, instant()
            )
        )
        == 53118
    )


def test_anonymized_participant_has_its_sid_as_identity() -> None:
    ended = rooms.complete(rooms.join(new_room(), "Ada", (), instant()).room, instant(1)).room
    change = rooms.anonymize(ended, ended.participants[0], instant(2))

    assert change.room.participants[0].identity == ended.participants[0].sid
    assert (names(change), change.room.participants[0].updated_at) == ([], instant(2).wall)


def test_subscriptions_follow_the_subscribe_rules() -> None:
    room = rooms.join(
        rooms.join(new_room(), "Ada", (AUDIO, VIDEO), instant()).room, "Ivo", (DATA,), instant()
    ).room
    ada, ivo = room.participants
    changed = rooms.set_subscribe_rules(
        room, ivo, (Rule(True), Rule(False, TrackKind.AUDIO)), instant(5)
    ).room

    assert [item.track.name for item in rooms.subscriptions(room, ivo)] == ["video", "audio"]
    assert [item.track.name for item in rooms.subscriptions(changed, changed.participants[1])] == [
        "video"
    ]
    assert [item.publisher for item in rooms.subscriptions(changed, ada)] == [
        changed.participants[1]
    ]
    repeated = rooms.set_subscribe_rules(
        changed, changed.participants[1], (Rule(True),), instant(6)
    ).room
    rules = repeated.participants[1].subscribe_rules
    assert (rules.created_at, rules.updated_at) == (instant(5).wall, instant(6).wall)


def test_participant_keeps_the_codecs_of_all_its_tracks() -> None:
    room = rooms.join(new_room(video_codecs=("H264",)), "Ada", (AUDIO, VIDEO, DATA), instant()).room
    ended = rooms.complete(room, instant(1)).room

    assert ended.participants[0].codecs == ("OPUS", "H264")
    assert (ended.end_reason, rooms.expire(new_room(), instant(300)).room.end_reason) == (
        RoomEnd.VIA_API,
        RoomEnd.TIMEOUT,
    )


def test_unused_and_empty_rooms_end_after_their_own_timeouts() -> None:
    unused = new_room(unused_room_timeout_min=2, empty_room_timeout_min=3)
    joined = rooms.join(unused, "Ada", (), instant(10)).room
    empty = rooms.leave(joined, joined.participants[0], LEFT, instant(100)).room

    assert rooms.next_deadline_s(unused) == instant(120).clock_s
    assert rooms.next_deadline_s(empty) == instant(100 + 180).clock_s
    assert names(rooms.expire(unused, instant(119))) == []
    assert names(rooms.expire(unused, instant(120))) == ["room-ended"]
    assert names(rooms.expire(empty, instant(280))) == ["room-ended"]


def test_session_limit_disconnects_only_that_participant() -> None:
    room = rooms.join(new_room(max_participant_duration_s=600), "Ada", (), instant()).room
    room = rooms.join(room, "Ivo", (), instant(300)).room
    change = rooms.expire(room, instant(600))

    assert rooms.next_deadline_s(room) == instant(600).clock_s
    assert [event.participant.identity for event in change.events if event.participant] == ["Ada"]
    assert rooms.next_deadline_s(change.room) == instant(900).clock_s


def test_room_ends_after_24_hours() -> None:
    room = rooms.join(new_room(max_participant_duration_s=86_400), "Ada", (), instant(3600)).room

    assert rooms.next_deadline_s(room) == instant(86_400).clock_s
    assert names(rooms.expire(room, instant(86_400))) == ["participant-disconnected", "room-ended"]
    assert rooms.next_deadline_s(rooms.complete(room, instant(5)).room) is None


def test_default_status_filter_is_connected_or_disconnected_after_the_end() -> None:
    live = rooms.join(new_room(), "Ada", (), instant()).room
    ended = rooms.complete(live, instant(1)).room

    assert rooms.has_status(live.participants[0], None, live)
    assert rooms.has_status(ended.participants[0], None, ended)
    assert not rooms.has_status(live.participants[0], ParticipantStatus.DISCONNECTED, live)
