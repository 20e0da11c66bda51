import pytest

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import Event, RoomSettings, RoomStatus, TrackKind, TrackSettings
from gateway.sandbox.world.recordings import PROCESSING_S
from gateway.sandbox.world.world import Capacity, World


class WorldFixture:
    """A world, its clock and its events."""

    def __init__(self, capacity: Capacity = Capacity()) -> None:
        self.events: list[Event] = []
        self.clock = Clock()
        self.world = World(["AC1", "AC2"], self.clock, capacity, 100, self.events.append)

    def event_names(self) -> list[str]:
        return [event.name.value for event in self.events]


async def test_advancing_the_clock_ends_an_unused_room() -> None:
    fixture = WorldFixture()
    room = fixture.world.create_room("AC1", RoomSettings(unused_room_timeout_min=2))

    fixture.clock.advance(119)
    assert fixture.event_names() == ["room-created"]
    fixture.clock.advance(1)
    assert fixture.event_names() == ["room-created", "room-ended"]
    ended = fixture.world.find_room(room.sid)
    assert ended is not None
    assert ended.status is RoomStatus.COMPLETED


async def test_one_advance_applies_a_chain_of_timeouts() -> None:
    fixture = WorldFixture()
    room = fixture.world.create_room(
        "AC1", RoomSettings(max_participant_duration_s=3600, empty_room_timeout_min=10)
    )
    fixture.world.join(room, "Ada")

    fixture.clock.advance(3600 + 599)
    assert fixture.event_names() == [
        "room-created",
        "participant-connected",
        "participant-disconnected",
    ]
    fixture.clock.advance(1)
    assert fixture.event_names()[-1] == "room-ended"


async def test_used_room_outlives_its_unused_timeout() -> None:
    fixture = WorldFixture()
    room = fixture.world.create_room("AC1", RoomSettings(unused_room_timeout_min=1))
    fixture.world.join(room, "Ada")

    fixture.clock.advance(3600)
    fixture.clock.cancel_all()

    assert fixture.world.find_room(room.sid).is_in_progress  # type: ignore[union-attr]


async def test_name_in_use_is_refused_only_in_its_account() -> None:
    fixture = WorldFixture()
    fixture.world.create_room("AC1", RoomSettings("standup"))
    fixture.world.create_room("AC2", RoomSettings("standup"))

    with pytest.raises(TwilioError) as caught:
        fixture.world.create_room("AC1", RoomSettings("standup"))
    fixture.clock.cancel_all()

    assert caught.value.code == 53113


async def test_capacity_limits_rooms_and_participants() -> None:
    fixture = WorldFixture(Capacity(rooms=1, participants=1))
    room = fixture.world.create_room("AC1", RoomSettings())
    ada = fixture.world.join(room, "Ada")

    with pytest.raises(TwilioError) as second_room:
        fixture.world.create_room("AC1", RoomSettings())
    with pytest.raises(TwilioError) as second_participant:
        fixture.world.join(fixture.world.find_room(room.sid) or room, "Ivo")
    fixture.world.leave(fixture.world.find_room(room.sid) or room, ada)
    fixture.world.join(fixture.world.find_room(room.sid) or room, "Ivo")
    fixture.clock.cancel_all()

    assert (second_room.value.code, second_participant.value.code) == (53119, 53206)


async def test_recording_completes_after_its_room_has_ended() -> None:
    fixture = WorldFixture()
    room = fixture.world.create_room("AC1", RoomSettings(is_recorded_on_connect=True))
    fixture.world.join(room, "Ada", (TrackSettings(TrackKind.AUDIO),))
    fixture.world.complete(fixture.world.find_room(room.sid) or room)

    fixture.clock.advance(PROCESSING_S - 0.5)
    assert fixture.event_names()[-1] == "room-ended"
    fixture.clock.advance(0.5)
    assert fixture.event_names()[-1] == "recording-completed"
    [recording] = (fixture.world.find_room(room.sid) or room).recordings
    assert fixture.world.find_recording(recording.sid) == recording
    assert fixture.world.find_recording("RT1") is None


async def test_completed_recording_does_not_change_the_timeouts_of_its_room() -> None:
    fixture = WorldFixture()
    room = fixture.world.create_room(
        "AC1", RoomSettings(is_recorded_on_connect=True, empty_room_timeout_min=1)
    )
    ada = fixture.world.join(room, "Ada", (TrackSettings(TrackKind.AUDIO),))
    fixture.world.leave(fixture.world.find_room(room.sid) or room, ada)

    fixture.clock.advance(59)
    assert fixture.event_names()[-2:] == ["participant-disconnected", "recording-completed"]
    fixture.clock.advance(1)
    assert fixture.event_names()[-1] == "room-ended"


async def test_capacity_counts_started_transcriptions_only() -> None:
    fixture = WorldFixture(Capacity(transcriptions=1))
    first, second = (fixture.world.create_room("AC1", RoomSettings()) for _ in range(2))
    elsewhere = fixture.world.create_room("AC2", RoomSettings())
    fixture.world.create_transcription(first, {})
    fixture.world.create_transcription(elsewhere, {})

    with pytest.raises(TwilioError) as caught:
        fixture.world.create_transcription(second, {})
    fixture.world.complete(fixture.world.find_room(first.sid) or first)
    fixture.world.create_transcription(second, {})
    fixture.world.fail_transcription(fixture.world.find_room(second.sid) or second)
    fixture.world.create_transcription(fixture.world.create_room("AC1", RoomSettings()), {})
    fixture.clock.cancel_all()

    assert caught.value.code == 53676


async def test_reset_leaves_nothing_behind() -> None:
    fixture = WorldFixture(Capacity(rooms=1))
    room = fixture.world.create_room("AC1", RoomSettings("standup"))

    fixture.world.capacity = Capacity(rooms=0)
    fixture.world.reset()
    fixture.clock.advance(3600)

    assert fixture.world.find_room(room.sid) is None
    assert fixture.event_names() == ["room-created"]
    fixture.world.create_room("AC1", RoomSettings("standup"))
    fixture.clock.cancel_all()
