"""The unmodified `twilio` helper library drives the sandbox, sync and async."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from gateway.sandbox import Sandbox
from gateway.sandbox.world.model import TrackKind, TrackSettings
from tests.sandbox.conftest import Api
from tests.sandbox.documents import OPERATIONS
from tests.sandbox.stage import Stage, set_up

# The library's async client still logs in by a way that aiohttp 3.14 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

NAMES = ["Ada", "Ivo", "Uma"]


@pytest.fixture
async def async_client(sandbox: Sandbox) -> AsyncIterator[Client]:
    http = AsyncTwilioHttpClient()
    client = Client(
        sandbox.api_key_sid, sandbox.api_key_secret, sandbox.account_sid, http_client=http
    )
    client.video.base_url = client.insights.base_url = sandbox.url
    yield client
    await http.session.close()


def fill(sandbox: Sandbox, room_sid: str) -> None:
    for name in NAMES:
        room = sandbox.world.find_room(room_sid)
        assert room
        sandbox.world.join(room, name, (TrackSettings(TrackKind.AUDIO),))


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
    assert (made.max_participant_duration, made.empty_room_timeout, made.unused_room_timeout) == (
        3600,
        2,
        3,
    )
    assert (made.video_codecs, made.media_region, made.large_room) == (["H264"], "de1", True)
    assert (made.status_callback, made.status_callback_method) == (
        "http://127.0.0.1:9/cb#rc=0",
        "GET",
    )
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
        len(
            rooms.list(
                date_created_after=now - timedelta(hours=1),
                date_created_before=now + timedelta(hours=1),
            )
        )
        == 4
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
    assert (ada.status, ada.room_sid, ada.end_time, ada.duration) == (
        "connected",
        room_sid,
        None,
        None,
    )
    gone = participants("Ada").update(status="disconnected")
    assert (gone.sid, gone.status, isinstance(gone.duration, int)) == (
        ada.sid,
        "disconnected",
        True,
    )
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
    assert [each.identity for each in await participants.list_async(status="disconnected")] == [
        "Ada"
    ]
    with pytest.raises(TwilioRestException) as caught:
        await participants("Ada").fetch_async()
    assert (caught.value.status, caught.value.code) == (404, 20404)


@dataclass(frozen=True, slots=True)
class Driven:
    """One operation in the library's words: a resource, its method, what it is given, and what it must answer."""

    resource: Callable[[Client, Stage], Any]
    verb: str
    given: dict[str, Any]
    judge: Callable[[Any, Stage], bool]


def participant(client: Client, stage: Stage) -> Any:
    return client.video.v1.rooms(stage.room).participants(stage.participant)


def room(client: Client, stage: Stage) -> Any:
    return client.video.v1.rooms(stage.room)


def ended(client: Client, stage: Stage) -> Any:
    return client.insights.v1.rooms(stage.ended)


LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)
AROUND = {"date_created_after": EARLIER, "date_created_before": LATER}

DRIVEN = {
    "CreateRoom": Driven(
        lambda client, _: client.video.v1.rooms,
        "create",
        {"type": "group"},
        lambda got, _: got.status == "in-progress",
    ),
    "ListRoom": Driven(
        lambda client, _: client.video.v1.rooms,
        "list",
        {"status": "completed", **AROUND},
        lambda got, stage: [each.sid for each in got] == [stage.ended],
    ),
    "FetchRoom": Driven(room, "fetch", {}, lambda got, stage: got.unique_name == "stage"),
    "UpdateRoom": Driven(
        room, "update", {"status": "completed"}, lambda got, _: got.status == "completed"
    ),
    "ListRoomParticipant": Driven(
        lambda client, stage: room(client, stage).participants,
        "list",
        {"status": "connected", "identity": "Ada", **AROUND},
        lambda got, stage: [each.sid for each in got] == [stage.participant],
    ),
    "FetchRoomParticipant": Driven(participant, "fetch", {}, lambda got, _: got.identity == "Ada"),
    "UpdateRoomParticipant": Driven(
        participant,
        "update",
        {"status": "disconnected"},
        lambda got, _: got.status == "disconnected",
    ),
    "UpdateRoomParticipantAnonymize": Driven(
        lambda client, stage: participant(client, stage).anonymize(),
        "update",
        {},
        lambda got, stage: got.identity == stage.participant,
    ),
    "ListRoomParticipantPublishedTrack": Driven(
        lambda client, stage: participant(client, stage).published_tracks,
        "list",
        {"page_size": 1},
        lambda got, _: [each.kind for each in got] == ["data", "video", "audio"],
    ),
    "FetchRoomParticipantPublishedTrack": Driven(
        lambda client, stage: participant(client, stage).published_tracks("cam"),
        "fetch",
        {},
        lambda got, stage: (got.sid, got.enabled) == (stage.published, True),
    ),
    "ListRoomParticipantSubscribedTrack": Driven(
        lambda client, stage: participant(client, stage).subscribed_tracks,
        "list",
        {"page_size": 2},
        lambda got, stage: (
            len(got) == 3 and all(each.participant_sid == stage.participant for each in got)
        ),
    ),
    "FetchRoomParticipantSubscribedTrack": Driven(
        lambda client, stage: participant(client, stage).subscribed_tracks(stage.subscribed),
        "fetch",
        {},
        lambda got, stage: got.name == "cam" and got.publisher_sid != stage.participant,
    ),
    "FetchRoomParticipantSubscribeRule": Driven(
        lambda client, stage: participant(client, stage).subscribe_rules,
        "fetch",
        {},
        lambda got, _: got.rules == [{"type": "include", "all": True}],
    ),
    "UpdateRoomParticipantSubscribeRule": Driven(
        lambda client, stage: participant(client, stage).subscribe_rules,
        "update",
        {"rules": [{"type": "include", "kind": "data", "priority": "high"}]},
        lambda got, _: got.rules == [{"type": "include", "kind": "data", "priority": "high"}],
    ),
    "FetchRoomRecordingRule": Driven(
        lambda client, stage: room(client, stage).recording_rules,
        "fetch",
        {},
        lambda got, _: got.rules == [{"type": "include", "all": True}],
    ),
    "UpdateRoomRecordingRule": Driven(
        lambda client, stage: room(client, stage).recording_rules,
        "update",
        {"rules": [{"type": "exclude", "publisher": "Ada", "track": "cam"}]},
        lambda got, _: got.rules == [{"type": "exclude", "publisher": "Ada", "track": "cam"}],
    ),
    "ListRoomRecording": Driven(
        lambda client, stage: room(client, stage).recordings,
        "list",
        {"status": "completed", **AROUND},
        lambda got, stage: [each.sid for each in got] == [stage.recording],
    ),
    "FetchRoomRecording": Driven(
        lambda client, stage: room(client, stage).recordings(stage.recording),
        "fetch",
        {},
        lambda got, stage: (
            (got.room_sid, got.status, got.codec) == (stage.room, "completed", "OPUS")
        ),
    ),
    "DeleteRoomRecording": Driven(
        lambda client, stage: room(client, stage).recordings(stage.recording),
        "delete",
        {},
        lambda got, _: got is True,
    ),
    "ListRecording": Driven(
        lambda client, _: client.video.v1.recordings,
        "list",
        {"media_type": "video", "status": "processing", "page_size": 1, **AROUND},
        lambda got, stage: [each.grouping_sids["room_sid"] for each in got] == [stage.room] * 2,
    ),
    "FetchRecording": Driven(
        lambda client, stage: client.video.v1.recordings(stage.recording),
        "fetch",
        {},
        lambda got, _: (
            (got.type, got.container_format, got.duration, got.size) == ("audio", "mka", 1, 6000)
        ),
    ),
    "DeleteRecording": Driven(
        lambda client, stage: client.video.v1.recordings(stage.recording),
        "delete",
        {},
        lambda got, _: got is True,
    ),
    "ListRoomTranscriptions": Driven(
        lambda client, stage: room(client, stage).transcriptions,
        "list",
        {},
        lambda got, stage: [each.ttid for each in got] == [stage.ttid],
    ),
    "CreateRoomTranscriptions": Driven(
        lambda client, stage: client.video.v1.rooms(stage.bare).transcriptions,
        "create",
        {"configuration": {"languageCode": "de-DE", "partialResults": True}},
        lambda got, _: got.configuration == {"languageCode": "de-DE", "partialResults": "true"},
    ),
    "FetchRoomTranscriptions": Driven(
        lambda client, stage: room(client, stage).transcriptions(stage.ttid),
        "fetch",
        {},
        lambda got, _: (got.status, got.date_updated, got.end_time) == ("started", None, None),
    ),
    "UpdateRoomTranscriptions": Driven(
        lambda client, stage: room(client, stage).transcriptions(stage.ttid),
        "update",
        {"status": "stopped"},
        lambda got, _: got.status == "stopped" and got.end_time is not None,
    ),
    "ListVideoRoomSummary": Driven(
        lambda client, _: client.insights.v1.rooms,
        "list",
        {
            "room_type": ["group", "peer_to_peer"],
            "codec": ["opus"],
            "created_after": EARLIER,
            "created_before": LATER,
        },
        lambda got, stage: [each.room_sid for each in got] == [stage.ended],
    ),
    "FetchVideoRoomSummary": Driven(
        ended,
        "fetch",
        {},
        lambda got, _: (got.end_reason, got.edge_location) == ("room_ended_via_api", "frankfurt"),
    ),
    "ListVideoParticipantSummary": Driven(
        lambda client, stage: ended(client, stage).participants,
        "list",
        {},
        lambda got, _: [each.participant_identity for each in got] == ["Uma"],
    ),
    "FetchVideoParticipantSummary": Driven(
        lambda client, stage: ended(client, stage).participants(stage.ended_participant),
        "fetch",
        {},
        lambda got, _: (got.codecs, got.error_code) == (["opus", "VP8"], 0),
    ),
}


def test_every_documented_operation_is_driven() -> None:
    assert set(DRIVEN) == set(OPERATIONS)


@pytest.mark.parametrize("driven", DRIVEN.values(), ids=DRIVEN)
async def test_the_sync_client_drives_every_operation(
    sandbox: Sandbox, api: Api, driven: Driven
) -> None:
    stage = await set_up(api)
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = client.insights.base_url = sandbox.url

    got = await asyncio.to_thread(
        getattr(driven.resource(client, stage), driven.verb), **driven.given
    )

    assert driven.judge(got, stage), vars(got) if hasattr(got, "__dict__") else got


@pytest.mark.parametrize("driven", DRIVEN.values(), ids=DRIVEN)
async def test_the_async_client_drives_every_operation(
    api: Api, async_client: Client, driven: Driven
) -> None:
    stage = await set_up(api)

    got = await getattr(driven.resource(async_client, stage), f"{driven.verb}_async")(
        **driven.given
    )

    assert driven.judge(got, stage), vars(got) if hasattr(got, "__dict__") else got


async def test_the_client_finds_the_recordings_of_a_room_and_of_a_participant(
    sandbox: Sandbox, api: Api
) -> None:
    stage = await set_up(api)
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = sandbox.url
    recordings = client.video.v1.recordings

    def sids(*groups: str) -> set[str]:
        return {each.sid for each in recordings.list(grouping_sid=list(groups))}

    of_room = await asyncio.to_thread(sids, stage.room)
    of_participant = await asyncio.to_thread(sids, stage.participant)

    assert stage.running in of_participant < of_room
    assert await asyncio.to_thread(sids, stage.room, stage.participant) == of_participant
    assert await asyncio.to_thread(sids, stage.room, stage.ended) > of_room
