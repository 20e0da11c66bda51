import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import Event, RoomSettings, RoomStatus, TrackKind, TrackSettings
from gateway.sandbox.world.recordings import PROCESSING_S
from gateway.sandbox.world.world import Capacity, World


class Stage:
    """An engine, its clock, and what it told."""

    def __init__(self, capacity: Capacity = Capacity()) -> None:
        self.events: list[Event] = []
        self.clock = Clock()
        self.world = World(["AC1", "AC2"], self.clock, capacity, 100, self.events.append)

    def names(self) -> list[str]:
        return [event.name.value for event in self.events]


async def test_a_push_of_the_clock_ends_an_unused_room() -> None:
    world = Stage()
    room = world.world.create_room("AC1", RoomSettings(unused_room_timeout_min=2))

    world.clock.advance(119)
    assert world.names() == ["room-created"]
    world.clock.advance(1)
    assert world.names() == ["room-created", "room-ended"]
    found = world.world.find_room(room.sid)
    assert found is not None
    assert found.status is RoomStatus.COMPLETED


async def test_one_push_plays_a_whole_evening() -> None:
    world = Stage()
    room = world.world.create_room(
        "AC1", RoomSettings(max_participant_duration_s=3600, empty_room_timeout_min=10)
    )
    world.world.join(room, "Ada")

    world.clock.advance(3600 + 599)
    assert world.names() == ["room-created", "participant-connected", "participant-disconnected"]
    world.clock.advance(1)
    assert world.names()[-1] == "room-ended"


async def test_a_room_that_is_used_outlives_its_unused_timeout() -> None:
    world = Stage()
    room = world.world.create_room("AC1", RoomSettings(unused_room_timeout_min=1))
    world.world.join(room, "Ada")

    world.clock.advance(3600)
    world.clock.clear()

    assert world.world.find_room(room.sid).is_in_progress  # type: ignore[union-attr]


async def test_a_name_in_use_is_refused_in_its_account_alone() -> None:
    world = Stage()
    world.world.create_room("AC1", RoomSettings("standup"))
    world.world.create_room("AC2", RoomSettings("standup"))

    with pytest.raises(TwilioError) as caught:
        world.world.create_room("AC1", RoomSettings("standup"))
    world.clock.clear()

    assert caught.value.code == 53113


async def test_an_account_has_no_more_rooms_and_participants_than_its_capacity() -> None:
    world = Stage(Capacity(rooms=1, participants=1))
    room = world.world.create_room("AC1", RoomSettings())
    ada = world.world.join(room, "Ada")

    with pytest.raises(TwilioError) as second_room:
        world.world.create_room("AC1", RoomSettings())
    with pytest.raises(TwilioError) as second_participant:
        world.world.join(world.world.find_room(room.sid) or room, "Ivo")
    world.world.leave(world.world.find_room(room.sid) or room, ada)
    world.world.join(world.world.find_room(room.sid) or room, "Ivo")
    world.clock.clear()

    assert (second_room.value.code, second_participant.value.code) == (53119, 53206)


async def test_a_recording_completes_on_the_clock_also_after_its_room() -> None:
    world = Stage()
    room = world.world.create_room("AC1", RoomSettings(is_recorded_on_connect=True))
    world.world.join(room, "Ada", (TrackSettings(TrackKind.AUDIO),))
    world.world.complete(world.world.find_room(room.sid) or room)

    world.clock.advance(PROCESSING_S - 0.5)
    assert world.names()[-1] == "room-ended"
    world.clock.advance(0.5)
    assert world.names()[-1] == "recording-completed"
    [recording] = (world.world.find_room(room.sid) or room).recordings
    assert world.world.recording(recording.sid) == recording
    assert world.world.recording("RT1") is None


async def test_a_recording_that_completes_keeps_the_timeouts_of_its_room() -> None:
    world = Stage()
    room = world.world.create_room(
        "AC1", RoomSettings(is_recorded_on_connect=True, empty_room_timeout_min=1)
    )
    ada = world.world.join(room, "Ada", (TrackSettings(TrackKind.AUDIO),))
    world.world.leave(world.world.find_room(room.sid) or room, ada)

    world.clock.advance(59)
    assert world.names()[-2:] == ["participant-disconnected", "recording-completed"]
    world.clock.advance(1)
    assert world.names()[-1] == "room-ended"


async def test_running_transcriptions_are_counted_and_those_that_end_are_not() -> None:
    world = Stage(Capacity(transcriptions=1))
    first, second = (world.world.create_room("AC1", RoomSettings()) for _ in range(2))
    elsewhere = world.world.create_room("AC2", RoomSettings())
    world.world.create_transcription(first, {})
    world.world.create_transcription(elsewhere, {})

    with pytest.raises(TwilioError) as caught:
        world.world.create_transcription(second, {})
    world.world.complete(world.world.find_room(first.sid) or first)
    world.world.create_transcription(second, {})
    world.world.fail_transcription(world.world.find_room(second.sid) or second)
    world.world.create_transcription(world.world.create_room("AC1", RoomSettings()), {})
    world.clock.clear()

    assert caught.value.code == 53676


async def test_a_reset_leaves_nothing_behind() -> None:
    world = Stage(Capacity(rooms=1))
    room = world.world.create_room("AC1", RoomSettings("standup"))

    world.world.capacity = Capacity(rooms=0)
    world.world.reset()
    world.clock.advance(3600)

    assert world.world.find_room(room.sid) is None
    assert world.names() == ["room-created"]
    world.world.create_room("AC1", RoomSettings("standup"))
    world.clock.clear()
