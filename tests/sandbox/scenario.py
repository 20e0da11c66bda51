"""A room with everything that a room can have, and a room that has ended."""

import re
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.world.recordings import PROCESSING_S
from tests.sandbox.conftest import Api

TRACKS: list[Any] = ["audio", {"kind": "video", "name": "cam"}, {"kind": "data", "name": "chat"}]


@dataclass(frozen=True, slots=True)
class Scenario:
    """SIDs and names of the scenario.

    `recording` is the completed recording of a participant who has left, and `running`
    a recording in progress. The room `bare` is empty.
    """

    room: str
    participant: str
    published: str
    subscribed: str
    recording: str
    running: str
    ttid: str
    ended: str
    ended_participant: str
    bare: str

    def target(self, path: str, *, is_new: bool = False) -> str:
        """Fills in a documented path with the SIDs of the scenario.

        With `is_new` the room is the empty one.
        """
        is_insights = path.startswith("/v1/Video")
        values = {
            "Rooms": self.ended if is_insights else self.bare if is_new else self.room,
            "Participants": self.ended_participant if is_insights else self.participant,
            "PublishedTracks": self.published,
            "SubscribedTracks": self.subscribed,
            "Recordings": self.recording,
            "Transcriptions": self.ttid,
        }
        return re.sub(r"/(\w+)/\{\w+\}", lambda match: f"/{match[1]}/{values[match[1]]}", path)


async def create(api: Api, **params: Any) -> str:
    reply = await api.post("/v1/Rooms", **params)
    assert reply.status == 201, reply.body
    return str(reply.body["sid"])


async def join(api: Api, room: str, identity: str, tracks: list[Any] | None = None) -> Any:
    reply = await api.control(
        "POST", f"/rooms/{room}/participants", {"identity": identity, "tracks": tracks or []}
    )
    assert reply.status == 200, reply.body
    return reply.body


async def create_scenario(api: Api, name: str = "scenario", **params: Any) -> Scenario:
    """Creates the rooms with the given parameters."""
    ended = await create(api, RecordParticipantsOnConnect="true", MediaRegion="de1", **params)
    ended_participant = await join(api, ended, "Uma", TRACKS)
    await api.post(f"/v1/Rooms/{ended}", Status="completed")
    room = await create(api, UniqueName=name, RecordParticipantsOnConnect="true", **params)
    bela = await join(api, room, "Bela", ["audio"])
    await api.control("DELETE", f"/rooms/{room}/participants/Bela")
    await api.control("POST", "/clock", {"advance_s": PROCESSING_S})
    ada = await join(api, room, "Ada", TRACKS)
    ivo = await join(api, room, "Ivo", TRACKS)
    recordings = {
        recording["source_sid"]: recording["sid"]
        for recording in await listed(api, f"/v1/Rooms/{room}/Recordings")
    }
    transcription = await api.post(f"/v1/Rooms/{room}/Transcriptions")
    return Scenario(
        room=room,
        participant=ada["sid"],
        published=ada["tracks"][1]["sid"],
        subscribed=ivo["tracks"][1]["sid"],
        recording=recordings[bela["tracks"][0]["sid"]],
        running=recordings[ada["tracks"][0]["sid"]],
        ttid=transcription.body["ttid"],
        ended=ended,
        ended_participant=ended_participant["sid"],
        bare=await create(api),
    )


async def listed(api: Api, path: str) -> list[Any]:
    """Returns the items of the first page."""
    reply = await api.get(path)
    assert reply.status == 200, reply.body
    return list(reply.body[reply.body["meta"]["key"]])
