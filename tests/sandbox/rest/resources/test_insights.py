"""Insights over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.conftest import Api, refused
from tests.sandbox.stage import create, join

DAY_S = 24 * 3600


async def ended(api: Api, **params: str) -> str:
    room = await create(api, **params)
    await join(api, room, "Ada", ["audio"])
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    return room


async def rooms(api: Api, query: str = "") -> list[str]:
    reply = await api.get(f"/v1/Video/Rooms?{query}")
    assert reply.status == 200, reply.body
    return [each["room_sid"] for each in reply.body["rooms"]]


async def test_a_room_is_there_from_its_end_on_and_complete_ten_minutes_later(api: Api) -> None:
    room = await create(api, UniqueName="standup")
    ada = await join(api, room, "Ada", ["audio"])
    path = f"/v1/Video/Rooms/{room}"
    assert refused(await api.get(path)) == (404, 20404)
    assert refused(await api.get(f"{path}/Participants")) == (404, 20404)
    assert await rooms(api) == []

    await api.post(f"/v1/Rooms/{room}", Status="completed")

    assert (await api.get(path)).body["processing_state"] == "in_progress"
    assert [
        each["participant_sid"]
        for each in (await api.get(f"{path}/Participants")).body["participants"]
    ] == [ada["sid"]]
    assert await rooms(api) == [room]
    await api.control("POST", "/clock", {"advance_s": 600})
    shown = (await api.get(path)).body
    assert (shown["processing_state"], shown["room_name"]) == ("complete", "standup")


async def test_a_list_without_dates_has_the_last_day_and_one_with_dates_a_week(api: Api) -> None:
    room, go = await ended(api), await ended(api, Type="go")
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"

    assert await rooms(api) == [go, room]
    await api.control("POST", "/clock", {"advance_s": DAY_S})
    assert await rooms(api) == []
    assert await rooms(api, f"CreatedAfter={yesterday}") == [go, room]
    await api.control("POST", "/clock", {"advance_s": DAY_S})
    assert await rooms(api, f"CreatedAfter={yesterday}") == [room]
    assert refused(await api.get(f"/v1/Video/Rooms/{go}")) == (404, 20404)
    await api.control("POST", "/clock", {"advance_s": 5 * DAY_S})
    assert await rooms(api, f"CreatedAfter={yesterday}") == []
    assert refused(await api.get(f"/v1/Video/Rooms/{room}")) == (404, 20404)


async def test_filters_take_several_words(api: Api) -> None:
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
    assert [each["room_sid"] for each in (await api.get(page["next_page_url"])).body["rooms"]] == [
        group
    ]


@pytest.mark.parametrize(
    "query", ["RoomType=peer-to-peer", "Codec=OPUS", "CreatedAfter=soon", "PageSize=0"]
)
async def test_a_bad_filter_is_20001(api: Api, query: str) -> None:
    assert refused(await api.get(f"/v1/Video/Rooms?{query}")) == (400, 20001)


async def test_rooms_and_participants_are_found_by_sid_in_their_own_account(
    api: Api, other_api: Api
) -> None:
    room = await ended(api, UniqueName="standup")

    assert refused(await api.get("/v1/Video/Rooms/standup")) == (404, 20404)
    assert refused(await api.get(f"/v1/Video/Rooms/{room}/Participants/Ada")) == (404, 20404)
    assert refused(await other_api.get(f"/v1/Video/Rooms/{room}")) == (404, 20404)
    assert await rooms(other_api) == []


@pytest.mark.parametrize("who", ["api", "control"])
async def test_it_tells_who_was_thrown_out_by_the_api(api: Api, who: str) -> None:
    room = await create(api)
    ada = await join(api, room, "Ada")
    if who == "api":
        await api.post(f"/v1/Rooms/{room}/Participants/Ada", Status="disconnected")
    else:
        await api.control("DELETE", f"/rooms/{room}/participants/Ada")
    await api.control("POST", "/clock", {"advance_s": 300})

    shown = (await api.get(f"/v1/Video/Rooms/{room}/Participants/{ada['sid']}")).body
    assert (
        shown["end_reason"] == {"api": "disconnected_via_api", "control": "participant_left"}[who]
    )
    assert (await api.get(f"/v1/Video/Rooms/{room}")).body["end_reason"] == "timeout"
