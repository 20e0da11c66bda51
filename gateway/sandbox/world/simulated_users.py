"""People who come and go, so that a sandbox has something to show."""

import asyncio
from dataclasses import replace
from random import Random

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.model import Participant, Room, RoomSettings, TrackKind, TrackSettings
from gateway.sandbox.world.world import World

ROOMS = ("daily-standup", "design-review", "support-desk", "yoga-class", "book-club")
NAMES = (
    "Ada", "Amara", "Bela", "Bruno", "Carmen", "Chidi", "Dilnoza", "Edda", "Emeka", "Farah", "Goran", "Hana", "Ines",
    "Ivo", "Jin", "Kaveh", "Leila", "Ludo", "Maren", "Mateo", "Nilufar", "Noor", "Olu", "Petra", "Quentin", "Rosa",
    "Sanjay", "Selma", "Tariq", "Tove", "Uma", "Viktor", "Wanda", "Ximena", "Yara", "Zoltan",
)  # fmt: skip

# A meeting ends when so many have been in it and begins anew under the same name: no room's history grows for ever.
VISITORS_A_MEETING = 24
MOST_AT_ONCE = 6


class SimulatedUsers:
    """Keeps the rooms of one account moving. The same seed gives the same story."""

    def __init__(self, world: World, account_sid: str, callback_url: str, seed: int | None) -> None:
        self._world = world
        self._account_sid = account_sid
        self._settings = RoomSettings(status_callback=callback_url)
        self._random = Random(seed)  # noqa: S311 - a story that can be told again is the point

    def open(self) -> None:
        """All rooms, with two people each."""
        for name in ROOMS:
            room = self._room(name)
            for identity in self._random.sample(NAMES, 2):
                self._come(room, identity)
                room = self._room(name)

    def step(self) -> None:
        """One thing happens in one room."""
        room = self._room(self._random.choice(ROOMS))
        here = list(room.connected())
        if len(room.participants) >= VISITORS_A_MEETING:
            self._world.complete(room)
        elif len(here) < 2 or (len(here) < MOST_AT_ONCE and self._random.random() < 0.3):
            absent = [name for name in NAMES if name not in {each.identity for each in here}]
            self._come(room, self._random.choice(absent))
        else:
            self._act(room, self._random.choice(here))

    async def live(self, pace_s: float) -> None:
        """For ever, one step about every `pace_s`."""
        while True:
            await asyncio.sleep(pace_s * self._random.uniform(0.5, 1.5))
            try:
                self.step()
            except TwilioError:
                # Somebody else uses this account and has filled it: the next step may find room.
                continue

    def _come(self, room: Room, identity: str) -> None:
        kinds = [TrackKind.AUDIO] + [TrackKind.VIDEO] * (self._random.random() < 0.7)
        self._world.join(room, identity, tuple(TrackSettings(kind, kind.value) for kind in kinds))

    def _act(self, room: Room, who: Participant) -> None:
        chance = self._random.random()
        if chance < 0.3 or not who.tracks:
            self._world.leave(room, who)
        elif chance < 0.8:
            track = self._random.choice(who.tracks)
            self._world.set_track_enabled(room, who, track, not track.is_enabled)
        elif len(who.tracks) > 1:
            self._world.unpublish(room, who, who.tracks[-1])
        else:
            self._world.publish(room, who, TrackSettings(TrackKind.VIDEO, "screen"))

    def _room(self, name: str) -> Room:
        """The room of that name; made when there is none, as after a reset."""
        room = self._world.store(self._account_sid).by_name(name)
        return room or self._world.create_room(
            self._account_sid, replace(self._settings, unique_name=name)
        )
