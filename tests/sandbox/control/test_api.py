import asyncio
from typing import Any

import pytest

from gateway.sandbox import Sandbox
from tests.sandbox.conftest import LIMIT_S, Api, Receiver


async def room_of(api: Api, **params: Any) -> str:
    return str((await api.post("/v1/Rooms", **params)).body["sid"])


async def test_participant_joins_and_leaves(api: Api) -> None:
    room = await room_of(api, UniqueName="standup")
    joined = await api.control(
        "POST", "/rooms/standup/participants", {"identity": "Zoë/1", "tracks": ["audio"]}
    )
    left = await api.control("DELETE", f"/rooms/{room}/participants/Zo%C3%AB%2F1")

    assert (joined.body["status"], left.body["status"], left.body["sid"]) == (
        "connected",
        "disconnected",
        joined.body["sid"],
    )
    assert [track["kind"] for track in joined.body["tracks"]] == ["audio"]


async def test_tracks_are_published_muted_and_removed(api: Api, receiver: Receiver) -> None:
    room = await room_of(api, StatusCallback=receiver.url)
    tracks = ["audio", {"kind": "video", "name": "cam", "enabled": False}]
    await api.control("POST", f"/rooms/{room}/participants", {"identity": "Ada", "tracks": tracks})
    path = f"/rooms/{room}/participants/Ada/tracks"

    added = await api.control("POST", path, {"kind": "data", "name": "chat"})
    await api.control("POST", f"{path}/cam", {"enabled": True})
    await api.control("POST", f"{path}/audio", {"enabled": False})
    last = await api.control("DELETE", f"{path}/chat")

    assert [track["name"] for track in added.body["tracks"]][1:] == ["cam", "chat"]
    assert [(track["kind"], track["enabled"]) for track in last.body["tracks"]] == [
        ("audio", False),
        ("video", True),
    ]
    events = [
        (callback.params["StatusCallbackEvent"], callback.params.get("TrackKind"))
        for callback in await receiver.wait_for(8)
    ]
    assert sorted(events, key=str)[2:] == [
        ("track-added", "audio"),
        ("track-added", "data"),
        ("track-added", "video"),
        ("track-disabled", "audio"),
        ("track-enabled", "video"),
        ("track-removed", "data"),
    ]


async def test_recording_of_a_published_track_fails(api: Api, receiver: Receiver) -> None:
    room = await room_of(api, StatusCallback=receiver.url, RecordParticipantsOnConnect="true")
    await api.control(
        "POST", f"/rooms/{room}/participants", {"identity": "Ada", "tracks": ["audio"]}
    )
    body = {"identity": "Ada", "track": "audio", "operation": "RecordingUpload"}

    assert (await api.control("POST", f"/rooms/{room}/recordings/failed", body)).status == 200

    callbacks = {
        callback.params["StatusCallbackEvent"]: callback.params
        for callback in await receiver.wait_for(5)
    }
    assert callbacks["recording-failed"]["FailedOperation"] == "RecordingUpload"
    assert (
        callbacks["recording-failed"]["RecordingSid"]
        == callbacks["recording-started"]["RecordingSid"]
    )


async def test_recording_fails_after_its_track_is_removed(api: Api, receiver: Receiver) -> None:
    room = await room_of(api, StatusCallback=receiver.url, RecordParticipantsOnConnect="true")
    await api.control(
        "POST", f"/rooms/{room}/participants", {"identity": "Ada", "tracks": ["audio"]}
    )
    [recording] = (await api.get(f"/v1/Rooms/{room}/Recordings")).body["recordings"]
    await api.post(f"/v1/Rooms/{room}", Status="completed")

    assert (
        await api.control("POST", f"/rooms/{room}/recordings/{recording['sid']}/failed", {})
    ).status == 200

    callbacks = {
        callback.params["StatusCallbackEvent"]: callback.params
        for callback in await receiver.wait_for(7)
    }
    assert callbacks["recording-failed"]["FailedOperation"] == "RecordingUpload"
    assert (await api.get(f"/v1/Recordings/{recording['sid']}")).body["status"] == "failed"


async def test_connection_breaks_and_is_restored(api: Api) -> None:
    room = await room_of(api)
    await api.control("POST", f"/rooms/{room}/participants", {"identity": "Ada"})
    path = f"/rooms/{room}/participants/Ada"

    statuses = [
        (await api.control("POST", path, {"reconnecting": is_reconnecting})).body["status"]
        for is_reconnecting in (True, True, False)
    ]

    assert statuses == ["reconnecting", "reconnecting", "connected"]


async def test_capacity_applies_until_reset(api: Api) -> None:
    changed = await api.control("POST", "/capacity", {"rooms": 0})

    assert changed.body == {"rooms": 0, "participants": 10_000, "transcriptions": 10_000}
    assert (await api.post("/v1/Rooms")).body["code"] == 53119
    await api.control("POST", "/reset")
    assert (await api.post("/v1/Rooms")).status == 201


async def test_advancing_the_clock_ends_an_unused_room(api: Api, receiver: Receiver) -> None:
    room = await room_of(api, StatusCallback=receiver.url, UnusedRoomTimeout="1")

    await api.control("POST", "/clock", {"advance_s": 60})

    assert (await api.get(f"/v1/Rooms/{room}")).body["status"] == "completed"
    ended = {
        callback.params["StatusCallbackEvent"]: callback.params
        for callback in await receiver.wait_for(2)
    }["room-ended"]
    assert ended["RoomDuration"] == "0"


async def test_faults_are_listed_and_removed(api: Api) -> None:
    await api.control("POST", "/faults", {"match": {"method": "GET"}, "status": 503, "seed": 5})

    [fault] = (await api.control("GET", "/faults")).body
    assert (fault["match"]["method"], fault["status"], fault["rate"]) == ("GET", 503, 1.0)
    assert (await api.get("/v1/Rooms")).status == 503
    await api.control("DELETE", "/faults")
    assert (await api.get("/v1/Rooms")).status == 200


async def test_callbacks_are_listed_with_their_attempts(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.responses = [500]
    room = await room_of(api, StatusCallback=f"{receiver.url}#rc=1&rp=5xx")
    async with asyncio.timeout(LIMIT_S):
        await sandbox.drain_callbacks()

    callbacks = (await api.control("GET", "/callbacks")).body
    assert (callbacks[0]["room_sid"], callbacks[0]["event"], callbacks[0]["state"]) == (
        room,
        "room-created",
        "delivered",
    )
    assert [(attempt["status"], attempt["failure"]) for attempt in callbacks[0]["attempts"]] == [
        (500, "5xx"),
        (204, None),
    ]
    assert callbacks[0]["params"]["RoomSid"] == room


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/faults", {"rate": 2}),
        ("POST", "/faults", {"colour": "red"}),
        ("POST", "/faults", {"match": {"path": "["}}),
        ("POST", "/faults", []),
        ("POST", "/clock", {"advance_s": -1}),
        ("POST", "/clock", {"advance_s": "long"}),
        ("POST", "/clock", {}),
        ("POST", "/capacity", {"rooms": -1}),
        ("POST", "/capacity", {"colours": 1}),
        ("POST", "/rooms/standup/participants/Ivo", {}),
        ("POST", "/rooms/standup/participants/Ivo", {"reconnecting": 1}),
        ("GET", "/calls?since=yesterday", None),
        ("POST", "/rooms/standup/participants", {}),
        ("POST", "/rooms/standup/participants", {"identity": ""}),
        ("POST", "/rooms/standup/participants", {"identity": "x" * 129}),
        ("POST", "/rooms/standup/participants", {"identity": "Ada", "tracks": ["smell"]}),
        (
            "POST",
            "/rooms/standup/participants",
            {"identity": "Ada", "tracks": [{"kind": "audio", "name": ""}]},
        ),
        ("POST", "/rooms/standup/participants", {"identity": "Ada", "tracks": ["audio"] * 200}),
        ("POST", "/rooms/standup/participants/Ivo/tracks", {"kind": "smell"}),
        ("POST", "/rooms/standup/participants/Ivo/tracks/audio", {"enabled": "no"}),
        (
            "POST",
            "/rooms/standup/recordings/failed",
            {"identity": "Ivo", "track": "audio", "operation": "Sing"},
        ),
    ],
)
async def test_invalid_request_is_400_with_a_message(
    api: Api, method: str, path: str, body: Any
) -> None:
    room = await room_of(api, UniqueName="standup")
    await api.control(
        "POST", f"/rooms/{room}/participants", {"identity": "Ivo", "tracks": ["audio"]}
    )

    reply = await api.control(method, path, body)

    assert reply.status == 400
    assert len(reply.body["error"]) > 10


async def test_body_that_is_not_json_is_400(api: Api) -> None:
    for body in (b"{", b"\xff", b"[" * 100_000):
        assert (await api.raw("POST", "/_sandbox/faults", data=body)).status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PUT", "/faults"),
        ("DELETE", "/rooms/nowhere/participants/Ada"),
        ("DELETE", "/rooms/standup/participants/unknown"),
        ("DELETE", "/rooms/standup/participants/Ivo/tracks/video"),
        ("GET", "/rooms/standup"),
        ("POST", "/rooms/standup/recordings/RT1/failed"),
        ("POST", "/rooms/nowhere/transcription/failed"),
        ("GET", "/media/RT1.mka"),
    ],
)
async def test_unknown_object_is_404_with_a_message(api: Api, method: str, path: str) -> None:
    room = await room_of(api, UniqueName="standup")
    await api.control(
        "POST", f"/rooms/{room}/participants", {"identity": "Ivo", "tracks": ["audio"]}
    )

    reply = await api.control(method, path)

    assert (reply.status, reply.body["error"].startswith(("there is no", "Ivo has no"))) == (
        404,
        True,
    )


async def test_ended_room_refuses_participants(api: Api) -> None:
    room = await room_of(api)
    await api.post(f"/v1/Rooms/{room}", Status="completed")

    reply = await api.control("POST", f"/rooms/{room}/participants", {"identity": "Ada"})

    assert (reply.status, reply.body["code"]) == (400, 53118)


async def test_reset_leaves_nothing_behind(api: Api, receiver: Receiver) -> None:
    await room_of(api, UniqueName="standup", StatusCallback=receiver.url)
    await receiver.wait_for(1)
    await api.control("POST", "/faults", {"status": 503})

    await api.control("POST", "/reset")

    assert (await api.control("GET", "/calls")).body == []
    assert (await api.control("GET", "/callbacks")).body == []
    assert (await api.control("GET", "/faults")).body == []
    assert (await api.control("GET", "/peak")).body == {"read": 0, "write": 0, "concurrent": 0}
    assert (await api.get("/v1/Rooms")).body["rooms"] == []
    assert (await api.post("/v1/Rooms", UniqueName="standup")).status == 201
