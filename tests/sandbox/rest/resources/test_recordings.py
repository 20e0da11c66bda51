"""Recordings of a room and of the account, and their media."""

import aiohttp
import pytest

from gateway.sandbox.world.recordings import PROCESSING_S
from tests.sandbox.conftest import Api, Receiver, error_of, sids
from tests.sandbox.scenario import Scenario, create, create_scenario, join, listed


async def test_recording_is_processing_until_some_seconds_after_its_track(
    api: Api, receiver: Receiver
) -> None:
    room = await create(api, StatusCallback=receiver.url, RecordParticipantsOnConnect="true")
    ada = await join(api, room, "Ada", ["audio", "data"])
    [running] = await listed(api, f"/v1/Rooms/{room}/Recordings")
    assert (running["status"], running["duration"], running["size"]) == ("processing", 0, 0)

    await api.post(f"/v1/Rooms/{room}", Status="completed")
    await api.control("POST", "/clock", {"advance_s": PROCESSING_S})

    [completed_json] = await listed(api, f"/v1/Rooms/{room}/Recordings")
    callbacks = {
        item.params["StatusCallbackEvent"]: item.params for item in await receiver.wait_for(8)
    }
    assert (completed_json["status"], completed_json["duration"], completed_json["size"]) == (
        "completed",
        1,
        6000,
    )
    assert callbacks["recording-started"]["RecordingSid"] == completed_json["sid"]
    completed = callbacks["recording-completed"]
    assert (
        completed["Duration"],
        completed["Size"],
        completed["SourceSid"],
        completed["ParticipantSid"],
    ) == (
        str(completed_json["duration"]),
        str(completed_json["size"]),
        completed_json["source_sid"],
        ada["sid"],
    )
    assert (
        completed["Codec"],
        completed["Container"],
        completed["OffsetFromTwilioVideoEpoch"],
    ) == (
        completed_json["codec"],
        completed_json["container_format"],
        str(completed_json["offset"]),
    )


async def test_account_lists_the_recordings_of_all_its_rooms_newest_first(
    api: Api, other_api: Api
) -> None:
    scenario = await create_scenario(api)
    items = await listed(api, "/v1/Recordings")

    assert sorted(items, key=lambda item: item["offset"], reverse=True) == items
    assert {item["grouping_sids"]["room_sid"] for item in items} == {
        scenario.room,
        scenario.ended,
    }
    assert await listed(other_api, "/v1/Recordings") == []
    assert error_of(await other_api.get(f"/v1/Recordings/{scenario.recording}")) == (404, 20404)


async def test_room_and_account_views_of_a_recording_differ_only_in_urls(api: Api) -> None:
    scenario = await create_scenario(api)
    of_room = (await api.get(f"/v1/Rooms/{scenario.room}/Recordings/{scenario.recording}")).body
    of_account = (await api.get(f"/v1/Recordings/{scenario.recording}")).body

    assert of_room.pop("room_sid") == scenario.room
    assert (of_account.pop("status_callback"), of_account.pop("status_callback_method")) == (
        None,
        "POST",
    )
    assert of_room.pop("links") != of_account.pop("links")
    assert of_room.pop("url") != of_account.pop("url")
    assert of_room == of_account


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", ["video", "audio", "video", "audio", "audio"]),
        ("Status=completed", ["audio"]),
        ("Status=processing", ["video", "audio", "video", "audio"]),
        ("Status=failed", []),
        ("DateCreatedAfter=2100-01-01", []),
        ("DateCreatedBefore=2020-01-01T00:00:00Z", []),
    ],
)
async def test_room_filters_its_recordings(api: Api, query: str, kinds: list[str]) -> None:
    scenario = await create_scenario(api)

    assert [
        item["type"] for item in await listed(api, f"/v1/Rooms/{scenario.room}/Recordings?{query}")
    ] == kinds


async def test_account_filters_recordings_by_source_group_and_type(api: Api) -> None:
    scenario = await create_scenario(api)
    source = (await api.get(f"/v1/Recordings/{scenario.running}")).body["source_sid"]

    async def count(query: str) -> int:
        return len(await listed(api, f"/v1/Recordings?{query}"))

    assert await count("") == 7
    assert sids(await api.get(f"/v1/Recordings?SourceSid={source}")) == [scenario.running]
    assert sids(await api.get(f"/v1/Rooms/{scenario.room}/Recordings?SourceSid={source}")) == [
        scenario.running
    ]
    assert await count("MediaType=video") == 3
    assert await count("MediaType=data") == 0
    assert await count(f"GroupingSid={scenario.room}") == 5
    assert await count(f"GroupingSid={scenario.participant}") == 2
    assert await count(f"GroupingSid={scenario.room}&GroupingSid={scenario.ended}") == 7
    assert await count(f"GroupingSid={scenario.room}&GroupingSid={scenario.participant}") == 2
    assert await count(f"GroupingSid={scenario.ended}&GroupingSid={scenario.participant}") == 0


@pytest.mark.parametrize(
    "query", ["Status=done", "SourceSid=x", "GroupingSid=RM1", "MediaType=smell", "PageSize=0"]
)
async def test_invalid_filter_is_20001(api: Api, query: str) -> None:
    assert error_of(await api.get(f"/v1/Recordings?{query}")) == (400, 20001)


async def test_account_pages_have_at_most_100_recordings_and_repeat_the_filters(api: Api) -> None:
    scenario = await create_scenario(api)
    meta = (await api.get("/v1/Recordings?PageSize=101")).body["meta"]
    first = await api.get(
        f"/v1/Recordings?PageSize=2&GroupingSid={scenario.room}&GroupingSid={scenario.ended}"
    )
    second = await api.get(first.body["meta"]["next_page_url"])

    assert meta["page_size"] == 100
    assert (await api.get(f"/v1/Rooms/{scenario.room}/Recordings?PageSize=1001")).body["meta"][
        "page_size"
    ] == 1000
    assert second.body["meta"]["url"].count("GroupingSid=") == 2
    assert (sids(first) + sids(second)) == sids(await api.get("/v1/Recordings?PageSize=4"))


async def test_delete_removes_the_media_and_keeps_the_metadata(api: Api) -> None:
    scenario = await create_scenario(api)
    for sid, path in [
        (scenario.recording, f"/v1/Recordings/{scenario.recording}"),
        (scenario.running, f"/v1/Rooms/{scenario.room}/Recordings/{scenario.running}"),
    ]:
        for _ in range(2):
            reply = await api.raw("DELETE", path)
            assert (reply.status, reply.body) == (204, None)
        assert (await api.get(path)).body["status"] == "deleted"
        assert error_of(await api.get(f"{path}/Media")) == (404, 20404)
        assert sid in sids(await api.get("/v1/Recordings?Status=deleted"))
    assert (await api.get(f"/v1/Recordings/{scenario.recording}")).body["size"] == 6000


def paths(scenario: Scenario, sid: str) -> list[str]:
    return [f"/v1/Recordings/{sid}/Media", f"/v1/Rooms/{scenario.room}/Recordings/{sid}/Media"]


async def test_media_redirect_to_a_url_without_credentials(
    api: Api, session: aiohttp.ClientSession
) -> None:
    scenario = await create_scenario(api)
    for path in paths(scenario, scenario.recording):
        reply = await api.raw("GET", path, allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (302, reply.body["redirect_to"])
        async with session.get(reply.body["redirect_to"]) as media:
            assert (media.status, media.content_type, len(await media.read())) == (
                200,
                "audio/x-matroska",
                6000,
            )
    await api.raw("DELETE", f"/v1/Recordings/{scenario.recording}")
    async with session.get(reply.body["redirect_to"]) as media:
        assert media.status == 404


async def test_media_of_an_incomplete_recording_are_not_found(api: Api) -> None:
    scenario = await create_scenario(api)

    for path in paths(scenario, scenario.running):
        assert error_of(await api.get(path)) == (404, 20404)


async def test_room_has_only_its_own_recordings_and_is_found_by_sid(api: Api) -> None:
    scenario = await create_scenario(api)

    assert error_of(await api.get("/v1/Rooms/scenario/Recordings")) == (404, 20404)
    assert error_of(
        await api.get(f"/v1/Rooms/{scenario.bare}/Recordings/{scenario.recording}")
    ) == (
        404,
        20404,
    )
    assert error_of(
        await api.raw("DELETE", f"/v1/Rooms/{scenario.bare}/Recordings/{scenario.recording}")
    ) == (404, 20404)
    assert error_of(await api.get(f"/v1/Recordings/{scenario.room}")) == (404, 20404)


async def test_failed_recording_has_status_failed(api: Api) -> None:
    scenario = await create_scenario(api)
    await api.control(
        "POST",
        f"/rooms/{scenario.room}/recordings/{scenario.running}/failed",
        {"operation": "RecordingUpload"},
    )

    assert (await api.get(f"/v1/Recordings/{scenario.running}")).body["status"] == "failed"
    assert sids(await api.get("/v1/Recordings?Status=failed")) == [scenario.running]
