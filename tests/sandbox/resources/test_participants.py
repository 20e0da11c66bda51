"""Participants over HTTP."""

from tests.sandbox.conftest import Api, refused, sids
from tests.sandbox.stage import create, join


async def enter(api: Api, room: str, identity: str) -> str:
    return str((await join(api, room, identity))["sid"])


async def test_participants_are_the_connected_ones_of_a_live_room_and_the_others_of_an_ended_one(api: Api) -> None:
    room = await create(api, UniqueName="standup")
    ada, ivo = await enter(api, room, "Ada"), await enter(api, room, "Ivo")
    await api.control("DELETE", f"/rooms/{room}/participants/Ada")

    assert sids(await api.get("/v1/Rooms/standup/Participants")) == [ivo]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?Status=disconnected")) == [ada]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?Identity=Ivo")) == [ivo]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?DateCreatedAfter=2100-01-01")) == []
    assert refused(await api.get(f"/v1/Rooms/{room}/Participants?Status=gone")) == (400, 20001)
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants")) == [ivo, ada]


async def test_an_identity_finds_only_who_is_connected(api: Api) -> None:
    room = await create(api)
    ada = await enter(api, room, "Ada")
    again = await enter(api, room, "Ada")

    assert (await api.get(f"/v1/Rooms/{room}/Participants/Ada")).body["sid"] == again
    assert (await api.get(f"/v1/Rooms/{room}/Participants/{ada}")).body["status"] == "disconnected"
    await api.post(f"/v1/Rooms/{room}/Participants/Ada", Status="disconnected")
    assert refused(await api.get(f"/v1/Rooms/{room}/Participants/Ada")) == (404, 20404)


async def test_a_participant_can_only_be_disconnected(api: Api) -> None:
    room = await create(api)
    ada = await enter(api, room, "Ada")
    path = f"/v1/Rooms/{room}/Participants/{ada}"

    assert refused(await api.post(path)) == (400, 20001)
    assert refused(await api.post(path, Status="connected")) == (400, 53209)
    for _ in range(2):
        done = await api.post(path, Status="disconnected")
        assert (done.status, done.body["status"]) == (202, "disconnected")
