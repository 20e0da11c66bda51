"""Participants over HTTP."""

from tests.sandbox.conftest import Api, refused, sids
from tests.sandbox.stage import create, join, set_up


async def enter(api: Api, room: str, identity: str) -> str:
    return str((await join(api, room, identity))["sid"])


async def test_participants_are_the_connected_ones_of_a_live_room_and_the_others_of_an_ended_one(
    api: Api,
) -> None:
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


async def test_who_is_reconnecting_is_listed_as_such_and_found_by_identity(api: Api) -> None:
    room = await create(api)
    ada = await enter(api, room, "Ada")
    path = f"/v1/Rooms/{room}/Participants"
    await api.control("POST", f"/rooms/{room}/participants/Ada", {"reconnecting": True})

    assert sids(await api.get(path)) == []
    assert sids(await api.get(f"{path}?Status=reconnecting")) == [ada]
    assert (await api.get(f"{path}/Ada")).body["status"] == "reconnecting"
    assert (await api.post(f"{path}/Ada/Anonymize")).body["status"] == "connected"
    await api.control("POST", f"/rooms/{room}/participants/{ada}", {"reconnecting": False})
    assert sids(await api.get(path)) == [ada]


async def test_anonymizing_puts_the_sid_in_the_identitys_place(api: Api) -> None:
    room = await create(api)
    ada = await enter(api, room, "Ada")
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    path = f"/v1/Rooms/{room}/Participants/{ada}"

    for _ in range(2):
        done = await api.post(f"{path}/Anonymize")
        assert (done.status, done.body["identity"], done.body["status"]) == (
            200,
            ada,
            "disconnected",
        )
    assert done.body["url"].endswith(f"{path}/Anonymize")
    assert (await api.get(path)).body["identity"] == ada
    assert (await api.get(f"/v1/Video/Rooms/{room}/Participants/{ada}")).body[
        "participant_identity"
    ] == ada
    assert refused(await api.post(f"/v1/Rooms/{room}/Participants/Ada/Anonymize")) == (404, 20404)


async def test_somebody_elses_participant_is_not_found(api: Api, other_api: Api) -> None:
    stage, elsewhere = await set_up(api), await create(api)

    for path in ("", "/PublishedTracks", "/SubscribedTracks", "/SubscribeRules"):
        target = f"Participants/{stage.participant}{path}"
        assert refused(await api.get(f"/v1/Rooms/{elsewhere}/{target}")) == (404, 20404)
        assert refused(await other_api.get(f"/v1/Rooms/{stage.room}/{target}")) == (404, 20404)
    assert refused(
        await api.post(f"/v1/Rooms/{elsewhere}/Participants/{stage.participant}/Anonymize")
    ) == (404, 20404)
