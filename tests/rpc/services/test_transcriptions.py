"""TranscriptionService over a real channel, to a gateway process."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.rpc.v1 import events_pb2, room_pb2, transcription_pb2
from tests.rpc.client import Client, Clients, check_refusal, refusal
from tests.running import new_name

STARTED, STOPPED, FAILED = (
    transcription_pb2.TRANSCRIPTION_STATUS_STARTED,
    transcription_pb2.TRANSCRIPTION_STATUS_STOPPED,
    transcription_pb2.TRANSCRIPTION_STATUS_FAILED,
)
CONFIGURATION = transcription_pb2.TranscriptionsConfiguration(
    transcription_engine="google",
    speech_model="telephony",
    language_code="en-GB",
    partial_results=True,
    profanity_filter=False,
    hints=["Twilio", "rooms"],
    enable_automatic_punctuation=False,
)


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients.transcriptions


@pytest.fixture
async def room(clients: Clients) -> room_pb2.Room:
    room: room_pb2.Room = (await clients.rooms.CreateRoom(unique_name=new_name())).room
    return room


async def test_start_get_and_list_transcription(client: Client, room: room_pb2.Room) -> None:
    created = (
        await client.StartTranscription(room=room.unique_name, configuration=CONFIGURATION)
    ).transcription

    assert (created.room_sid, created.account_sid, created.status) == (
        room.sid,
        room.account_sid,
        STARTED,
    )
    assert created.configuration == CONFIGURATION
    found = await client.GetTranscription(room=room.sid, transcription=created.ttid)
    assert found.transcription == created
    assert found.HasField("freshness")
    page = await client.ListTranscriptions(room=room.sid, read_mask=FieldMask(paths=["ttid"]))
    assert list(page.transcriptions) == [transcription_pb2.Transcription(ttid=created.ttid)]
    assert page.next_page_token == ""


async def test_new_room_has_no_transcription(client: Client, room: room_pb2.Room) -> None:
    assert list((await client.ListTranscriptions(room=room.sid)).transcriptions) == []


async def test_stop_and_restart_transcription(clients: Clients, room: room_pb2.Room) -> None:
    client = clients.transcriptions
    ttid = (await client.StartTranscription(room=room.sid)).transcription.ttid

    for status in (STOPPED, STARTED):
        updated = (
            await client.UpdateTranscription(room=room.sid, transcription=ttid, status=status)
        ).transcription
        assert updated.status == status
        assert (
            await client.GetTranscription(room=room.sid, transcription=ttid)
        ).transcription.status == status
    changed = [
        item.event.room_changed.change
        for item in (await clients.rooms.ListRoomEvents(room=room.sid)).events
    ]
    assert changed.count(events_pb2.ROOM_CHANGE_KIND_TRANSCRIPTION) == 3


async def test_update_transcription_configuration(client: Client, room: room_pb2.Room) -> None:
    ttid = (await client.StartTranscription(room=room.sid)).transcription.ttid
    configuration = transcription_pb2.TranscriptionsConfiguration(
        language_code="de-DE", partial_results=False
    )

    updated = (
        await client.UpdateTranscription(
            room=room.sid, transcription=ttid, configuration=configuration
        )
    ).transcription

    assert (updated.status, updated.configuration.language_code) == (STARTED, "de-DE")
    assert updated.configuration.partial_results is False


async def test_a_transcription_of_another_room_is_not_found(
    clients: Clients, room: room_pb2.Room
) -> None:
    client = clients.transcriptions
    ttid = (await client.StartTranscription(room=room.sid)).transcription.ttid
    other = (await clients.rooms.CreateRoom(unique_name=new_name())).room

    assert (await refusal(client.GetTranscription(room=other.sid, transcription=ttid)))[
        0
    ] == "NOT_FOUND"
    assert (
        await refusal(
            client.UpdateTranscription(room=other.sid, transcription=ttid, status=STOPPED)
        )
    )[0] == "NOT_FOUND"
    assert (
        await client.GetTranscription(room=room.sid, transcription=ttid)
    ).transcription.status == STARTED


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("ListTranscriptions", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("ListTranscriptions", {"page_size": -1}, "INVALID_ARGUMENT"),
        ("ListTranscriptions", {"page_token": "nonsense"}, "INVALID_ARGUMENT"),
        ("ListTranscriptions", {"read_mask": FieldMask(paths=["text"])}, "INVALID_ARGUMENT"),
        ("GetTranscription", {"transcription": ""}, "INVALID_ARGUMENT"),
        ("GetTranscription", {"transcription": "../Participants"}, "INVALID_ARGUMENT"),
        ("GetTranscription", {"transcription": "video_extension_nobody"}, "NOT_FOUND"),
        ("StartTranscription", {"room": "nobody-is-here"}, "NOT_FOUND"),
        (
            "StartTranscription",
            {"configuration": transcription_pb2.TranscriptionsConfiguration(hints=["x"] * 501)},
            "INVALID_ARGUMENT",
        ),
        (
            "StartTranscription",
            {"configuration": transcription_pb2.TranscriptionsConfiguration(hints=["x" * 101])},
            "INVALID_ARGUMENT",
        ),
        ("UpdateTranscription", {"transcription": "video_1"}, "INVALID_ARGUMENT"),
        ("UpdateTranscription", {"transcription": "video_1", "status": FAILED}, "INVALID_ARGUMENT"),
        ("UpdateTranscription", {"transcription": "video_1", "status": 99}, "INVALID_ARGUMENT"),
        ("UpdateTranscription", {"transcription": "video_1", "status": STOPPED}, "NOT_FOUND"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
async def test_invalid_requests_are_rejected(
    client: Client, room: room_pb2.Room, method: str, fields: dict[str, Any], code: str
) -> None:
    await check_refusal(getattr(client, method)(**{"room": room.sid, **fields}), code)
