"""Transcriptions over HTTP."""

import json

from tests.sandbox.conftest import Api, refused
from tests.sandbox.stage import create, join, listed


async def test_a_transcription_starts_stops_and_starts_again(api: Api) -> None:
    room = await create(api, UniqueName="standup")
    configuration = {
        "languageCode": "en-US",
        "partialResults": True,
        "hints": ["Ada", " Ivo"],
        "speechModel": "long",
    }
    made = await api.post(
        "/v1/Rooms/standup/Transcriptions", Configuration=json.dumps(configuration)
    )
    path = f"/v1/Rooms/{room}/Transcriptions/{made.body['ttid']}"

    assert (made.status, made.body["status"], made.body["end_time"], made.body["duration"]) == (
        202,
        "started",
        None,
        None,
    )
    assert made.body["configuration"] == {
        "languageCode": "en-US",
        "partialResults": "true",
        "hints": "Ada,Ivo",
        "speechModel": "long",
    }
    assert (
        (await api.get(path)).body
        == made.body
        == (await listed(api, f"/v1/Rooms/{room}/Transcriptions"))[0]
    )
    stopped = await api.post(path, Status="stopped", Configuration='{"partialResults": false}')
    assert (stopped.status, stopped.body["status"], stopped.body["duration"]) == (202, "stopped", 0)
    assert stopped.body["configuration"]["partialResults"] == "false"
    assert (await api.post(path, Status="started")).body["status"] == "started"


async def test_a_room_has_one_and_only_its_own(api: Api) -> None:
    room, other = await create(api), await create(api)
    ttid = (await api.post(f"/v1/Rooms/{room}/Transcriptions")).body["ttid"]

    assert refused(await api.post(f"/v1/Rooms/{room}/Transcriptions")) == (400, 20001)
    assert refused(await api.get(f"/v1/Rooms/{other}/Transcriptions/{ttid}")) == (404, 20404)
    assert refused(
        await api.post(f"/v1/Rooms/{other}/Transcriptions/{ttid}", Status="stopped")
    ) == (404, 20404)
    assert await listed(api, f"/v1/Rooms/{other}/Transcriptions") == []


async def test_one_that_failed_stays_so(api: Api) -> None:
    room = await create(api)
    ttid = (await api.post(f"/v1/Rooms/{room}/Transcriptions")).body["ttid"]
    await api.control("POST", f"/rooms/{room}/transcription/failed")
    path = f"/v1/Rooms/{room}/Transcriptions/{ttid}"

    assert (await api.get(path)).body["status"] == "failed"
    assert refused(await api.post(path, Status="started")) == (400, 20001)
    assert (await api.post(path, Configuration='{"languageCode": "de-DE"}')).status == 202


async def test_a_room_that_is_transcribed_on_connect_is_from_its_first_participant_on(
    api: Api,
) -> None:
    room = await create(
        api, TranscribeParticipantsOnConnect="true", TranscriptionsConfiguration='{"a": 1}'
    )
    assert await listed(api, f"/v1/Rooms/{room}/Transcriptions") == []

    await join(api, room, "Ada")

    [made] = await listed(api, f"/v1/Rooms/{room}/Transcriptions")
    assert (made["status"], made["configuration"]) == ("started", {"a": "1"})


async def test_beyond_the_quota_it_is_53676(api: Api) -> None:
    first, second = await create(api), await create(api, TranscribeParticipantsOnConnect="true")
    await api.control("POST", "/capacity", {"transcriptions": 1})
    ttid = (await api.post(f"/v1/Rooms/{first}/Transcriptions")).body["ttid"]

    assert refused(await api.post(f"/v1/Rooms/{await create(api)}/Transcriptions")) == (400, 53676)
    await join(api, second, "Ada")
    assert [each["status"] for each in await listed(api, f"/v1/Rooms/{second}/Transcriptions")] == [
        "failed"
    ]
    await api.post(f"/v1/Rooms/{first}/Transcriptions/{ttid}", Status="stopped")
    third = await api.post(f"/v1/Rooms/{await create(api)}/Transcriptions")
    assert third.status == 202
    assert refused(
        await api.post(f"/v1/Rooms/{first}/Transcriptions/{ttid}", Status="started")
    ) == (400, 53676)


async def test_an_ended_room_refuses_them(api: Api) -> None:
    room = await create(api)
    ttid = (await api.post(f"/v1/Rooms/{room}/Transcriptions")).body["ttid"]
    await api.post(f"/v1/Rooms/{room}", Status="completed")

    assert (await api.get(f"/v1/Rooms/{room}/Transcriptions/{ttid}")).body["status"] == "stopped"
    assert refused(await api.post(f"/v1/Rooms/{room}/Transcriptions/{ttid}", Status="started")) == (
        400,
        53118,
    )
    assert refused(await api.post(f"/v1/Rooms/{room}/Transcriptions")) == (400, 53118)
