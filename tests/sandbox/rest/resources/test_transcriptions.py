"""Transcriptions over HTTP."""

import json

from tests.sandbox.conftest import Api, error_of
from tests.sandbox.scenario import create, join, listed


async def test_transcription_starts_stops_and_starts_again(api: Api) -> None:
    room = await create(api, UniqueName="standup")
    configuration = {
        "languageCode": "en-US",
        "partialResults": True,
        "hints": ["Ada", " Ivo"],
        "speechModel": "long",
    }
    created = await api.post(
        "/v1/Rooms/standup/Transcriptions", Configuration=json.dumps(configuration)
    )
    path = f"/v1/Rooms/{room}/Transcriptions/{created.body['ttid']}"

    assert (
        created.status,
        created.body["status"],
        created.body["end_time"],
        created.body["duration"],
    ) == (
        202,
        "started",
        None,
        None,
    )
    assert created.body["configuration"] == {
        "languageCode": "en-US",
        "partialResults": "true",
        "hints": "Ada,Ivo",
        "speechModel": "long",
    }
    assert (
        (await api.get(path)).body
        == created.body
        == (await listed(api, f"/v1/Rooms/{room}/Transcriptions"))[0]
    )
    stopped = await api.post(path, Status="stopped", Configuration='{"partialResults": false}')
    assert (stopped.status, stopped.body["status"], stopped.body["duration"]) == (202, "stopped", 0)
    assert stopped.body["configuration"]["partialResults"] == "false"
    assert (await api.post(path, Status="started")).body["status"] == "started"


async def test_room_has_at_most_one_transcription_of_its_own(api: Api) -> None:
    room, other = await create(api), await create(api)
    ttid = (await api.post(f"/v1/Rooms/{room}/Transcriptions")).body["ttid"]

    assert error_of(await api.post(f"/v1/Rooms/{room}/Transcriptions")) == (400, 20001)
    assert error_of(await api.get(f"/v1/Rooms/{other}/Transcriptions/{ttid}")) == (404, 20404)
    assert error_of(
        await api.post(f"/v1/Rooms/{other}/Transcriptions/{ttid}", Status="stopped")
    ) == (404, 20404)
    assert await listed(api, f"/v1/Rooms/{other}/Transcriptions") == []


async def test_failed_transcription_cannot_be_restarted(api: Api) -> None:
    room = await create(api)
    ttid = (await api.post(f"/v1/Rooms/{room}/Transcriptions")).body["ttid"]
    await api.control("POST", f"/rooms/{room}/transcription/failed")
    path = f"/v1/Rooms/{room}/Transcriptions/{ttid}"

    assert (await api.get(path)).body["status"] == "failed"
    assert error_of(await api.post(path, Status="started")) == (400, 20001)
    assert (await api.post(path, Configuration='{"languageCode": "de-DE"}')).status == 202


async def test_transcribe_on_connect_starts_with_the_first_participant(
    api: Api,
) -> None:
    room = await create(
        api, TranscribeParticipantsOnConnect="true", TranscriptionsConfiguration='{"a": 1}'
    )
    assert await listed(api, f"/v1/Rooms/{room}/Transcriptions") == []

    await join(api, room, "Ada")

    [created] = await listed(api, f"/v1/Rooms/{room}/Transcriptions")
    assert (created["status"], created["configuration"]) == ("started", {"a": "1"})


async def test_transcription_beyond_the_capacity_is_53676(api: Api) -> None:
    first, second = await create(api), await create(api, TranscribeParticipantsOnConnect="true")
    await api.control("POST", "/capacity", {"transcriptions": 1})
    ttid = (await api.post(f"/v1/Rooms/{first}/Transcriptions")).body["ttid"]

    assert error_of(await api.post(f"/v1/Rooms/{await create(api)}/Transcriptions")) == (400, 53676)
    await join(api, second, "Ada")
    assert [item["status"] for item in await listed(api, f"/v1/Rooms/{second}/Transcriptions")] == [
        "failed"
    ]
    await api.post(f"/v1/Rooms/{first}/Transcriptions/{ttid}", Status="stopped")
    third = await api.post(f"/v1/Rooms/{await create(api)}/Transcriptions")
    assert third.status == 202
    assert error_of(
        await api.post(f"/v1/Rooms/{first}/Transcriptions/{ttid}", Status="started")
    ) == (400, 53676)


async def test_ended_room_refuses_transcriptions(api: Api) -> None:
    room = await create(api)
    ttid = (await api.post(f"/v1/Rooms/{room}/Transcriptions")).body["ttid"]
    await api.post(f"/v1/Rooms/{room}", Status="completed")

    assert (await api.get(f"/v1/Rooms/{room}/Transcriptions/{ttid}")).body["status"] == "stopped"
    assert error_of(
        await api.post(f"/v1/Rooms/{room}/Transcriptions/{ttid}", Status="started")
    ) == (
        400,
        53118,
    )
    assert error_of(await api.post(f"/v1/Rooms/{room}/Transcriptions")) == (400, 53118)
