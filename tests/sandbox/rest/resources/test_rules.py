"""Subscribe rules and recording rules over HTTP."""

import json
from typing import Any

from tests.sandbox.conftest import Api, error_of, sids
from tests.sandbox.scenario import TRACKS, create, join, listed


def rule(word: str = "include", /, **filters: Any) -> dict[str, Any]:
    return {"type": word, **(filters or {"all": True})}


async def test_default_subscribe_rules_include_everything(api: Api) -> None:
    room = await create(api)
    ada = await join(api, room, "Ada")
    path = f"/v1/Rooms/{room}/Participants/Ada/SubscribeRules"

    first = (await api.get(path)).body
    assert first == {
        "participant_sid": ada["sid"],
        "room_sid": room,
        "rules": [rule()],
        "date_created": None,
        "date_updated": None,
    }
    new = [rule("exclude", kind="data"), rule(publisher="Ivo", priority="high")]
    changed = await api.post(path, Rules=json.dumps(new))
    assert (changed.status, changed.body["rules"]) == (200, new)
    assert changed.body["date_created"] == changed.body["date_updated"] is not None
    assert (await api.get(path)).body == changed.body


async def test_subscribe_rules_select_the_received_tracks(api: Api) -> None:
    room = await create(api)
    ada = await join(api, room, "Ada", TRACKS)
    await join(api, room, "Ivo")
    audio, cam, chat = (track["sid"] for track in ada["tracks"])
    path = f"/v1/Rooms/{room}/Participants/Ivo"

    for rules, expected in [
        ([rule()], [chat, cam, audio]),
        ([rule("exclude")], []),
        ([rule(kind="audio"), rule(track="cam")], [cam, audio]),
        ([rule(), rule("exclude", publisher=ada["sid"], kind="data")], [cam, audio]),
        ([rule(publisher="Uma")], []),
    ]:
        assert (await api.post(f"{path}/SubscribeRules", Rules=json.dumps(rules))).status == 200
        assert sids(await api.get(f"{path}/SubscribedTracks")) == expected


async def test_subscribe_rules_need_a_connected_participant(api: Api) -> None:
    room, legacy = await create(api), await create(api, Type="peer-to-peer")
    ada = await join(api, room, "Ada")
    await join(api, legacy, "Ada")
    path = f"/v1/Rooms/{room}/Participants/{ada['sid']}/SubscribeRules"
    rules = json.dumps([rule()])

    assert error_of(
        await api.post(f"/v1/Rooms/{legacy}/Participants/Ada/SubscribeRules", Rules=rules)
    ) == (400, 53117)
    await api.control("DELETE", f"/rooms/{room}/participants/Ada")
    assert error_of(await api.post(path, Rules=rules)) == (400, 53204)
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    assert error_of(await api.post(path, Rules=rules)) == (400, 53118)
    assert (await api.get(path)).body["rules"] == [rule()]


async def test_recording_rules_come_from_room_creation(api: Api) -> None:
    given = [rule(kind="audio"), rule("exclude", publisher="Ivo")]
    for params, expected in [
        ({}, [rule("exclude")]),
        ({"RecordParticipantsOnConnect": "true"}, [rule()]),
        ({"RecordingRules": json.dumps(given)}, given),
    ]:
        room = await create(api, **params)
        fields = (await api.get(f"/v1/Rooms/{room}/RecordingRules")).body
        assert (fields["room_sid"], fields["rules"]) == (room, expected)
        assert fields["date_created"] == fields["date_updated"] is not None


async def test_recording_rules_select_the_recorded_tracks(api: Api) -> None:
    room = await create(api)
    await join(api, room, "Ada", TRACKS)
    path = f"/v1/Rooms/{room}/RecordingRules"
    assert await listed(api, f"/v1/Rooms/{room}/Recordings") == []

    changed = await api.post(path, Rules=json.dumps([rule(kind="video")]))
    [started] = await listed(api, f"/v1/Rooms/{room}/Recordings")
    assert (changed.status, started["track_name"], started["status"]) == (200, "cam", "processing")
    await api.post(path, Rules=json.dumps([rule("exclude")]))
    await api.control("POST", "/clock", {"advance_s": 5})
    [stopped] = await listed(api, f"/v1/Rooms/{room}/Recordings")
    assert (stopped["sid"], stopped["status"]) == (started["sid"], "completed")


async def test_recording_rules_need_a_room_in_progress_with_a_media_server(api: Api) -> None:
    legacy, ended = await create(api, Type="go"), await create(api)
    await api.post(f"/v1/Rooms/{ended}", Status="completed")
    rules = json.dumps([rule()])

    assert error_of(await api.post(f"/v1/Rooms/{legacy}/RecordingRules", Rules=rules)) == (
        400,
        53122,
    )
    assert error_of(await api.post(f"/v1/Rooms/{ended}/RecordingRules", Rules=rules)) == (
        400,
        53118,
    )
    assert (await api.get(f"/v1/Rooms/{legacy}/RecordingRules")).status == 200
    assert (await api.get(f"/v1/Rooms/{ended}/RecordingRules")).body["rules"] == [rule("exclude")]
