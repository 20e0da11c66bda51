"""Twilio's callbacks, from the signed form to the subscribers on every transport."""

import asyncio
from datetime import UTC, datetime, timedelta

from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.running import RESPONSE_TIMEOUT_S, Gateway, first_matching, new_sid, take

WATCH = """subscription($room: ID!, $after: String) { roomEvents(room: {sid: $room}, after:
    $after) {
    __typename cursor prev
    ... on StreamStarted { mode }
    ... on ResyncRequired { reason }
    ... on RoomEvent { type sequenceNumber source isLate room { sid uniqueName } }
    ... on ParticipantConnected { participant { sid identity } }
} }"""


async def test_callback_reaches_subscribers_on_every_transport(gateway: Gateway) -> None:
    room = new_sid()
    async with (
        gateway.subscribe_ws(WATCH, room=room) as by_ws,
        gateway.subscribe_sse(WATCH, room=room) as by_sse,
        gateway.channel() as channel,
    ):
        stream = stubs.RoomServiceStub(channel).WatchRoomEvents(
            pb.WatchRoomEventsRequest(room=room), metadata=gateway.metadata
        )
        started = [
            (await take(by_ws, 1))[0],
            (await take(by_sse, 1))[0][1],
        ]
        assert [message["mode"] for message in started] == ["LIVE", "LIVE"]
        assert (await asyncio.wait_for(stream.read(), RESPONSE_TIMEOUT_S)).WhichOneof(
            "message"
        ) == "started"

        fields = gateway.callback_fields(
            "participant-connected", room, ParticipantSid=new_sid("PA"), ParticipantIdentity="Ada"
        )
        assert await gateway.send_callback(fields) == 204

        [ws_event] = await take(by_ws, 1)
        [(event_id, sse_event)] = await take(by_sse, 1)
        by_grpc = await asyncio.wait_for(stream.read(), RESPONSE_TIMEOUT_S)
        assert ws_event["participant"]["identity"] == "Ada"
        assert ws_event == sse_event
        assert event_id == sse_event["cursor"] == by_grpc.cursor
        assert ws_event["prev"] == started[0]["cursor"]


async def test_one_cursor_resumes_on_every_transport(gateway: Gateway) -> None:
    room = new_sid()
    async with gateway.subscribe_ws(WATCH, room=room) as messages:
        [started] = await take(messages, 1)
        for number in range(3):
            assert await gateway.send_callback(_connected(gateway, room, number)) == 204
        events = await take(messages, 3)

    async def by_websocket(after: str) -> list[str]:
        async with gateway.subscribe_ws(WATCH, room=room, after=after) as resumed:
            return [message["cursor"] for message in await take(resumed, 3)]

    async def by_sse_argument(after: str) -> list[str]:
        async with gateway.subscribe_sse(WATCH, room=room, after=after) as resumed:
            return [message["cursor"] for _, message in await take(resumed, 3)]

    async def by_last_event_id(after: str) -> list[str]:
        async with gateway.subscribe_sse(
            WATCH, {"Last-Event-ID": after}, room=room, after=events[2]["cursor"]
        ) as resumed:
            return [message["cursor"] for _, message in await take(resumed, 3)]

    async def by_grpc(after: str) -> list[str]:
        async with gateway.channel() as channel:
            stream = stubs.RoomServiceStub(channel).WatchRoomEvents(
                pb.WatchRoomEventsRequest(room=room, after=after), metadata=gateway.metadata
            )
            messages = [await asyncio.wait_for(stream.read(), RESPONSE_TIMEOUT_S) for _ in range(3)]
            return [message.cursor for message in messages]

    after = events[0]["cursor"]
    for resume in (by_websocket, by_sse_argument, by_last_event_id, by_grpc):
        assert await resume(after) == [after, events[1]["cursor"], events[2]["cursor"]], (
            resume.__name__
        )
    assert [event["prev"] for event in events] == [
        started["cursor"],
        events[0]["cursor"],
        events[1]["cursor"],
    ]


async def test_forged_callback_is_rejected_and_not_logged(gateway: Gateway) -> None:
    room = new_sid()
    async with gateway.subscribe_ws(WATCH, room=room) as messages:
        await take(messages, 1)
        forged = _connected(gateway, room, 1)
        assert await gateway.send_callback(forged, auth_token="0" * 32) == 403
        real = _connected(gateway, room, 2)
        assert await gateway.send_callback(real) == 204
        [event] = await take(messages, 1)
    assert event["sequenceNumber"] == 2


async def test_callback_of_an_unknown_account_is_rejected(gateway: Gateway) -> None:
    fields = {**_connected(gateway, new_sid(), 1), "AccountSid": new_sid("AC")}
    assert await gateway.send_callback(fields) == 403


async def test_duplicate_callback_is_one_event(gateway: Gateway) -> None:
    room = new_sid()
    async with gateway.subscribe_ws(WATCH, room=room) as messages:
        await take(messages, 1)
        duplicate = _connected(gateway, room, 1)
        statuses = await asyncio.gather(*(gateway.send_callback(duplicate) for _ in range(5)))
        assert statuses == [204] * 5
        assert await gateway.send_callback(_connected(gateway, room, 2)) == 204
        events = await take(messages, 2)
    assert [event["sequenceNumber"] for event in events] == [1, 2]


async def test_callback_with_a_field_moved_into_another_is_rejected(gateway: Gateway) -> None:
    """`A=1&B=2` and `A=1B2` have the same signature.

    A callback with a field moved into the value of another must not be accepted.
    """
    fields = _connected(gateway, new_sid(), 1)
    moved = {**fields, "RoomName": fields["RoomName"] + "RoomSid" + fields["RoomSid"]}
    del moved["RoomSid"]
    assert await gateway.send_callback(moved) == 400


async def test_fields_and_identities_that_look_like_others_are_no_attack(gateway: Gateway) -> None:
    room, account = new_sid(), new_sid("AC")
    identities = ("StatusCallbackEventroom-ended", f"RoomSid{new_sid()}", f"AccountSid{account}")
    async with gateway.subscribe_ws(WATCH, room=room) as messages:
        await take(messages, 1)
        for number, identity in enumerate(identities):
            fields = _connected(gateway, room, number)
            fields |= {"ParticipantIdentity": identity, "SubAccountSid": account}
            assert await gateway.send_callback(fields) == 204
        events = await take(messages, len(identities))
    assert [event["participant"]["identity"] for event in events] == list(identities)


async def test_text_that_moves_from_the_form_into_the_query_is_rejected(gateway: Gateway) -> None:
    """A room that is made with an idempotency key has a query in its address."""
    room, other = new_sid(), new_sid()
    now = gateway.callback_fields("room-ended", other)["Timestamp"]
    name = (
        f"AccountSid{gateway.account_sid}RoomSid{other}StatusCallbackEventroom-endedTimestamp{now}"
    )
    fields = gateway.callback_fields(
        "track-added", room, ParticipantSid=new_sid("PA"), TrackSid=new_sid("MT"), TrackName=name
    )
    query = f"key={'0' * 32}"
    signature = gateway.signature(fields, query)
    text = "".join(part + fields[part] for part in sorted(fields))
    moved = query + text[: text.index(name)]
    forged = {"AccountSid": gateway.account_sid, "RoomSid": other, "Timestamp": now}
    forged |= {"StatusCallbackEvent": "room-ended", "TrackSid": fields["TrackSid"]}
    assert moved + "".join(part + forged[part] for part in sorted(forged)) == query + text
    assert await gateway.post_callback(forged, signature, moved) == 400
    assert await gateway.post_callback(fields, signature, query) == 204


async def test_late_room_ended_ends_the_room_and_is_marked_late(gateway: Gateway) -> None:
    room = await gateway.create_room()
    async with gateway.subscribe_ws(WATCH, room=room["sid"]) as messages:
        await take(messages, 1)
        ended = gateway.callback_fields(
            "room-ended", room["sid"], RoomName=room["uniqueName"], Timestamp=_minutes_ago(30)
        )
        assert await gateway.send_callback(ended) == 204
        event = await first_matching(messages, lambda message: message.get("type") == "ROOM_ENDED")
    assert event["isLate"] is True
    result = await gateway.execute(
        "query($r: ID!) { room(ref: {sid: $r}) { status } }", r=room["sid"]
    )
    assert result["room"]["status"] == "COMPLETED"


async def test_mutation_is_an_event(gateway: Gateway) -> None:
    room = await gateway.create_room()
    async with gateway.subscribe_sse(WATCH, room=room["sid"]) as messages:
        await take(messages, 1)
        await gateway.execute(
            """mutation($r: ID!) { completeRoom(input: {room: {sid: $r}}) { room
            { sid } } }""",
            r=room["sid"],
        )
        _, changed = await first_matching(
            messages, lambda message: message[1].get("type") == "ROOM_CHANGED"
        )
    assert changed["source"] == "MUTATION"


async def test_creation_is_one_event_before_all_others(gateway: Gateway) -> None:
    """Twilio's callback and the gateway's own create report it, in either order."""
    async with gateway.subscribe_ws("""subscription { roomEvents {
        ... on RoomEvent { type room { sid } } } }""") as messages:
        await take(messages, 1)
        for _ in range(10):
            sid = (await gateway.create_room())["sid"]
            await gateway.sandbox("POST", f"/rooms/{sid}/participants", {"identity": "Grace"})
            told = [""]
            while told[-1] != "PARTICIPANT_CONNECTED":
                [message] = await take(messages, 1)
                if message.get("room") == {"sid": sid}:
                    told.append(message["type"])
            assert told[1:] == ["ROOM_CREATED", "PARTICIPANT_CONNECTED"]


async def test_callbacks_of_the_sandbox_are_events(gateway: Gateway) -> None:
    room = await gateway.create_room()
    async with gateway.subscribe_ws(WATCH, room=room["sid"]) as messages:
        await take(messages, 1)
        await gateway.sandbox(
            "POST", f"/rooms/{room['sid']}/participants", {"identity": "Grace", "tracks": ["audio"]}
        )
        joined = await first_matching(
            messages, lambda message: message["__typename"] == "ParticipantConnected"
        )
        assert joined["participant"]["identity"] == "Grace"
        await first_matching(messages, lambda message: message.get("type") == "TRACK_ADDED")


def _connected(gateway: Gateway, room: str, number: int) -> dict[str, str]:
    return gateway.callback_fields(
        "participant-connected",
        room,
        ParticipantSid=f"PA{number:032x}",
        ParticipantIdentity=f"guest-{number}",
        ParticipantStatus="connected",
        SequenceNumber=str(number),
    )


def _minutes_ago(minutes: int) -> str:
    return (
        (datetime.now(UTC) - timedelta(minutes=minutes))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
