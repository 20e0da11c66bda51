"""The unmodified `twilio` helper library drives the sandbox, sync and async."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from gateway.sandbox import Sandbox
from gateway.sandbox.model import TrackKind, TrackSettings

# The library's async client still logs in by a way that aiohttp 3.14 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

NAMES = ["Ada", "Ivo", "Uma"]


@pytest.fixture
async def async_client(sandbox: Sandbox) -> AsyncIterator[Client]:
    http = AsyncTwilioHttpClient()
    client = Client(sandbox.api_key_sid, sandbox.api_key_secret, sandbox.account_sid, http_client=http)
    client.video.base_url = sandbox.url
    yield client
    await http.session.close()


def fill(sandbox: Sandbox, room_sid: str) -> None:
    for name in NAMES:
        room = sandbox.engine.find(room_sid)
        assert room
        sandbox.engine.join(room, name, (TrackSettings(TrackKind.AUDIO),))


def drive_rooms(client: Client) -> None:
    rooms = client.video.v1.rooms
    made = rooms.create(
        unique_name="Daily Standup",
        type="group",
        status_callback="http://127.0.0.1:9/cb#rc=0",
        status_callback_method="GET",
        max_participants=12,
        max_participant_duration=3600,
        empty_room_timeout=2,
        unused_room_timeout=3,
        record_participants_on_connect=True,
        recording_rules=[{"type": "include", "kind": "audio"}],
        video_codecs=["H264"],
        media_region="de1",
        audio_only=False,
        large_room=True,
        enable_turn=True,
        transcribe_participants_on_connect=True,
        transcriptions_configuration={"languageCode": "en-US"},
    )
    assert (made.unique_name, made.status, made.type, made.max_participants) == (
        "Daily Standup",
        "in-progress",
        "group",
        12,
    )
    assert (made.max_participant_duration, made.empty_room_timeout, made.unused_room_timeout) == (3600, 2, 3)
    assert (made.video_codecs, made.media_region, made.large_room) == (["H264"], "de1", True)
    assert (made.status_callback, made.status_callback_method) == ("http://127.0.0.1:9/cb#rc=0", "GET")
    assert (made.record_participants_on_connect, made.end_time, made.duration) == (True, None, None)
    assert isinstance(made.date_created, datetime)
    assert rooms(made.sid).fetch().sid == rooms("Daily Standup").fetch().sid == made.sid
    assert rooms(made.sid).update(status="completed").status == "completed"
    assert rooms(made.sid).fetch().end_time is not None


def drive_lists(client: Client) -> None:
    rooms = client.video.v1.rooms
    made = [rooms.create(unique_name=f"room {n}").sid for n in range(5)]
    done = rooms(made[0]).update(status="completed")
    now = datetime.now(UTC)
    newest_first = made[:0:-1]
    assert [room.sid for room in rooms.list(page_size=2)] == newest_first
    assert [room.sid for room in rooms.stream(limit=3, page_size=2)] == newest_first[:3]
    assert [room.sid for room in rooms.list(limit=2000)] == newest_first
    assert [room.sid for room in rooms.list(status="completed")] == [done.sid]
    assert [room.sid for room in rooms.list(unique_name="room 3")] == [made[3]]
    assert (
        len(rooms.list(date_created_after=now - timedelta(hours=1), date_created_before=now + timedelta(hours=1))) == 4
    )
    assert rooms.list(date_created_after=now + timedelta(hours=1)) == []
    first = rooms.page(page_size=3)
    second = first.next_page()
    assert [room.sid for room in second] == newest_first[3:]
    assert second.next_page() is None
    assert [room.sid for room in second.previous_page()] == newest_first[:3]
    assert [room.sid for room in rooms.get_page(first.next_page_url)] == newest_first[3:]


def drive_participants(client: Client, room_sid: str) -> None:
    participants = client.video.v1.rooms(room_sid).participants
    assert [each.identity for each in participants.list(page_size=1)] == NAMES[::-1]
    ada = participants("Ada").fetch()
    assert (ada.status, ada.room_sid, ada.end_time, ada.duration) == ("connected", room_sid, None, None)
    gone = participants("Ada").update(status="disconnected")
    assert (gone.sid, gone.status, isinstance(gone.duration, int)) == (ada.sid, "disconnected", True)
    assert [each.sid for each in participants.list(status="disconnected")] == [ada.sid]
    assert [each.identity for each in participants.list(identity="Ivo")] == ["Ivo"]
    assert participants.list(date_created_after=datetime.now(UTC) + timedelta(hours=1)) == []


def drive_errors(client: Client) -> None:
    rooms = client.video.v1.rooms
    rooms.create(unique_name="taken")
    refusals = [
        (lambda: rooms.create(unique_name="taken"), 400, 53113),
        (lambda: rooms.create(max_participants=51), 400, 53107),
        (lambda: rooms.create(type="huge"), 400, 53108),
        (lambda: rooms("RM" + "0" * 32).fetch(), 404, 20404),
        (lambda: rooms("a/b").fetch(), 404, 20404),
        (lambda: rooms("taken").update(status="failed"), 400, 53112),
        (lambda: rooms("taken").participants("nobody").fetch(), 404, 20404),
    ]
    for act, status, code in refusals:
        with pytest.raises(TwilioRestException) as caught:
            act()
        assert (caught.value.status, caught.value.code) == (status, code)
        assert caught.value.uri
    with pytest.raises(TwilioException):
        rooms.list(status="huge")


@pytest.mark.parametrize("drive", [drive_rooms, drive_lists, drive_errors])
async def test_the_sync_client_drives_rooms(sandbox: Sandbox, drive: object) -> None:
    assert callable(drive)
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = sandbox.url

    await asyncio.to_thread(drive, client)


async def test_the_sync_client_drives_participants(sandbox: Sandbox) -> None:
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = sandbox.url
    room = await asyncio.to_thread(client.video.v1.rooms.create)
    fill(sandbox, room.sid)

    await asyncio.to_thread(drive_participants, client, room.sid)


async def test_the_async_client_drives_rooms(async_client: Client) -> None:
    rooms = async_client.video.v1.rooms
    made = [(await rooms.create_async(unique_name=f"room {n}")).sid for n in range(5)]
    fetched = await rooms("room 0").fetch_async()
    done = await rooms(made[0]).update_async(status="completed")

    assert (fetched.sid, done.status) == (made[0], "completed")
    assert [room.sid for room in await rooms.list_async(page_size=2)] == made[:0:-1]
    assert [room.sid async for room in await rooms.stream_async(limit=2)] == made[:2:-1]
    assert [room.sid for room in await rooms.list_async(status="completed")] == [made[0]]
    assert [room.sid for room in await rooms.list_async(unique_name="room 3")] == [made[3]]
    first = await rooms.page_async(page_size=3)
    second = await first.next_page_async()
    assert [room.sid for room in second] == made[1:2]
    with pytest.raises(TwilioRestException) as caught:
        await rooms.create_async(unique_name="room 1")
    assert (caught.value.status, caught.value.code) == (400, 53113)


async def test_the_async_client_drives_participants(sandbox: Sandbox, async_client: Client) -> None:
    room = await async_client.video.v1.rooms.create_async()
    fill(sandbox, room.sid)
    participants = async_client.video.v1.rooms(room.sid).participants
    ada = await participants("Ada").fetch_async()
    gone = await participants(ada.sid).update_async(status="disconnected")

    assert (ada.status, gone.status) == ("connected", "disconnected")
    assert [each.identity for each in await participants.list_async(page_size=1)] == ["Uma", "Ivo"]
    assert [each.identity for each in await participants.list_async(status="disconnected")] == ["Ada"]
    with pytest.raises(TwilioRestException) as caught:
        await participants("Ada").fetch_async()
    assert (caught.value.status, caught.value.code) == (404, 20404)
