from collections import Counter

from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import Event, EventName
from gateway.sandbox.world.simulated_users import (
    MAX_CONNECTED,
    MAX_PARTICIPANTS_PER_ROOM,
    ROOMS,
    SimulatedUsers,
)
from gateway.sandbox.world.world import Capacity, World


class Simulation:
    """The events of some steps. `summaries` leaves out SIDs and times."""

    def __init__(self, seed: int, steps: int) -> None:
        self.events: list[Event] = []
        self.clock = Clock()
        self.world = World(["AC1"], self.clock, Capacity(), 10, self.events.append)
        self.users = SimulatedUsers(self.world, "AC1", "http://gw/cb", seed)
        self.users.open_rooms()
        self.initial_count = len(self.events)
        for _ in range(steps):
            self.users.step()
        self.clock.cancel_all()

    def summaries(self) -> list[tuple[str, EventName, str | None]]:
        return [
            (event.room.name, event.name, event.participant.identity if event.participant else None)
            for event in self.events
        ]


async def test_same_seed_gives_the_same_events() -> None:
    assert (
        Simulation(1, 200).summaries()
        == Simulation(1, 200).summaries()
        != Simulation(2, 200).summaries()
    )


async def test_rooms_start_with_two_participants_each() -> None:
    simulation = Simulation(1, 0)
    counts = Counter(event.name for event in simulation.events)

    assert (counts[EventName.ROOM_CREATED], counts[EventName.PARTICIPANT_CONNECTED]) == (
        len(ROOMS),
        2 * len(ROOMS),
    )
    assert all(
        room.settings.status_callback == "http://gw/cb"
        for room in simulation.world.store("AC1").live()
    )


async def test_every_kind_of_event_occurs_and_rooms_stay_bounded() -> None:
    simulation = Simulation(1, 5_000)
    rooms = list(simulation.world.store("AC1").live())

    happened = {event.name for event in simulation.events}
    assert happened == {name for name in EventName if not name.startswith("recording")}
    assert len(rooms) <= len(ROOMS)
    assert all(len(room.participants) <= MAX_PARTICIPANTS_PER_ROOM for room in rooms)
    assert all(sum(1 for _ in room.connected()) <= MAX_CONNECTED for room in rooms)


async def test_rooms_are_created_again_after_a_reset() -> None:
    simulation = Simulation(1, 10)
    simulation.world.reset()
    for _ in range(100):
        simulation.users.step()
    simulation.clock.cancel_all()

    assert {room.name for room in simulation.world.store("AC1").live()} == set(ROOMS)
