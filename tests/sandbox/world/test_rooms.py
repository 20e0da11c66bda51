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
from tests.sandbox.conftest import moment

LEFT = Departure.LEFT
AUDIO, VIDEO, DATA = (TrackSettings(kind, kind.value) for kind in TrackKind)


def new_room(**settings: object) -> Room:
    return rooms.create("AC1", 1, RoomSettings(**settings), moment()).room  # type: ignore[arg-type]


def names(change: RoomChange) -> list[str]:
    return [event.name.value for event in change.events]


def code_of(act: Callable[[], object]) -> int:
    with pytest.raises(TwilioError) as caught:
        act()
    return caught.value.code


def test_a_new_room_is_in_progress_and_its_first_event_has_number_0() -> None:
    change = rooms.create("AC1", 1, RoomSettings(), moment())

    assert change.room.status is RoomStatus.IN_PROGRESS
    assert [(event.name, event.sequence) for event in change.events] == [("room-created", 0)]


def test_who_joins_is_connected_before_the_tracks_are_added() -> None:
    change = rooms.join(new_room(), "Ada", (AUDIO, VIDEO), moment(1))

    assert names(change) == ["participant-connected", "track-added", "track-added"]
    assert [event.sequence for event in change.events] == [1, 2, 3]


def test_a_second_join_with_the_same_identity_disconnects_the_first() -> None:
    first = rooms.join(new_room(), "Ada", (), moment(1)).room
    second = rooms.join(first, "Ada", (), moment(2))

    assert names(second) == ["participant-disconnected", "participant-connected"]
    assert [each.status for each in second.room.participants] == [
        ParticipantStatus.DISCONNECTED,
        ParticipantStatus.CONNECTED,
    ]


def test_completing_a_room_disconnects_everybody_and_then_ends_it() -> None:
    room = rooms.join(
        rooms.join(new_room(), "Ada", (AUDIO,), moment(1)).room, "Ivo", (), moment(2)
    ).room
    change = rooms.complete(room, moment(60))

    assert names(change) == ["participant-disconnected", "participant-disconnected", "room-ended"]
    assert [event.room.status for event in change.events] == [
        "in-progress",
        "in-progress",
        "completed",
    ]
    assert (change.room.duration_s, list(change.room.connected())) == (60, [])


def test_an_ended_room_refuses_every_change() -> None:
    joined = rooms.join(new_room(), "Ada", (AUDIO,), moment(1)).room
    ada, track = joined.participants[0], joined.participants[0].tracks[0]
    ended = rooms.complete(joined, moment(2)).room

    assert code_of(lambda: rooms.complete(ended, moment(3))) == 53112
    assert code_of(lambda: rooms.join(ended, "Ivo", (), moment(3))) == 53118
    assert code_of(lambda: rooms.publish(ended, ada, VIDEO, moment(3))) == 53118
    assert code_of(lambda: rooms.unpublish(ended, ada, track, moment(3))) == 53118
    assert code_of(lambda: rooms.set_track_enabled(ended, ada, track, False, moment(3))) == 53118


def test_leaving_twice_gives_one_event() -> None:
    room = rooms.join(new_room(), "Ada", (), moment(1)).room
    left = rooms.leave(room, room.participants[0], LEFT, moment(11))
    again = rooms.leave(left.room, left.room.participants[0], LEFT, moment(12))

    assert (names(left), left.room.participants[0].duration_s) == (["participant-disconnected"], 10)
    assert (names(again), again.room) == ([], left.room)


def test_a_full_room_refuses_the_next_one() -> None:
    room = rooms.join(new_room(max_participants=1), "Ada", (), moment()).room

    assert code_of(lambda: rooms.join(room, "Ivo", (), moment())) == 53105


def test_a_full_room_lets_somebody_come_back_in_their_own_place() -> None:
    room = rooms.join(new_room(max_participants=1), "Ada", (), moment()).room

    assert names(rooms.join(room, "Ada", (), moment())) == [
        "participant-disconnected",
        "participant-connected",
    ]


def test_tracks_are_added_muted_unmuted_and_removed() -> None:
    room = rooms.join(new_room(), "Ada", (), moment()).room
    seen = []
    change = rooms.publish(room, room.participants[0], AUDIO, moment(1))
    seen += names(change)
    for is_enabled in (False, False, True):
        ada = change.room.participants[0]
        change = rooms.set_track_enabled(change.room, ada, ada.tracks[0], is_enabled, moment(2))
        seen += names(change)
    ada = change.room.participants[0]
    change = rooms.unpublish(change.room, ada, ada.tracks[0], moment(3))

    assert [*seen, *names(change)] == [
        "track-added",
        "track-disabled",
        "track-enabled",
        "track-removed",
    ]
    assert change.room.participants[0].tracks == ()


def test_tracks_that_do_not_fit_are_refused() -> None:
    audio_only = rooms.join(new_room(is_audio_only=True), "Ada", (AUDIO,), moment()).room
    crowded = new_room()
    for visitor in range(17):
        many = tuple(TrackSettings(TrackKind.DATA) for _ in range(10))
        crowded = rooms.join(crowded, f"visitor {visitor}", many, moment()).room

    assert (
        code_of(lambda: rooms.publish(audio_only, audio_only.participants[0], VIDEO, moment()))
        == 53125
    )
    assert (
        code_of(lambda: rooms.publish(audio_only, audio_only.participants[0], AUDIO, moment()))
        == 53304
    )
    assert (
        code_of(lambda: rooms.publish(crowded, crowded.participants[0], AUDIO, moment())) == 53305
    )


def test_who_is_lost_comes_back_or_leaves() -> None:
    room = rooms.join(new_room(), "Ada", (), moment()).room
    lost = rooms.set_reconnecting(room, room.participants[0], True, moment(1))
    back = rooms.set_reconnecting(lost.room, lost.room.participants[0], False, moment(2)).room
    left = rooms.leave(lost.room, lost.room.participants[0], LEFT, moment(3)).room

    assert (names(lost), lost.room.participants[0].status) == ([], ParticipantStatus.RECONNECTING)
    assert back.participants[0].status is ParticipantStatus.CONNECTED
    assert left.participants[0].status is ParticipantStatus.DISCONNECTED
    assert rooms.set_reconnecting(left, left.participants[0], True, moment(4)).room == left
    assert (
        code_of(
            lambda: rooms.set_reconnecting(
                rooms.complete(room, moment()).room, room.participants[0], True, moment()
            )
        )
        == 53118
    )


def test_an_anonymous_participant_is_called_by_their_sid() -> None:
    ended = rooms.complete(rooms.join(new_room(), "Ada", (), moment()).room, moment(1)).room
    change = rooms.anonymize(ended, ended.participants[0], moment(2))

    assert change.room.participants[0].identity == ended.participants[0].sid
    assert (names(change), change.room.participants[0].updated_at) == ([], moment(2).wall)


def test_subscriptions_follow_the_rules_of_who_receives() -> None:
    room = rooms.join(
        rooms.join(new_room(), "Ada", (AUDIO, VIDEO), moment()).room, "Ivo", (DATA,), moment()
    ).room
    ada, ivo = room.participants
    deaf = rooms.set_subscribe_rules(
        room, ivo, (Rule(True), Rule(False, TrackKind.AUDIO)), moment(5)
    ).room

    assert [each.track.name for each in rooms.subscriptions(room, ivo)] == ["video", "audio"]
    assert [each.track.name for each in rooms.subscriptions(deaf, deaf.participants[1])] == [
        "video"
    ]
    assert [each.publisher for each in rooms.subscriptions(deaf, ada)] == [deaf.participants[1]]
    again = rooms.set_subscribe_rules(deaf, deaf.participants[1], (Rule(True),), moment(6)).room
    rules = again.participants[1].subscribe_rules
    assert (rules.created_at, rules.updated_at) == (moment(5).wall, moment(6).wall)


def test_a_participant_keeps_the_codecs_that_they_published_with() -> None:
    room = rooms.join(new_room(video_codecs=("H264",)), "Ada", (AUDIO, VIDEO, DATA), moment()).room
    ended = rooms.complete(room, moment(1)).room

    assert ended.participants[0].codecs == ("OPUS", "H264")
    assert (ended.end_reason, rooms.expire(new_room(), moment(300)).room.end_reason) == (
        RoomEnd.VIA_API,
        RoomEnd.TIMEOUT,
    )


def test_an_unused_room_ends_after_its_own_timeout_and_an_empty_one_after_its_own() -> None:
    unused = new_room(unused_room_timeout_min=2, empty_room_timeout_min=3)
    joined = rooms.join(unused, "Ada", (), moment(10)).room
    empty = rooms.leave(joined, joined.participants[0], LEFT, moment(100)).room

    assert rooms.next_deadline_s(unused) == moment(120).clock_s
    assert rooms.next_deadline_s(empty) == moment(100 + 180).clock_s
    assert names(rooms.expire(unused, moment(119))) == []
    assert names(rooms.expire(unused, moment(120))) == ["room-ended"]
    assert names(rooms.expire(empty, moment(280))) == ["room-ended"]


def test_who_stays_too_long_is_disconnected_alone() -> None:
    room = rooms.join(new_room(max_participant_duration_s=600), "Ada", (), moment()).room
    room = rooms.join(room, "Ivo", (), moment(300)).room
    change = rooms.expire(room, moment(600))

    assert rooms.next_deadline_s(room) == moment(600).clock_s
    assert [event.participant.identity for event in change.events if event.participant] == ["Ada"]
    assert rooms.next_deadline_s(change.room) == moment(900).clock_s


def test_no_room_lives_longer_than_a_day() -> None:
    room = rooms.join(new_room(max_participant_duration_s=86_400), "Ada", (), moment(3600)).room

    assert rooms.next_deadline_s(room) == moment(86_400).clock_s
    assert names(rooms.expire(room, moment(86_400))) == ["participant-disconnected", "room-ended"]
    assert rooms.next_deadline_s(rooms.complete(room, moment(5)).room) is None


def test_without_a_status_a_live_room_shows_the_connected_and_an_ended_one_the_others() -> None:
    live = rooms.join(new_room(), "Ada", (), moment()).room
    ended = rooms.complete(live, moment(1)).room

    assert rooms.has_status(live.participants[0], None, live)
    assert rooms.has_status(ended.participants[0], None, ended)
    assert not rooms.has_status(live.participants[0], ParticipantStatus.DISCONNECTED, live)
