from dataclasses import replace

import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import EventName, RoomSettings, TrackKind, TrackSettings
from gateway.sandbox.world.room_change import RoomChange, check_in_progress
from tests.sandbox.conftest import instant

ROOM = rooms.join(
    rooms.create("AC1", 1, RoomSettings(is_recorded_on_connect=True), instant()).room,
    "Ada",
    (TrackSettings(TrackKind.AUDIO),),
    instant(),
).room


def test_room_change_updates_the_room_date_and_participant_change_only_its_own() -> None:
    change = RoomChange(ROOM, instant(9))
    ada = change.update_participant(ROOM.participants[0], is_reconnecting=True)

    assert (change.room.updated_at, ada.updated_at) == (instant().wall, instant(9).wall)
    change.update_room(next_sequence=7)
    assert change.room.updated_at == instant(9).wall


def test_recording_events_have_no_sequence_number() -> None:
    change = RoomChange(replace(ROOM, next_sequence=5), instant(9))
    change.emit(EventName.ROOM_CREATED)
    change.emit_recording_event(EventName.RECORDING_STARTED, ROOM.recordings[0])
    change.emit(EventName.ROOM_ENDED)

    assert [event.sequence for event in change.events] == [5, None, 6]
    assert change.events[1].participant == ROOM.participants[0]


def test_original_room_is_not_modified() -> None:
    change = RoomChange(ROOM, instant(9))
    change.update_recording(ROOM.recordings[0], stopped=instant(9))
    change.replace_track(ROOM.participants[0], replace(ROOM.participants[0].tracks[0], name="mic"))

    assert (ROOM.recordings[0].stopped, change.room.recordings[0].stopped) == (None, instant(9))
    assert (
        change.room.participants[0].tracks[0].name == "mic" != ROOM.participants[0].tracks[0].name
    )


def test_ended_room_is_not_in_progress() -> None:
    check_in_progress(ROOM)
    with pytest.raises(TwilioError) as caught:
        check_in_progress(rooms.complete(ROOM, instant(1)).room)
    assert caught.value.code == 53118
