from dataclasses import replace

import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import EventName, RoomSettings, TrackKind, TrackSettings
from gateway.sandbox.world.room_change import RoomChange, check_open
from tests.sandbox.conftest import moment

ROOM = rooms.join(
    rooms.create("AC1", 1, RoomSettings(is_recorded_on_connect=True), moment()).room,
    "Ada",
    (TrackSettings(TrackKind.AUDIO),),
    moment(),
).room


def test_a_change_of_the_room_dates_the_room_and_one_of_its_people_dates_them_alone() -> None:
    change = RoomChange(ROOM, moment(9))
    ada = change.change_participant(ROOM.participants[0], is_reconnecting=True)

    assert (change.room.updated_at, ada.updated_at) == (moment().wall, moment(9).wall)
    change.change(next_sequence=7)
    assert change.room.updated_at == moment(9).wall


def test_events_are_numbered_except_those_of_recordings() -> None:
    change = RoomChange(replace(ROOM, next_sequence=5), moment(9))
    change.tell(EventName.ROOM_CREATED)
    change.tell_recording(EventName.RECORDING_STARTED, ROOM.recordings[0])
    change.tell(EventName.ROOM_ENDED)

    assert [event.sequence for event in change.events] == [5, None, 6]
    assert change.events[1].participant == ROOM.participants[0]


def test_the_old_room_stays_as_it_was() -> None:
    change = RoomChange(ROOM, moment(9))
    change.change_recording(ROOM.recordings[0], stopped=moment(9))
    change.replace_track(ROOM.participants[0], replace(ROOM.participants[0].tracks[0], name="mic"))

    assert (ROOM.recordings[0].stopped, change.room.recordings[0].stopped) == (None, moment(9))
    assert (
        change.room.participants[0].tracks[0].name == "mic" != ROOM.participants[0].tracks[0].name
    )


def test_an_ended_room_is_not_open() -> None:
    check_open(ROOM)
    with pytest.raises(TwilioError) as caught:
        check_open(rooms.complete(ROOM, moment(1)).room)
    assert caught.value.code == 53118
