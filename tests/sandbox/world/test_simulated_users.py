from collections import Counter

from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import Event, EventName
from gateway.sandbox.world.simulated_users import (
    MOST_AT_ONCE,
    ROOMS,
    VISITORS_A_MEETING,
    SimulatedUsers,
)
from gateway.sandbox.world.world import Capacity, World


class Story:
    """What people do in some steps, told without SIDs and times."""

    def __init__(self, seed: int, steps: int) -> None:
        self.events: list[Event] = []
        self.clock = Clock()
        self.world = World(["AC1"], self.clock, Capacity(), 10, self.events.append)
        self.people = SimulatedUsers(self.world, "AC1", "http://gw/cb", seed)
        self.people.open()
        self.opening = len(self.events)
        for _ in range(steps):
            self.people.step()
        self.clock.clear()

    def lines(self) -> list[str]:
        return [
            f"{event.room.name} {event.name} {event.participant.identity if event.participant else ''}"
            for event in self.events
        ]


async def test_the_same_seed_tells_the_same_story() -> None:
    assert Story(1, 200).lines() == Story(1, 200).lines() != Story(2, 200).lines()


async def test_rooms_are_already_moving_when_the_doors_open() -> None:
    story = Story(1, 0)
    told = Counter(event.name for event in story.events)

    assert (told[EventName.ROOM_CREATED], told[EventName.PARTICIPANT_CONNECTED]) == (
        len(ROOMS),
        2 * len(ROOMS),
    )
    assert all(
        room.settings.status_callback == "http://gw/cb" for room in story.world.store("AC1").live()
    )


async def test_everything_that_can_happen_happens_and_nothing_grows() -> None:
    story = Story(1, 5_000)
    rooms = list(story.world.store("AC1").live())

    happened = {event.name for event in story.events}
    assert happened == {name for name in EventName if not name.startswith("recording")}
    assert len(rooms) <= len(ROOMS)
    assert all(len(room.participants) <= VISITORS_A_MEETING for room in rooms)
    assert all(sum(1 for _ in room.connected()) <= MOST_AT_ONCE for room in rooms)


async def test_people_find_their_rooms_again_after_a_reset() -> None:
    story = Story(1, 10)
    story.world.reset()
    for _ in range(100):
        story.people.step()
    story.clock.clear()

    assert {room.name for room in story.world.store("AC1").live()} == set(ROOMS)
