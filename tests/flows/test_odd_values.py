"""Values that Twilio may send and that are hard to show: every face shows the event, on
a live stream and when it is read again."""

import asyncio
import json
from dataclasses import fields
from datetime import UTC, datetime

from gateway.core.events import NUMBER_LIMITS, RoomEvent
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.rpc.client import Clients
from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_name, new_sid

EVERYTHING = """subscription($room: ID!) { roomEvents(room: {sid: $room}) {
    __typename cursor
    ... on RoomEvent { sequenceNumber room { sid uniqueName status type durationSeconds } }
    ... on ParticipantEvent { participant { sid identity status durationSeconds } }
    ... on PublishedTrackEvent { track { sid kind name } }
    ... on RecordingEvent { participantIdentity recording { sid sourceSid type trackName codec
        containerFormat sizeBytes durationSeconds offsetMs mediaExternalLocation
        twilio { url links { media } } unknownWords { field word } } }
    ... on RecordingFailed { failedOperation }
} }"""

# The numbers of Twilio's callbacks, each in an event that has it.
NUMBERS = {
    "SequenceNumber": "participant-connected",
    "RoomDuration": "room-ended",
    "ParticipantDuration": "participant-disconnected",
    "OffsetFromTwilioVideoEpoch": "recording-started",
    "Duration": "recording-completed",
    "Size": "recording-completed",
}
# The texts of Twilio's callbacks that are not checked.
TEXTS = {
    "RoomName": "participant-connected",
    "RoomStatus": "participant-connected",
    "RoomType": "participant-connected",
    "ParticipantIdentity": "participant-connected",
    "ParticipantStatus": "track-added",
    "TrackKind": "track-added",
    "TrackName": "track-added",
    "SourceSid": "recording-started",
    "RecordingUri": "recording-started",
    "Type": "recording-started",
    "Container": "recording-started",
    "Codec": "recording-started",
    "MediaUri": "recording-completed",
    "MediaExternalLocation": "recording-completed",
    "FailedOperation": "recording-failed",
}
ODD_NUMBERS = ["2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "9" * 30]
ODD_TEXTS = ["\x00", "\ufeff\u202e", "\U0001f469\u200d\U0001f680", "\uffff", "x" * 3000]


def odd_callbacks(gateway: Gateway, room: str) -> list[dict[str, str]]:
    """Returns one callback for each odd value of each field."""
    found: list[dict[str, str]] = []
    now = datetime.now(UTC)
    for values, names in ((ODD_NUMBERS, NUMBERS), (ODD_TEXTS, TEXTS)):
        for name, event in names.items():
            for value in values:
                more = {
                    "ParticipantSid": new_sid("PA"),
                    "TrackSid": new_sid("MT"),
                    "RecordingSid": new_sid("RT"),
                    # Without a time of its own, an event would repeat the one before.
                    "Timestamp": now.replace(microsecond=len(found)).isoformat(),
                }
                found.append(gateway.callback_fields(event, room, **more | {name: value}))
    return found


def test_every_number_of_an_event_is_tried() -> None:
    numbers = {field.name for field in fields(RoomEvent) if "int" in str(field.type)}
    assert numbers == NUMBER_LIMITS.keys()
    assert len(NUMBERS) == len(NUMBER_LIMITS)


async def test_every_face_shows_an_event_with_an_odd_value(gateway: Gateway) -> None:
    room = new_sid()
    sent = odd_callbacks(gateway, room)
    async with gateway.websocket() as socket, gateway.channel() as channel:
        payload = {"query": EVERYTHING, "variables": {"room": room}}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})

        async def shown() -> str:
            """Returns the cursor of the next message of the subscription."""
            while True:
                frame = json.loads(await socket.receive_str(timeout=RESPONSE_TIMEOUT_S))
                if frame["type"] == "next":
                    assert "errors" not in frame["payload"], frame
                    cursor: str = frame["payload"]["data"]["roomEvents"]["cursor"]
                    return cursor

        stub = stubs.RoomServiceStub(channel)
        request = pb.WatchRoomEventsRequest(room=room)
        live = stub.WatchRoomEvents(request, metadata=gateway.metadata)
        await asyncio.wait_for(live.read(), RESPONSE_TIMEOUT_S)
        start = await shown()
        for callback in sent:
            assert await gateway.send_callback(callback) == 204, callback
        cursors = [await shown() for _ in sent]
        request = pb.WatchRoomEventsRequest(room=room, after=start)
        resumed = stub.WatchRoomEvents(request, metadata=gateway.metadata)
        for stream in (live, resumed):
            messages = [
                await asyncio.wait_for(stream.read(), RESPONSE_TIMEOUT_S)
                for _ in range(len(sent) + (stream is resumed))
            ]
            events = [message for message in messages if message.WhichOneof("message") == "event"]
            assert [message.cursor for message in events] == cursors
            numbers = [event.event.sequence_number for event in events[: len(ODD_NUMBERS)]]
            assert numbers == [2**31 - 1, 0, 0, 0, 0]
            assert not events[1].event.HasField("sequence_number")


async def test_an_odd_row_does_not_hide_its_page(gateway: Gateway, clients: Clients) -> None:
    name = new_name()
    room = await gateway.create_room(name)
    lists = {"path": "/v1/Rooms$", "method": "GET"}
    async with gateway.fault(match=lists, answer="odd_row"):
        data = await gateway.execute(
            """query($name: String!) { rooms(filter: {uniqueName: $name}) {
                nodes { sid maxParticipants emptyRoomTimeoutMinutes } } }""",
            name=name,
        )
        assert data["rooms"]["nodes"] == [
            {"sid": room["sid"], "maxParticipants": None, "emptyRoomTimeoutMinutes": None}
        ]
        found = await clients.rooms.ListRooms(unique_name=name)
    assert [shown.sid for shown in found.rooms] == [room["sid"]]
    assert not found.rooms[0].HasField("max_participants")
