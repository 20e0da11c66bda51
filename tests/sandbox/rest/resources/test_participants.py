"""Participants over HTTP."""

from tests.sandbox.conftest import Api, error_of, sids
from tests.sandbox.scenario import create, create_scenario, join


async def enter(api: Api, room: str, identity: str) -> str:
    return str((await join(api, room, identity))["sid"])


async def test_list_has_connected_participants_of_a_live_room_and_all_of_an_ended_one(
    api: Api,
) -> None:
    room = await create(api, UniqueName="standup")
    ada, ivo = await enter(api, room, "Ada"), await enter(api, room, "Ivo")
    await api.control("DELETE", f"/rooms/{room}/participants/Ada")

    assert sids(await api.get("/v1/Rooms/standup/Participants")) == [ivo]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?Status=disconnected")) == [ada]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?Identity=Ivo")) == [ivo]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?DateCreatedAfter=2100-01-01")) == []
    assert error_of(await api.get(f"/v1/Rooms/{room}/Participants?Status=gone")) == (400, 20001)
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants")) == [ivo, ada]


async def test_identity_finds_only_a_connected_participant(api: Api) -> None:
    room = await create(api)
    ada = await enter(api, room, "Ada")
    second = await enter(api, room, "Ada")

    assert (await api.get(f"/v1/Rooms/{room}/Participants/Ada")).body["sid"] == second
    assert (await api.get(f"/v1/Rooms/{room}/Participants/{ada}")).body["status"] == "disconnected"
    await api.post(f"/v1/Rooms/{room}/Participants/Ada", Status="disconnected")
    assert error_of(await api.get(f"/v1/Rooms/{room}/Participants/Ada")) == (404, 20404)


async def test_participant_status_can_only_be_set_to_disconnected(api: Api) -> None:
    room = await create(api)
    ada = await enter(api, room, "Ada")
    path = f"/v1/Rooms/{room}/Participants/{ada}"

    assert error_of(await api.post(path)) == (400, 20001)
    assert error_of(await api.post(path, Status="connected")) == (400, 53209)
    for _ in range(2):
        reply = await api.post(path, Status="disconnected")
        assert (reply.status, reply.body["status"]) == (202, "disconnected")


async def test_reconnecting_participant_is_listed_by_status_and_found_by_identity(api: Api) -> None:
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


async def test_anonymize_replaces_the_identity_by_the_sid(api: Api) -> None:
    room = await create(api)
    ada = await enter(api, room, "Ada")
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    path = f"/v1/Rooms/{room}/Participants/{ada}"

    for _ in range(2):
        reply = await api.post(f"{path}/Anonymize")
        assert (reply.status, reply.body["identity"], reply.body["status"]) == (
            200,
            ada,
            "disconnected",
        )
    assert reply.body["url"].endswith(f"{path}/Anonymize")
    assert (await api.get(path)).body["identity"] == ada
    assert (await api.get(f"/v1/Video/Rooms/{room}/Participants/{ada}")).body[
        "participant_identity"
    ] == ada
    assert error_of(await api.post(f"/v1/Rooms/{room}/Participants/Ada/Anonymize")) == (404, 20404)


async def test_participant_of_another_room_or_account_is_not_found(
    api: Api, other_api: Api
) -> None:
    scenario, elsewhere = await create_scenario(api), await create(api)

    for path in ("", "/PublishedTracks", "/SubscribedTracks", "/SubscribeRules"):
        target = f"Participants/{scenario.participant}{path}"
        assert error_of(await api.get(f"/v1/Rooms/{elsewhere}/{target}")) == (404, 20404)
        assert error_of(await other_api.get(f"/v1/Rooms/{scenario.room}/{target}")) == (404, 20404)
    assert error_of(
        await api.post(f"/v1/Rooms/{elsewhere}/Participants/{scenario.participant}/Anonymize")
    ) == (404, 20404)
