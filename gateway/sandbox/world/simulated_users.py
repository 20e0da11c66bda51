"""Simulated users who join and leave, so that a sandbox has some activity."""

import asyncio
from dataclasses import replace
from random import Random

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.model import Participant, Room, RoomSettings, TrackKind, TrackSettings
from gateway.sandbox.world.world import World

ROOMS = ("daily-standup", "design-review", "support-desk", "yoga-class", "book-club")
NAMES = (
    "Ada", "Amara", "Bela", "Bruno", "Carmen", "Chidi", "Dilnoza", "Edda", "Emeka", "Farah",
    "Goran", "Hana", "Ines", "Ivo", "Jin", "Kaveh", "Leila", "Ludo", "Maren", "Mateo",
    "Nilufar", "Noor", "Olu", "Petra", "Quentin", "Rosa", "Sanjay", "Selma", "Tariq", "Tove",
    "Uma", "Viktor", "Wanda", "Ximena", "Yara", "Zoltan",
)  # fmt: skip

# A room is completed after this many participants, and a new one with the same name is
# created. Otherwise the history of a room would grow forever.
MAX_PARTICIPANTS_PER_ROOM = 24
MAX_CONNECTED = 6


class SimulatedUsers:
    """Users in the rooms of one account. The same seed gives the same events."""

    def __init__(self, world: World, account_sid: str, callback_url: str, seed: int | None) -> None:
        self._world = world
        self._account_sid = account_sid
        self._settings = RoomSettings(status_callback=callback_url)
        self._random = Random(seed)  # noqa: S311 - the sequence must be repeatable

    def open_rooms(self) -> None:
        """Creates all rooms, with two participants each."""
        for name in ROOMS:
            room = self._room(name)
            for identity in self._random.sample(NAMES, 2):
                self._join(room, identity)
                room = self._room(name)

    def step(self) -> None:
        """Makes one change in one room."""
        room = self._room(self._random.choice(ROOMS))
        connected = list(room.connected())
        if len(room.participants) >= MAX_PARTICIPANTS_PER_ROOM:
            self._world.complete(room)
        elif len(connected) < 2 or (len(connected) < MAX_CONNECTED and self._random.random() < 0.3):
            identities = {participant.identity for participant in connected}
            absent = [name for name in NAMES if name not in identities]
            self._join(room, self._random.choice(absent))
        else:
            self._act(room, self._random.choice(connected))

    async def run(self, step_s: float) -> None:
        """Makes steps forever, with a random pause of about `step_s` before each."""
        while True:
            await asyncio.sleep(step_s * self._random.uniform(0.5, 1.5))
            try:
                self.step()
            except TwilioError:
                # Another client has exhausted the account's capacity. A later step may
                # succeed.
                continue

    def _join(self, room: Room, identity: str) -> None:
        kinds = [TrackKind.AUDIO] + [TrackKind.VIDEO] * (self._random.random() < 0.7)
        self._world.join(room, identity, tuple(TrackSettings(kind, kind.value) for kind in kinds))

    def _act(self, room: Room, participant: Participant) -> None:
        chance = self._random.random()
        if chance < 0.3 or not participant.tracks:
            self._world.leave(room, participant)
        elif chance < 0.8:
            track = self._random.choice(participant.tracks)
            self._world.set_track_enabled(room, participant, track, not track.is_enabled)
        elif len(participant.tracks) > 1:
            self._world.unpublish(room, participant, participant.tracks[-1])
        else:
            self._world.publish(room, participant, TrackSettings(TrackKind.VIDEO, "screen"))

    def _room(self, name: str) -> Room:
        """Returns the room with this name, creating it if needed, as after a reset."""
        room = self._world.store(self._account_sid).by_name(name)
        return room or self._world.create_room(
            self._account_sid, replace(self._settings, unique_name=name)
        )
