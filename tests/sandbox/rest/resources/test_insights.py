"""Insights over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.conftest import Api, error_of
from tests.sandbox.scenario import create, join

DAY_S = 24 * 3600


async def ended(api: Api, **params: str) -> str:
    room = await create(api, **params)
    await join(api, room, "Ada", ["audio"])
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    return room


async def rooms(api: Api, query: str = "") -> list[str]:
    reply = await api.get(f"/v1/Video/Rooms?{query}")
    assert reply.status == 200, reply.body
    return [item["room_sid"] for item in reply.body["rooms"]]


async def test_room_is_available_from_its_end_and_complete_ten_minutes_later(api: Api) -> None:
    room = await create(api, UniqueName="standup")
    ada = await join(api, room, "Ada", ["audio"])
    path = f"/v1/Video/Rooms/{room}"
    assert error_of(await api.get(path)) == (404, 20404)
    assert error_of(await api.get(f"{path}/Participants")) == (404, 20404)
    assert await rooms(api) == []

    await api.post(f"/v1/Rooms/{room}", Status="completed")

    assert (await api.get(path)).body["processing_state"] == "in_progress"
    assert [
        item["participant_sid"]
        for item in (await api.get(f"{path}/Participants")).body["participants"]
    ] == [ada["sid"]]
    assert await rooms(api) == [room]
    await api.control("POST", "/clock", {"advance_s": 600})
    fields = (await api.get(path)).body
    assert (fields["processing_state"], fields["room_name"]) == ("complete", "standup")


async def test_list_has_one_day_without_dates_and_one_week_with_dates(api: Api) -> None:
    room, go = await ended(api), await ended(api, Type="go")
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"

    assert await rooms(api) == [go, room]
    await api.control("POST", "/clock", {"advance_s": DAY_S})
    assert await rooms(api) == []
    assert await rooms(api, f"CreatedAfter={yesterday}") == [go, room]
    await api.control("POST", "/clock", {"advance_s": DAY_S})
    assert await rooms(api, f"CreatedAfter={yesterday}") == [room]
    assert error_of(await api.get(f"/v1/Video/Rooms/{go}")) == (404, 20404)
    await api.control("POST", "/clock", {"advance_s": 5 * DAY_S})
    assert await rooms(api, f"CreatedAfter={yesterday}") == []
    assert error_of(await api.get(f"/v1/Video/Rooms/{room}")) == (404, 20404)


async def test_filters_accept_several_values(api: Api) -> None:
    group = await ended(api, UniqueName="standup")
    legacy = await ended(api, Type="peer-to-peer")
    go = await ended(api, Type="go")
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"

    for query, expected in [
        ("RoomType=peer_to_peer", [legacy]),
        ("RoomType=group&RoomType=go", [go, group]),
        ("Codec=opus", [go, legacy, group]),
        ("Codec=VP9&Codec=H264", []),
        ("RoomName=standup", [group]),
        (f"CreatedAfter={tomorrow}", []),
        (f"CreatedBefore={tomorrow}", [go, legacy, group]),
    ]:
        assert await rooms(api, query) == expected, query
    page = (await api.get("/v1/Video/Rooms?RoomType=group&RoomType=go&PageSize=1")).body["meta"]
    assert page["next_page_url"].count("RoomType=") == 2
    assert [item["room_sid"] for item in (await api.get(page["next_page_url"])).body["rooms"]] == [
        group
    ]


@pytest.mark.parametrize(
    "query", ["RoomType=peer-to-peer", "Codec=OPUS", "CreatedAfter=soon", "PageSize=0"]
)
async def test_invalid_filter_is_20001(api: Api, query: str) -> None:
    assert error_of(await api.get(f"/v1/Video/Rooms?{query}")) == (400, 20001)


async def test_rooms_and_participants_are_found_by_sid_in_their_own_account(
    api: Api, other_api: Api
) -> None:
    room = await ended(api, UniqueName="standup")

    assert error_of(await api.get("/v1/Video/Rooms/standup")) == (404, 20404)
    assert error_of(await api.get(f"/v1/Video/Rooms/{room}/Participants/Ada")) == (404, 20404)
    assert error_of(await other_api.get(f"/v1/Video/Rooms/{room}")) == (404, 20404)
    assert await rooms(other_api) == []


@pytest.mark.parametrize("origin", ["api", "control"])
async def test_end_reason_tells_an_api_disconnect_from_leaving(api: Api, origin: str) -> None:
    room = await create(api)
    ada = await join(api, room, "Ada")
    if origin == "api":
        await api.post(f"/v1/Rooms/{room}/Participants/Ada", Status="disconnected")
    else:
        await api.control("DELETE", f"/rooms/{room}/participants/Ada")
    await api.control("POST", "/clock", {"advance_s": 300})

    fields = (await api.get(f"/v1/Video/Rooms/{room}/Participants/{ada['sid']}")).body
    assert (
        fields["end_reason"]
        == {"api": "disconnected_via_api", "control": "participant_left"}[origin]
    )
    assert (await api.get(f"/v1/Video/Rooms/{room}")).body["end_reason"] == "timeout"
