"""Recordings of a room and of the account, and their media."""

import aiohttp
import pytest

from gateway.sandbox.world.recordings import PROCESSING_S
from tests.sandbox.conftest import Api, Receiver, refused, sids
from tests.sandbox.stage import Stage, create, join, listed, set_up


async def test_a_recording_is_processed_until_some_seconds_after_its_track(
    api: Api, receiver: Receiver
) -> None:
    room = await create(api, StatusCallback=receiver.url, RecordParticipantsOnConnect="true")
    ada = await join(api, room, "Ada", ["audio", "data"])
    [running] = await listed(api, f"/v1/Rooms/{room}/Recordings")
    assert (running["status"], running["duration"], running["size"]) == ("processing", 0, 0)

    await api.post(f"/v1/Rooms/{room}", Status="completed")
    await api.control("POST", "/clock", {"advance_s": PROCESSING_S})

    [done] = await listed(api, f"/v1/Rooms/{room}/Recordings")
    told = {each.params["StatusCallbackEvent"]: each.params for each in await receiver.hear(8)}
    assert (done["status"], done["duration"], done["size"]) == ("completed", 1, 6000)
    assert told["recording-started"]["RecordingSid"] == done["sid"]
    completed = told["recording-completed"]
    assert (
        completed["Duration"],
        completed["Size"],
        completed["SourceSid"],
        completed["ParticipantSid"],
    ) == (
        str(done["duration"]),
        str(done["size"]),
        done["source_sid"],
        ada["sid"],
    )
    assert (
        completed["Codec"],
        completed["Container"],
        completed["OffsetFromTwilioVideoEpoch"],
    ) == (
        done["codec"],
        done["container_format"],
        str(done["offset"]),
    )


async def test_the_account_shows_the_recordings_of_all_its_rooms_newest_first(
    api: Api, other_api: Api
) -> None:
    stage = await set_up(api)
    everything = await listed(api, "/v1/Recordings")

    assert sorted(everything, key=lambda each: each["offset"], reverse=True) == everything
    assert {each["grouping_sids"]["room_sid"] for each in everything} == {stage.room, stage.ended}
    assert await listed(other_api, "/v1/Recordings") == []
    assert refused(await other_api.get(f"/v1/Recordings/{stage.recording}")) == (404, 20404)


async def test_the_two_views_of_a_recording_differ_in_their_address_alone(api: Api) -> None:
    stage = await set_up(api)
    of_room = (await api.get(f"/v1/Rooms/{stage.room}/Recordings/{stage.recording}")).body
    of_account = (await api.get(f"/v1/Recordings/{stage.recording}")).body

    assert of_room.pop("room_sid") == stage.room
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
async def test_a_room_filters_its_recordings(api: Api, query: str, kinds: list[str]) -> None:
    stage = await set_up(api)

    assert [
        each["type"] for each in await listed(api, f"/v1/Rooms/{stage.room}/Recordings?{query}")
    ] == kinds


async def test_the_account_filters_by_source_group_and_type(api: Api) -> None:
    stage = await set_up(api)
    source = (await api.get(f"/v1/Recordings/{stage.running}")).body["source_sid"]

    async def count(query: str) -> int:
        return len(await listed(api, f"/v1/Recordings?{query}"))

    assert await count("") == 7
    assert sids(await api.get(f"/v1/Recordings?SourceSid={source}")) == [stage.running]
    assert sids(await api.get(f"/v1/Rooms/{stage.room}/Recordings?SourceSid={source}")) == [
        stage.running
    ]
    assert await count("MediaType=video") == 3
    assert await count("MediaType=data") == 0
    assert await count(f"GroupingSid={stage.room}") == 5
    assert await count(f"GroupingSid={stage.participant}") == 2
    assert await count(f"GroupingSid={stage.room}&GroupingSid={stage.ended}") == 7
    assert await count(f"GroupingSid={stage.room}&GroupingSid={stage.participant}") == 2
    assert await count(f"GroupingSid={stage.ended}&GroupingSid={stage.participant}") == 0


@pytest.mark.parametrize(
    "query", ["Status=done", "SourceSid=x", "GroupingSid=RM1", "MediaType=smell", "PageSize=0"]
)
async def test_a_bad_filter_is_20001(api: Api, query: str) -> None:
    assert refused(await api.get(f"/v1/Recordings?{query}")) == (400, 20001)


async def test_pages_of_the_account_have_100_at_most_and_repeat_their_filters(api: Api) -> None:
    stage = await set_up(api)
    meta = (await api.get("/v1/Recordings?PageSize=101")).body["meta"]
    first = await api.get(
        f"/v1/Recordings?PageSize=2&GroupingSid={stage.room}&GroupingSid={stage.ended}"
    )
    second = await api.get(first.body["meta"]["next_page_url"])

    assert meta["page_size"] == 100
    assert (await api.get(f"/v1/Rooms/{stage.room}/Recordings?PageSize=1001")).body["meta"][
        "page_size"
    ] == 1000
    assert second.body["meta"]["url"].count("GroupingSid=") == 2
    assert (sids(first) + sids(second)) == sids(await api.get("/v1/Recordings?PageSize=4"))


async def test_deleting_takes_the_media_and_leaves_what_is_known(api: Api) -> None:
    stage = await set_up(api)
    for sid, path in [
        (stage.recording, f"/v1/Recordings/{stage.recording}"),
        (stage.running, f"/v1/Rooms/{stage.room}/Recordings/{stage.running}"),
    ]:
        for _ in range(2):
            gone = await api.raw("DELETE", path)
            assert (gone.status, gone.body) == (204, None)
        assert (await api.get(path)).body["status"] == "deleted"
        assert refused(await api.get(f"{path}/Media")) == (404, 20404)
        assert sid in sids(await api.get("/v1/Recordings?Status=deleted"))
    assert (await api.get(f"/v1/Recordings/{stage.recording}")).body["size"] == 6000


def paths(stage: Stage, sid: str) -> list[str]:
    return [f"/v1/Recordings/{sid}/Media", f"/v1/Rooms/{stage.room}/Recordings/{sid}/Media"]


async def test_media_are_a_redirect_to_a_place_without_credentials(
    api: Api, session: aiohttp.ClientSession
) -> None:
    stage = await set_up(api)
    for path in paths(stage, stage.recording):
        reply = await api.raw("GET", path, allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (302, reply.body["redirect_to"])
        async with session.get(reply.body["redirect_to"]) as media:
            assert (media.status, media.content_type, len(await media.read())) == (
                200,
                "audio/x-matroska",
                6000,
            )
    await api.raw("DELETE", f"/v1/Recordings/{stage.recording}")
    async with session.get(reply.body["redirect_to"]) as gone:
        assert gone.status == 404


async def test_there_are_no_media_before_a_recording_is_completed(api: Api) -> None:
    stage = await set_up(api)

    for path in paths(stage, stage.running):
        assert refused(await api.get(path)) == (404, 20404)


async def test_a_room_finds_its_recordings_by_its_sid_and_no_others(api: Api) -> None:
    stage = await set_up(api)

    assert refused(await api.get("/v1/Rooms/stage/Recordings")) == (404, 20404)
    assert refused(await api.get(f"/v1/Rooms/{stage.bare}/Recordings/{stage.recording}")) == (
        404,
        20404,
    )
    assert refused(
        await api.raw("DELETE", f"/v1/Rooms/{stage.bare}/Recordings/{stage.recording}")
    ) == (404, 20404)
    assert refused(await api.get(f"/v1/Recordings/{stage.room}")) == (404, 20404)


async def test_a_recording_that_failed_says_so(api: Api) -> None:
    stage = await set_up(api)
    await api.control(
        "POST",
        f"/rooms/{stage.room}/recordings/{stage.running}/failed",
        {"operation": "RecordingUpload"},
    )

    assert (await api.get(f"/v1/Recordings/{stage.running}")).body["status"] == "failed"
    assert sids(await api.get("/v1/Recordings?Status=failed")) == [stage.running]
