"""A room in which all that a room can have is there, and one that has ended."""

import re
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.world.recordings import PROCESSING_S
from tests.sandbox.conftest import Api

TRACKS: list[Any] = ["audio", {"kind": "video", "name": "cam"}, {"kind": "data", "name": "chat"}]


@dataclass(frozen=True, slots=True)
class Stage:
    """`recording` is completed, of somebody who has left the room; `running` is being made. `bare` has nothing."""

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
        """A documented path with the SIDs of the stage in it."""
        is_insights = path.startswith("/v1/Video")
        known = {
            "Rooms": self.ended if is_insights else self.bare if is_new else self.room,
            "Participants": self.ended_participant if is_insights else self.participant,
            "PublishedTracks": self.published,
            "SubscribedTracks": self.subscribed,
            "Recordings": self.recording,
            "Transcriptions": self.ttid,
        }
        return re.sub(r"/(\w+)/\{\w+\}", lambda found: f"/{found[1]}/{known[found[1]]}", path)


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


async def set_up(api: Api, name: str = "stage", **params: Any) -> Stage:
    """`params` are those of its rooms."""
    ended = await create(api, RecordParticipantsOnConnect="true", MediaRegion="de1", **params)
    past = await join(api, ended, "Uma", TRACKS)
    await api.post(f"/v1/Rooms/{ended}", Status="completed")
    room = await create(api, UniqueName=name, RecordParticipantsOnConnect="true", **params)
    gone = await join(api, room, "Bela", ["audio"])
    await api.control("DELETE", f"/rooms/{room}/participants/Bela")
    await api.control("POST", "/clock", {"advance_s": PROCESSING_S})
    ada = await join(api, room, "Ada", TRACKS)
    ivo = await join(api, room, "Ivo", TRACKS)
    made = {
        each["source_sid"]: each["sid"]
        for each in await listed(api, f"/v1/Rooms/{room}/Recordings")
    }
    transcription = await api.post(f"/v1/Rooms/{room}/Transcriptions")
    return Stage(
        room=room,
        participant=ada["sid"],
        published=ada["tracks"][1]["sid"],
        subscribed=ivo["tracks"][1]["sid"],
        recording=made[gone["tracks"][0]["sid"]],
        running=made[ada["tracks"][0]["sid"]],
        ttid=transcription.body["ttid"],
        ended=ended,
        ended_participant=past["sid"],
        bare=await create(api),
    )


async def listed(api: Api, path: str) -> list[Any]:
    reply = await api.get(path)
    assert reply.status == 200, reply.body
    return list(reply.body[reply.body["meta"]["key"]])
