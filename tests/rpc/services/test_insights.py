"""InsightsService over a real channel, to a gateway process."""

from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.rpc.v1 import insights_pb2, participant_pb2, recording_pb2, room_pb2
from tests.rpc.client import Client, Clients, check_refusal, refusal, until
from tests.running import Gateway, new_name, new_sid

FAR_AHEAD = Timestamp(seconds=4_000_000_000)


@dataclass(frozen=True)
class Meeting:
    """A room that has ended; ann sent audio there, bob listened."""

    room: room_pb2.Room
    ann: participant_pb2.Participant


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients.insights


@pytest.fixture(scope="module")
async def meeting(gateway: Gateway, clients: Clients) -> Meeting:
    room = (await clients.rooms.CreateRoom(unique_name=new_name())).room
    await gateway.sandbox(
        "POST", f"/rooms/{room.sid}/participants", {"identity": "ann", "tracks": ["audio"]}
    )
    await gateway.sandbox("POST", f"/rooms/{room.sid}/participants", {"identity": "bob"})
    found = await until(
        lambda: clients.participants.ListParticipants(room=room.sid),
        lambda page: len(page.participants) == 2,
    )
    await clients.rooms.CompleteRoom(room=room.sid)
    [ann] = [item for item in found.participants if item.identity == "ann"]
    return Meeting(room, ann)


async def test_get_room_summary(client: Client, meeting: Meeting) -> None:
    response = await client.GetInsightsRoom(room=meeting.room.sid)

    room = response.room
    assert (room.room_sid, room.room_name) == (meeting.room.sid, meeting.room.unique_name)
    assert (room.room_type, room.room_status) == (
        room_pb2.ROOM_TYPE_GROUP,
        room_pb2.ROOM_STATUS_COMPLETED,
    )
    assert room.end_reason == insights_pb2.ROOM_END_REASON_API
    assert room.created_method == insights_pb2.ROOM_CREATED_METHOD_API
    assert (room.unique_participants, room.concurrent_participants) == (2, 2)
    assert (list(room.codecs), room.HasField("duration")) == (
        [recording_pb2.MEDIA_CODEC_OPUS],
        True,
    )
    assert room.processing_state == insights_pb2.INSIGHTS_PROCESSING_STATE_IN_PROGRESS
    assert room.twilio.links.participants.endswith("/Participants")
    assert response.freshness.HasField("fetch_time")


@pytest.mark.parametrize(
    ("filters", "is_found"),
    [
        ({}, True),
        ({"room_types": [room_pb2.ROOM_TYPE_GROUP, room_pb2.ROOM_TYPE_GO]}, True),
        ({"room_types": [room_pb2.ROOM_TYPE_PEER_TO_PEER]}, False),
        ({"codecs": [recording_pb2.MEDIA_CODEC_OPUS]}, True),
        ({"codecs": [recording_pb2.MEDIA_CODEC_VP9]}, False),
        ({"created_before": FAR_AHEAD}, True),
        ({"created_after": FAR_AHEAD}, False),
    ],
)
async def test_list_room_summaries_filters(
    client: Client, meeting: Meeting, filters: dict[str, Any], is_found: bool
) -> None:
    page = await client.ListInsightsRooms(room_name=meeting.room.unique_name, **filters)

    assert [item.room_sid for item in page.rooms] == ([meeting.room.sid] if is_found else [])
    assert page.next_page_token == ""


async def test_list_and_get_participant_summaries(client: Client, meeting: Meeting) -> None:
    page = await client.ListInsightsParticipants(room=meeting.room.sid)
    people = {item.participant_identity: item for item in page.participants}
    found = await client.GetInsightsParticipant(room=meeting.room.sid, participant=meeting.ann.sid)

    assert people.keys() == {"ann", "bob"}
    ann = people["ann"]
    assert (ann.participant_sid, ann.room_sid) == (meeting.ann.sid, meeting.room.sid)
    assert list(ann.codecs) == [recording_pb2.MEDIA_CODEC_OPUS]
    assert ann.HasField("join_time")
    assert ann.HasField("leave_time")
    assert (ann.HasField("properties"), ann.HasField("publisher_info")) == (True, True)
    assert found.participant == ann


async def test_pages_are_complete_and_do_not_overlap(client: Client, meeting: Meeting) -> None:
    first = await client.ListInsightsParticipants(room=meeting.room.sid, page_size=1)
    second = await client.ListInsightsParticipants(
        room=meeting.room.sid, page_size=1, page_token=first.next_page_token
    )

    people = [item.participant_identity for page in (first, second) for item in page.participants]
    assert sorted(people) == ["ann", "bob"]
    assert second.next_page_token == ""


async def test_read_mask_selects_fields(client: Client, meeting: Meeting) -> None:
    mask = FieldMask(paths=["participant_sid", "publisher_info"])
    response = await client.GetInsightsParticipant(
        room=meeting.room.sid, participant=meeting.ann.sid, read_mask=mask
    )

    assert {field.name for field, _ in response.participant.ListFields()} == {
        "participant_sid",
        "publisher_info",
    }


async def test_a_room_in_progress_has_no_summary(clients: Clients) -> None:
    room = (await clients.rooms.CreateRoom(unique_name=new_name())).room

    assert (await refusal(clients.insights.GetInsightsRoom(room=room.sid)))[0] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("ListInsightsRooms", {"page_size": -1}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"page_token": "nonsense"}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"room_types": [0]}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"room_types": [1, 1]}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"codecs": [recording_pb2.MEDIA_CODEC_PCMU]}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"codecs": [recording_pb2.MEDIA_CODEC_UNKNOWN]}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"room_name": ""}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"created_after": Timestamp(seconds=1 << 62)}, "INVALID_ARGUMENT"),
        ("ListInsightsRooms", {"read_mask": FieldMask(paths=["sid"])}, "INVALID_ARGUMENT"),
        ("GetInsightsRoom", {"room": "a name"}, "INVALID_ARGUMENT"),
        ("GetInsightsRoom", {"room": new_sid()}, "NOT_FOUND"),
        ("ListInsightsParticipants", {"room": ""}, "INVALID_ARGUMENT"),
        ("GetInsightsParticipant", {"room": new_sid(), "participant": "ann"}, "INVALID_ARGUMENT"),
        ("GetInsightsParticipant", {"room": new_sid(), "participant": new_sid("PA")}, "NOT_FOUND"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
async def test_invalid_requests_are_rejected(
    client: Client, method: str, fields: dict[str, Any], code: str
) -> None:
    await check_refusal(getattr(client, method)(**fields), code)
