"""RoomService over a real channel, to a gateway process."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.rpc.v1 import events_pb2, recording_pb2, room_pb2, rule_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from tests.rpc.client import LIMIT_S, Client, Clients, check_refusal, clients_on, refusal
from tests.running import Gateway, new_name, new_sid, running

BUF = Path(sys.executable).with_name("buf")


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients.rooms


async def until(
    stream: Any, condition: Callable[[pb.WatchRoomEventsResponse], bool]
) -> pb.WatchRoomEventsResponse:
    async with asyncio.timeout(LIMIT_S):
        while True:
            message: pb.WatchRoomEventsResponse = await stream.read()
            if condition(message):
                return message


def is_event(name: str) -> Callable[[pb.WatchRoomEventsResponse], bool]:
    return lambda message: message.event.WhichOneof("event") == name


async def twilio_statuses(
    gateway: Gateway, path: str, condition: Callable[[list[Any]], bool]
) -> list[Any]:
    """Returns the statuses of the requests to this path at Twilio, once the condition
    holds.

    Status 0 means that the client closed the connection before the response.
    """
    async with asyncio.timeout(LIMIT_S):
        while True:
            calls = await gateway.sandbox("GET", "/calls")
            statuses = [call["status"] for call in calls if call["path"] == path]
            if condition(statuses):
                return statuses
            await asyncio.sleep(0.01)  # the sandbox sends no event


async def test_create_get_list_and_complete_room(gateway: Gateway, client: Client) -> None:
    name = new_name()
    created = (await client.CreateRoom(unique_name=name, max_participants=7)).room
    assert (created.unique_name, created.max_participants) == (name, 7)
    assert created.status == room_pb2.ROOM_STATUS_IN_PROGRESS

    by_sid = (await client.GetRoom(room=created.sid)).room
    assert by_sid.twilio.status_callback.startswith(gateway.ready["callbacks"])
    by_name = (await client.GetRoom(room=name)).room
    assert by_sid.sid == by_name.sid == created.sid
    assert by_sid.freshness.source == room_pb2.FRESHNESS_SOURCE_CALLBACKS
    assert [room.sid for room in (await client.ListRooms(unique_name=name)).rooms] == [created.sid]

    ended = (await client.CompleteRoom(room=name)).room
    assert (ended.sid, ended.status) == (created.sid, room_pb2.ROOM_STATUS_COMPLETED)
    assert ended.HasField("end_time")
    assert (await client.GetRoom(room=created.sid)).room.status == room_pb2.ROOM_STATUS_COMPLETED
    assert (await refusal(client.GetRoom(room=name)))[0] == "NOT_FOUND"


async def test_every_parameter_of_a_new_room_reaches_twilio(client: Client) -> None:
    rule = recording_pb2.RecordingRule(effect=rule_pb2.TRACK_RULE_EFFECT_INCLUDE, all=True)
    room = (
        await client.CreateRoom(
            unique_name=new_name(),
            type=room_pb2.ROOM_TYPE_GROUP,
            max_participants=12,
            max_participant_duration=timedelta(minutes=10),
            empty_room_timeout=timedelta(minutes=1),
            unused_room_timeout=timedelta(hours=1),
            record_participants_on_connect=True,
            recording_rules=[rule],
            video_codecs=[room_pb2.VIDEO_CODEC_H264],
            media_region="ie1",
            audio_only=True,
        )
    ).room

    assert (room.type, room.max_participants, room.max_participant_duration.seconds) == (
        room_pb2.ROOM_TYPE_GROUP,
        12,
        600,
    )
    assert (room.empty_room_timeout.seconds, room.unused_room_timeout.seconds) == (60, 3600)
    assert (room.record_participants_on_connect, room.audio_only) == (True, True)
    assert (list(room.video_codecs), room.media_region) == ([room_pb2.VIDEO_CODEC_H264], "ie1")


async def test_batch_keeps_its_order_and_lists_missing_rooms(client: Client) -> None:
    first, second = [(await client.CreateRoom(unique_name=new_name())).room for _ in range(2)]
    missing_sid, missing_name = new_sid(), new_name()

    response = await client.BatchGetRooms(
        rooms=[second.sid, missing_sid, first.unique_name, missing_name, second.unique_name]
    )

    assert [room.sid for room in response.rooms] == [second.sid, first.sid, second.sid]
    assert list(response.missing) == [missing_sid, missing_name]


async def test_empty_batch_has_an_empty_response(client: Client) -> None:
    assert await client.BatchGetRooms() == pb.BatchGetRoomsResponse()


async def until_present(client: Client, room: str, count: int) -> pb.GetRoomPresenceResponse:
    async with asyncio.timeout(LIMIT_S):
        while True:
            response: pb.GetRoomPresenceResponse = await client.GetRoomPresence(room=room)
            if response.presence.participant_count == count:
                return response
            await asyncio.sleep(0.01)  # a callback takes a moment


async def test_presence_is_who_is_in_a_room(gateway: Gateway, client: Client) -> None:
    room = (await client.CreateRoom(unique_name=new_name())).room
    empty = await client.GetRoomPresence(room=room.sid)
    assert (empty.presence.room_sid, empty.presence.participant_count) == (room.sid, 0)

    await gateway.sandbox(
        "POST", f"/rooms/{room.sid}/participants", {"identity": "ann", "tracks": ["video"]}
    )
    presence = (await until_present(client, room.unique_name, 1)).presence
    [ann] = presence.participants
    assert (ann.participant.identity, ann.HasField("since"), ann.muted) == ("ann", True, True)

    # A stream after its cursor goes on from there.
    await client.CompleteRoom(room=room.sid)
    stream = client.WatchRoomEvents(room=room.sid, after=presence.as_of)
    await until(stream, is_event("room_ended"))
    stream.cancel()
    assert list((await until_present(client, room.sid, 0)).presence.participants) == []


async def test_batch_of_presences_lists_unknown_and_missing_rooms(
    gateway: Gateway, client: Client
) -> None:
    first, second = [(await client.CreateRoom(unique_name=new_name())).room for _ in range(2)]
    elsewhere = (await gateway.create_room_at_twilio())["sid"]
    missing_name = new_name()

    response = await client.BatchGetRoomPresences(
        rooms=[second.sid, elsewhere, missing_name, first.unique_name],
        read_mask=FieldMask(paths=["room_sid"]),
    )

    assert [presence.room_sid for presence in response.presences] == [second.sid, first.sid]
    assert {presence.as_of for presence in response.presences} == {""}
    # The gateway has not read the room that another system has just created.
    assert (list(response.unknown), list(response.missing)) == ([elsewhere], [missing_name])
    assert not (await client.GetRoomPresence(room=new_sid())).HasField("presence")


async def test_pages_are_complete_and_do_not_overlap(client: Client) -> None:
    created = {(await client.CreateRoom(unique_name=new_name())).room.sid for _ in range(5)}

    listed: list[str] = []
    page = await client.ListRooms(page_size=2)
    while page.next_page_token:
        listed += [room.sid for room in page.rooms]
        page = await client.ListRooms(page_size=2, page_token=page.next_page_token)
    listed += [room.sid for room in page.rooms]

    assert created <= set(listed)
    assert len(listed) == len(set(listed))


async def test_page_size_above_the_limit_is_lowered_to_it(client: Client) -> None:
    assert len((await client.ListRooms(page_size=1000)).rooms) <= 100


async def test_read_mask_selects_fields_of_every_room(client: Client) -> None:
    room = (await client.CreateRoom(unique_name=new_name())).room
    mask = FieldMask(paths=["sid", "freshness.source"])
    expected = room_pb2.Room(
        sid=room.sid, freshness=room_pb2.Freshness(source=room_pb2.FRESHNESS_SOURCE_CALLBACKS)
    )

    assert (await client.GetRoom(room=room.sid, read_mask=mask)).room == expected
    assert list(
        (await client.BatchGetRooms(rooms=[room.sid, new_sid()], read_mask=mask)).rooms
    ) == [expected]
    assert list((await client.ListRooms(unique_name=room.unique_name, read_mask=mask)).rooms) == [
        expected
    ]


async def test_invalid_read_mask_is_rejected_before_any_request_to_twilio(
    gateway: Gateway, client: Client
) -> None:
    sid = new_sid()

    status, info, message = await refusal(
        client.GetRoom(room=sid, read_mask=FieldMask(paths=["sid", "name"]))
    )

    assert (status, info.reason) == ("INVALID_ARGUMENT", "INVALID_INPUT")
    assert message.startswith(
        "read_mask.paths[1] names no field of Room: start the path with one of sid, "
    )
    assert sid not in {
        call["path"].rpartition("/")[2] for call in await gateway.sandbox("GET", "/calls")
    }


async def test_name_in_use_has_the_error_code_of_twilio(client: Client) -> None:
    name = new_name()
    sid = (await client.CreateRoom(unique_name=name)).room.sid

    status, info, message = await refusal(client.CreateRoom(unique_name=name))

    assert (status, info.reason, dict(info.metadata)) == (
        "ALREADY_EXISTS",
        "NAME_TAKEN",
        {"room_sid": sid, "twilio_code": "53113"},
    )
    assert "unique_name" in message


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("GetRoom", {"room": "RM" + "0" * 32}, "NOT_FOUND"),
        ("GetRoom", {"room": "nobody/is/../here"}, "NOT_FOUND"),
        ("GetRoom", {"room": ".."}, "NOT_FOUND"),
        ("GetRoom", {"room": ""}, "INVALID_ARGUMENT"),
        ("GetRoom", {"room": "a\x00b"}, "INVALID_ARGUMENT"),
        ("GetRoom", {"room": "line\nbreak"}, "INVALID_ARGUMENT"),
        ("GetRoom", {"room": "x" * 129}, "INVALID_ARGUMENT"),
        ("BatchGetRooms", {"rooms": ["RM" + "0" * 32] * 101}, "INVALID_ARGUMENT"),
        ("BatchGetRooms", {"rooms": ["fine", ""]}, "INVALID_ARGUMENT"),
        ("BatchGetRooms", {"read_mask": FieldMask(paths=["rooms"])}, "INVALID_ARGUMENT"),
        ("GetRoomPresence", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("GetRoomPresence", {"room": ""}, "INVALID_ARGUMENT"),
        ("BatchGetRoomPresences", {"rooms": ["RM" + "0" * 32] * 101}, "INVALID_ARGUMENT"),
        ("BatchGetRoomPresences", {"rooms": ["fine", ""]}, "INVALID_ARGUMENT"),
        ("ListRooms", {"read_mask": FieldMask(paths=["sid"] * 101)}, "INVALID_ARGUMENT"),
        ("ListRooms", {"page_size": -1}, "INVALID_ARGUMENT"),
        ("ListRooms", {"page_token": "nonsense"}, "INVALID_ARGUMENT"),
        ("ListRooms", {"statuses": [99]}, "INVALID_ARGUMENT"),
        ("ListRooms", {"statuses": [room_pb2.ROOM_STATUS_UNKNOWN]}, "INVALID_ARGUMENT"),
        ("CreateRoom", {"max_participants": 0}, "INVALID_ARGUMENT"),
        ("CreateRoom", {"max_participants": 51}, "INVALID_ARGUMENT"),
        ("CreateRoom", {"type": 99}, "INVALID_ARGUMENT"),
        ("CreateRoom", {"empty_room_timeout": timedelta(seconds=90)}, "INVALID_ARGUMENT"),
        ("CreateRoom", {"unused_room_timeout": timedelta(minutes=61)}, "INVALID_ARGUMENT"),
        ("CreateRoom", {"max_participant_duration": timedelta(seconds=600.5)}, "INVALID_ARGUMENT"),
        ("CreateRoom", {"unique_name": "RM" + "0" * 32}, "INVALID_ARGUMENT"),
        ("CompleteRoom", {"room": "RM" + "0" * 32}, "NOT_FOUND"),
        ("CompleteRoom", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("ListRoomEvents", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("ListRoomEvents", {"room": "RM" + "0" * 32, "page_token": "nonsense"}, "INVALID_ARGUMENT"),
        ("ListRoomEvents", {"room": "RM" + "0" * 32, "page_size": -1}, "INVALID_ARGUMENT"),
        ("ListRoomEvents", {"room": "RM" + "0" * 32, "types": [0]}, "INVALID_ARGUMENT"),
        ("WatchRoomEvents", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("WatchRoomEvents", {"room": "tab\t"}, "INVALID_ARGUMENT"),
        ("WatchRoomEvents", {"after": "nonsense"}, "INVALID_ARGUMENT"),
        ("WatchRoomEvents", {"types": [0]}, "INVALID_ARGUMENT"),
        ("WatchRoomEvents", {"types": [99]}, "INVALID_ARGUMENT"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
async def test_invalid_requests_are_rejected(
    client: Client, method: str, fields: dict[str, Any], code: str
) -> None:
    await check_refusal(getattr(client, method)(**fields), code)


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "%2e%2e", "ü?&=#", "x" * 128])
async def test_any_printable_name_is_accepted(client: Client, name: str) -> None:
    sid = (await client.CreateRoom(unique_name=name)).room.sid

    assert (await client.GetRoom(room=name)).room.sid == sid
    assert (await client.CompleteRoom(room=name)).room.sid == sid


async def test_client_deadline_cancels_the_request_to_twilio(
    gateway: Gateway, client: Client
) -> None:
    path = f"/v1/Rooms/{(sid := new_sid())}"
    async with gateway.fault(match={"path": path}, latency_ms=500):
        call = client.GetRoom(room=sid, timeout=0.3)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await twilio_statuses(
            gateway, path, lambda statuses: statuses not in ([], [None])
        ) == [0]


async def test_cancelled_call_cancels_the_request_to_twilio(
    gateway: Gateway, client: Client
) -> None:
    path = f"/v1/Rooms/{(sid := new_sid())}"
    async with gateway.fault(match={"path": path}, latency_ms=500):
        call = client.GetRoom(room=sid)
        await twilio_statuses(gateway, path, lambda statuses: statuses == [None])
        call.cancel()
        assert await twilio_statuses(
            gateway, path, lambda statuses: statuses not in ([], [None])
        ) == [0]


async def test_failure_of_twilio_is_unavailable(gateway: Gateway, client: Client) -> None:
    sid = new_sid()
    async with gateway.fault(match={"path": f"/v1/Rooms/{sid}"}, status=503):
        status, info, _ = await refusal(client.GetRoom(room=sid))

    assert (status, info.reason) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")


async def test_stream_delivers_the_events_of_a_room_as_a_chain(
    gateway: Gateway, client: Client
) -> None:
    room = (await client.CreateRoom(unique_name=new_name())).room
    stream = client.WatchRoomEvents(room=room.unique_name)
    started = await stream.read()
    assert started.WhichOneof("message") == "started"
    assert (started.started.mode, started.started.watched_room) == (
        events_pb2.STREAM_MODE_LIVE,
        room.sid,
    )
    assert started.started.HasField("history_start_time")

    await gateway.sandbox(
        "POST", f"/rooms/{room.sid}/participants", {"identity": "ann", "tracks": ["audio"]}
    )
    messages = [started]
    while len(messages) < 3 or not messages[-1].event.HasField("track_added"):
        messages.append(
            await until(stream, lambda message: message.WhichOneof("message") == "event")
        )
    connected, added = messages[-2].event, messages[-1].event
    assert connected.WhichOneof("event") == "participant_connected"
    assert connected.room.unique_name == room.unique_name
    assert (connected.participant_connected.participant.identity, connected.source) == (
        "ann",
        events_pb2.ROOM_EVENT_SOURCE_CALLBACK,
    )
    track, publisher = added.track_added.track, added.track_added.participant
    assert (track.kind, track.muted) == (rule_pb2.TRACK_KIND_AUDIO, False)
    assert (publisher.identity, publisher.sid) == ("ann", track.participant_sid)
    assert [message.prev for message in messages[1:]] == [
        message.cursor for message in messages[:-1]
    ]

    await client.CompleteRoom(room=room.sid)
    ended = await until(stream, is_event("room_ended"))
    assert ended.event.room.status == room_pb2.ROOM_STATUS_COMPLETED
    stream.cancel()


async def test_stream_resumes_after_any_of_its_cursors(client: Client) -> None:
    room = (await client.CreateRoom(unique_name=new_name())).room
    stream = client.WatchRoomEvents(room=room.sid)
    started = await stream.read()
    await client.CompleteRoom(room=room.sid)
    ended = await until(stream, is_event("room_ended"))
    stream.cancel()

    resumed = client.WatchRoomEvents(room=room.sid, after=started.cursor)
    first = await resumed.read()
    assert (first.started.mode, first.cursor) == (events_pb2.STREAM_MODE_RESUMED, started.cursor)
    assert await until(resumed, is_event("room_ended")) == ended
    resumed.cancel()


async def test_ensure_room_returns_the_room_in_progress_or_a_new_one(client: Client) -> None:
    name = new_name()
    first = await client.EnsureRoom(unique_name=name, max_participants=7)
    assert (first.created, first.room.max_participants) == (True, 7)
    assert first.room.freshness.source == room_pb2.FRESHNESS_SOURCE_CALLBACKS
    again = await client.EnsureRoom(unique_name=name, max_participants=3)
    assert (again.created, again.room.sid, again.room.max_participants) == (
        False,
        first.room.sid,
        7,
    )
    await client.CompleteRoom(room=first.room.sid)
    second = await client.EnsureRoom(unique_name=name)
    assert second.created
    assert second.room.sid != first.room.sid


async def test_request_id_of_complete_room_keeps_the_room_of_the_first_call(
    client: Client,
) -> None:
    name, request_id = new_name(), new_name()
    created = await client.CreateRoom(unique_name=name, request_id=new_name())
    assert created.created
    ended = (await client.CompleteRoom(room=name, request_id=request_id)).room
    second = (await client.EnsureRoom(unique_name=name)).room
    again = (await client.CompleteRoom(room=name, request_id=request_id)).room
    assert ended.sid == again.sid == created.room.sid
    assert again.status == room_pb2.ROOM_STATUS_COMPLETED
    assert (await client.GetRoom(room=second.sid)).room.status == room_pb2.ROOM_STATUS_IN_PROGRESS
    code, info, _ = await refusal(client.CompleteRoom(room=second.sid, request_id=request_id))
    assert (code, info.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_KEY_REUSED")
    assert info.metadata["room_sid"] == created.room.sid


async def test_an_unknown_sid_has_no_events(client: Client) -> None:
    sid = new_sid()
    assert list((await client.ListRoomEvents(room=sid)).events) == []
    stream = client.WatchRoomEvents(room=sid)
    assert (await stream.read()).WhichOneof("message") == "started"
    stream.cancel()


async def test_list_room_events_pages_from_any_cursor(gateway: Gateway, client: Client) -> None:
    room = (await client.CreateRoom(unique_name=new_name())).room
    stream = client.WatchRoomEvents(room=room.sid)
    started = await stream.read()
    await gateway.sandbox(
        "POST", f"/rooms/{room.sid}/participants", {"identity": "ann", "tracks": ["audio"]}
    )
    await until(stream, is_event("track_added"))
    await client.CompleteRoom(room=room.sid)
    last = await until(stream, is_event("room_ended"))
    stream.cancel()

    whole = await client.ListRoomEvents(room=room.sid, page_size=100)
    kinds = [item.event.WhichOneof("event") for item in whole.events]
    assert kinds[0] == "room_created"
    assert {"track_added", "room_ended"} <= set(kinds)
    assert whole.next_page_token == ""

    paged, token = list[events_pb2.LoggedEvent](), ""
    while not paged or token:
        page = await client.ListRoomEvents(room=room.sid, page_size=2, page_token=token)
        assert len(page.events) <= 2
        paged += page.events
        token = page.next_page_token
    assert paged == list(whole.events)

    ends = [events_pb2.ROOM_EVENT_TYPE_ROOM_ENDED]
    mask = FieldMask(paths=["cursor", "event.room.status"])
    [ended] = (
        await client.ListRoomEvents(
            room=room.sid, types=ends, page_token=started.cursor, read_mask=mask
        )
    ).events
    assert ended.cursor == last.cursor
    assert ended.event == events_pb2.RoomEvent(
        room=room_pb2.Room(status=room_pb2.ROOM_STATUS_COMPLETED)
    )
    assert (
        await client.ListRoomEvents(room=room.sid, types=ends, page_token=last.cursor)
    ).next_page_token == ""


async def test_watching_after_as_of_misses_no_event(client: Client) -> None:
    created = (await client.CreateRoom(unique_name=new_name())).room
    before = (await client.GetRoom(room=created.sid)).room
    await client.CompleteRoom(room=created.sid)

    stream = client.WatchRoomEvents(room=created.sid, after=before.as_of)

    assert (await until(stream, is_event("room_ended"))).event.room.sid == created.sid
    stream.cancel()


async def test_stream_of_the_account_filters_by_type(client: Client) -> None:
    stream = client.WatchRoomEvents(types=[events_pb2.ROOM_EVENT_TYPE_ROOM_ENDED])
    started = await stream.read()
    assert not started.started.HasField("watched_room")
    room = (await client.CreateRoom(unique_name=new_name())).room
    await client.CompleteRoom(room=room.sid)

    first = await until(stream, lambda message: message.event.room.sid == room.sid)

    assert first.event.HasField("room_ended")
    stream.cancel()


async def test_watch_room_shows_participants_and_tracks(gateway: Gateway, client: Client) -> None:
    room = (await client.CreateRoom(unique_name=new_name())).room
    stream = client.WatchRoom(room=room.unique_name)
    first = await stream.read()
    assert (first.room.sid, first.room.status, list(first.participants)) == (
        room.sid,
        room_pb2.ROOM_STATUS_IN_PROGRESS,
        [],
    )
    assert (first.room.as_of, first.room.freshness.source) == (
        first.cursor,
        room_pb2.FRESHNESS_SOURCE_CALLBACKS,
    )

    await gateway.sandbox(
        "POST", f"/rooms/{room.sid}/participants", {"identity": "ann", "tracks": ["audio"]}
    )
    async with asyncio.timeout(LIMIT_S):
        while not (view := await stream.read()).participants or not view.participants[0].tracks:
            pass
    [ann] = view.participants
    assert (ann.participant.identity, ann.participant.room_sid) == ("ann", room.sid)
    assert ann.HasField("since")
    assert [(track.kind, track.muted, track.participant_sid) for track in ann.tracks] == [
        (rule_pb2.TRACK_KIND_AUDIO, False, ann.participant.sid)
    ]

    await client.CompleteRoom(room=room.sid)
    async with asyncio.timeout(LIMIT_S):
        while (view := await stream.read()).room.status != room_pb2.ROOM_STATUS_COMPLETED:
            pass
    assert list(view.participants) == []
    stream.cancel()
    events = client.WatchRoomEvents(room=room.sid, after=view.cursor)
    assert (await events.read()).started.mode == events_pb2.STREAM_MODE_RESUMED
    events.cancel()


async def test_watch_of_an_unknown_room_is_not_found(client: Client) -> None:
    for missing in (new_name(), new_sid()):
        await check_refusal(client.WatchRoom(room=missing), "NOT_FOUND")
    await check_refusal(client.WatchRoom(room=""), "INVALID_ARGUMENT")


async def test_buf_curl_works_by_reflection(gateway: Gateway, client: Client) -> None:
    room = (await client.CreateRoom(unique_name=new_name())).room
    [(_, credential)] = gateway.metadata
    process = await asyncio.create_subprocess_exec(
        *(
            BUF,
            "curl",
            "--http2-prior-knowledge",
            "--protocol",
            "grpc",
            "-H",
            f"authorization: {credential}",
        ),
        *(
            "-d",
            json.dumps({"room": room.sid}),
            f"http://{gateway.ready['grpc']}/rooms_gateway.v1.RoomService/GetRoom",
        ),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)

    response = json.loads(output)["room"]
    assert (response["sid"], response["uniqueName"], response["status"]) == (
        room.sid,
        room.unique_name,
        "ROOM_STATUS_IN_PROGRESS",
    )


async def test_stopping_gateway_ends_streams_with_unavailable(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway, gateway.channel() as channel:
        client = clients_on(channel, gateway.metadata).rooms
        room = (await client.CreateRoom()).room
        stream, view = client.WatchRoomEvents(), client.WatchRoom(room=room.sid)
        assert (await stream.read()).cursor
        assert (await view.read()).cursor

        gateway.process.terminate()

        for open_stream, advice in (
            (stream, "watch again after the last cursor"),
            (view, "watch again"),
        ):
            status, _, message = await refusal(open_stream)
            assert status == "UNAVAILABLE"
            assert advice in message
