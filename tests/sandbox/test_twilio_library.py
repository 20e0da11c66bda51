"""The unmodified `twilio` helper library works with the sandbox, sync and async."""

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
from tests.sandbox.scenario import Scenario, create_scenario

# The async client of the library uses an argument that aiohttp 3.14 deprecates.
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


def use_rooms(client: Client) -> None:
    rooms = client.video.v1.rooms
    created = rooms.create(
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
    assert (created.unique_name, created.status, created.type, created.max_participants) == (
        "Daily Standup",
        "in-progress",
        "group",
        12,
    )
    assert (
        created.max_participant_duration,
        created.empty_room_timeout,
        created.unused_room_timeout,
    ) == (
        3600,
        2,
        3,
    )
    assert (created.video_codecs, created.media_region, created.large_room) == (
        ["H264"],
        "de1",
        True,
    )
    assert (created.status_callback, created.status_callback_method) == (
        "http://127.0.0.1:9/cb#rc=0",
        "GET",
    )
    assert (created.record_participants_on_connect, created.end_time, created.duration) == (
        True,
        None,
        None,
    )
    assert isinstance(created.date_created, datetime)
    assert rooms(created.sid).fetch().sid == rooms("Daily Standup").fetch().sid == created.sid
    assert rooms(created.sid).update(status="completed").status == "completed"
    assert rooms(created.sid).fetch().end_time is not None


def use_lists(client: Client) -> None:
    rooms = client.video.v1.rooms
    created = [rooms.create(unique_name=f"room {n}").sid for n in range(5)]
    completed = rooms(created[0]).update(status="completed")
    now = datetime.now(UTC)
    newest_first = created[:0:-1]
    assert [room.sid for room in rooms.list(page_size=2)] == newest_first
    assert [room.sid for room in rooms.stream(limit=3, page_size=2)] == newest_first[:3]
    assert [room.sid for room in rooms.list(limit=2000)] == newest_first
    assert [room.sid for room in rooms.list(status="completed")] == [completed.sid]
    assert [room.sid for room in rooms.list(unique_name="room 3")] == [created[3]]
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


def use_participants(client: Client, room_sid: str) -> None:
    participants = client.video.v1.rooms(room_sid).participants
    assert [item.identity for item in participants.list(page_size=1)] == NAMES[::-1]
    ada = participants("Ada").fetch()
    assert (ada.status, ada.room_sid, ada.end_time, ada.duration) == (
        "connected",
        room_sid,
        None,
        None,
    )
    left = participants("Ada").update(status="disconnected")
    assert (left.sid, left.status, isinstance(left.duration, int)) == (
        ada.sid,
        "disconnected",
        True,
    )
    assert [item.sid for item in participants.list(status="disconnected")] == [ada.sid]
    assert [item.identity for item in participants.list(identity="Ivo")] == ["Ivo"]
    assert participants.list(date_created_after=datetime.now(UTC) + timedelta(hours=1)) == []


def use_errors(client: Client) -> None:
    rooms = client.video.v1.rooms
    rooms.create(unique_name="taken")
    errors: list[tuple[Callable[[], object], int, int]] = [
        (lambda: rooms.create(unique_name="taken"), 400, 53113),
        (lambda: rooms.create(max_participants=51), 400, 53107),
        (lambda: rooms.create(type="huge"), 400, 53108),
        (lambda: rooms("RM" + "0" * 32).fetch(), 404, 20404),
        (lambda: rooms("a/b").fetch(), 404, 20404),
        (lambda: rooms("taken").update(status="failed"), 400, 53112),
        (lambda: rooms("taken").participants("unknown").fetch(), 404, 20404),
    ]
    for call, status, code in errors:
        with pytest.raises(TwilioRestException) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (status, code)
        assert caught.value.uri
    with pytest.raises(TwilioException):
        rooms.list(status="huge")


@pytest.mark.parametrize("use", [use_rooms, use_lists, use_errors])
async def test_sync_client_handles_rooms(sandbox: Sandbox, use: object) -> None:
    assert callable(use)
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = sandbox.url

    await asyncio.to_thread(use, client)


async def test_sync_client_handles_participants(sandbox: Sandbox) -> None:
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = sandbox.url
    room = await asyncio.to_thread(client.video.v1.rooms.create)
    fill(sandbox, room.sid)

    await asyncio.to_thread(use_participants, client, room.sid)


async def test_async_client_handles_rooms(async_client: Client) -> None:
    rooms = async_client.video.v1.rooms
    created = [(await rooms.create_async(unique_name=f"room {n}")).sid for n in range(5)]
    fetched = await rooms("room 0").fetch_async()
    completed = await rooms(created[0]).update_async(status="completed")

    assert (fetched.sid, completed.status) == (created[0], "completed")
    assert [room.sid for room in await rooms.list_async(page_size=2)] == created[:0:-1]
    assert [room.sid async for room in await rooms.stream_async(limit=2)] == created[:2:-1]
    assert [room.sid for room in await rooms.list_async(status="completed")] == [created[0]]
    assert [room.sid for room in await rooms.list_async(unique_name="room 3")] == [created[3]]
    first = await rooms.page_async(page_size=3)
    second = await first.next_page_async()
    assert [room.sid for room in second] == created[1:2]
    with pytest.raises(TwilioRestException) as caught:
        await rooms.create_async(unique_name="room 1")
    assert (caught.value.status, caught.value.code) == (400, 53113)


async def test_async_client_handles_participants(sandbox: Sandbox, async_client: Client) -> None:
    room = await async_client.video.v1.rooms.create_async()
    fill(sandbox, room.sid)
    participants = async_client.video.v1.rooms(room.sid).participants
    ada = await participants("Ada").fetch_async()
    left = await participants(ada.sid).update_async(status="disconnected")

    assert (ada.status, left.status) == ("connected", "disconnected")
    assert [item.identity for item in await participants.list_async(page_size=1)] == ["Uma", "Ivo"]
    assert [item.identity for item in await participants.list_async(status="disconnected")] == [
        "Ada"
    ]
    with pytest.raises(TwilioRestException) as caught:
        await participants("Ada").fetch_async()
    assert (caught.value.status, caught.value.code) == (404, 20404)


@dataclass(frozen=True, slots=True)
class LibraryCall:
    """One operation as a call of the library, and a check of its result."""

    resource: Callable[[Client, Scenario], Any]
    method: str
    arguments: dict[str, Any]
    check: Callable[[Any, Scenario], bool]


def participant(client: Client, scenario: Scenario) -> Any:
    return client.video.v1.rooms(scenario.room).participants(scenario.participant)


def room(client: Client, scenario: Scenario) -> Any:
    return client.video.v1.rooms(scenario.room)


def ended(client: Client, scenario: Scenario) -> Any:
    return client.insights.v1.rooms(scenario.ended)


LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)
AROUND = {"date_created_after": EARLIER, "date_created_before": LATER}

LIBRARY_CALLS = {
    "CreateRoom": LibraryCall(
        lambda client, _: client.video.v1.rooms,
        "create",
        {"type": "group"},
        lambda result, _: result.status == "in-progress",
    ),
    "ListRoom": LibraryCall(
        lambda client, _: client.video.v1.rooms,
        "list",
        {"status": "completed", **AROUND},
        lambda result, scenario: [item.sid for item in result] == [scenario.ended],
    ),
    "FetchRoom": LibraryCall(
        room, "fetch", {}, lambda result, scenario: result.unique_name == "scenario"
    ),
    "UpdateRoom": LibraryCall(
        room, "update", {"status": "completed"}, lambda result, _: result.status == "completed"
    ),
    "ListRoomParticipant": LibraryCall(
        lambda client, scenario: room(client, scenario).participants,
        "list",
        {"status": "connected", "identity": "Ada", **AROUND},
        lambda result, scenario: [item.sid for item in result] == [scenario.participant],
    ),
    "FetchRoomParticipant": LibraryCall(
        participant, "fetch", {}, lambda result, _: result.identity == "Ada"
    ),
    "UpdateRoomParticipant": LibraryCall(
        participant,
        "update",
        {"status": "disconnected"},
        lambda result, _: result.status == "disconnected",
    ),
    "UpdateRoomParticipantAnonymize": LibraryCall(
        lambda client, scenario: participant(client, scenario).anonymize(),
        "update",
        {},
        lambda result, scenario: result.identity == scenario.participant,
    ),
    "ListRoomParticipantPublishedTrack": LibraryCall(
        lambda client, scenario: participant(client, scenario).published_tracks,
        "list",
        {"page_size": 1},
        lambda result, _: [item.kind for item in result] == ["data", "video", "audio"],
    ),
    "FetchRoomParticipantPublishedTrack": LibraryCall(
        lambda client, scenario: participant(client, scenario).published_tracks("cam"),
        "fetch",
        {},
        lambda result, scenario: (result.sid, result.enabled) == (scenario.published, True),
    ),
    "ListRoomParticipantSubscribedTrack": LibraryCall(
        lambda client, scenario: participant(client, scenario).subscribed_tracks,
        "list",
        {"page_size": 2},
        lambda result, scenario: (
            len(result) == 3
            and all(item.participant_sid == scenario.participant for item in result)
        ),
    ),
    "FetchRoomParticipantSubscribedTrack": LibraryCall(
        lambda client, scenario: participant(client, scenario).subscribed_tracks(
            scenario.subscribed
        ),
        "fetch",
        {},
        lambda result, scenario: (
            result.name == "cam" and result.publisher_sid != scenario.participant
        ),
    ),
    "FetchRoomParticipantSubscribeRule": LibraryCall(
        lambda client, scenario: participant(client, scenario).subscribe_rules,
        "fetch",
        {},
        lambda result, _: result.rules == [{"type": "include", "all": True}],
    ),
    "UpdateRoomParticipantSubscribeRule": LibraryCall(
        lambda client, scenario: participant(client, scenario).subscribe_rules,
        "update",
        {"rules": [{"type": "include", "kind": "data", "priority": "high"}]},
        lambda result, _: result.rules == [{"type": "include", "kind": "data", "priority": "high"}],
    ),
    "FetchRoomRecordingRule": LibraryCall(
        lambda client, scenario: room(client, scenario).recording_rules,
        "fetch",
        {},
        lambda result, _: result.rules == [{"type": "include", "all": True}],
    ),
    "UpdateRoomRecordingRule": LibraryCall(
        lambda client, scenario: room(client, scenario).recording_rules,
        "update",
        {"rules": [{"type": "exclude", "publisher": "Ada", "track": "cam"}]},
        lambda result, _: result.rules == [{"type": "exclude", "publisher": "Ada", "track": "cam"}],
    ),
    "ListRoomRecording": LibraryCall(
        lambda client, scenario: room(client, scenario).recordings,
        "list",
        {"status": "completed", **AROUND},
        lambda result, scenario: [item.sid for item in result] == [scenario.recording],
    ),
    "FetchRoomRecording": LibraryCall(
        lambda client, scenario: room(client, scenario).recordings(scenario.recording),
        "fetch",
        {},
        lambda result, scenario: (
            (result.room_sid, result.status, result.codec) == (scenario.room, "completed", "OPUS")
        ),
    ),
    "DeleteRoomRecording": LibraryCall(
        lambda client, scenario: room(client, scenario).recordings(scenario.recording),
        "delete",
        {},
        lambda result, _: result is True,
    ),
    "ListRecording": LibraryCall(
        lambda client, _: client.video.v1.recordings,
        "list",
        {"media_type": "video", "status": "processing", "page_size": 1, **AROUND},
        lambda result, scenario: (
            [item.grouping_sids["room_sid"] for item in result] == [scenario.room] * 2
        ),
    ),
    "FetchRecording": LibraryCall(
        lambda client, scenario: client.video.v1.recordings(scenario.recording),
        "fetch",
        {},
        lambda result, _: (
            (result.type, result.container_format, result.duration, result.size)
            == ("audio", "mka", 1, 6000)
        ),
    ),
    "DeleteRecording": LibraryCall(
        lambda client, scenario: client.video.v1.recordings(scenario.recording),
        "delete",
        {},
        lambda result, _: result is True,
    ),
    "ListRoomTranscriptions": LibraryCall(
        lambda client, scenario: room(client, scenario).transcriptions,
        "list",
        {},
        lambda result, scenario: [item.ttid for item in result] == [scenario.ttid],
    ),
    "CreateRoomTranscriptions": LibraryCall(
        lambda client, scenario: client.video.v1.rooms(scenario.bare).transcriptions,
        "create",
        {"configuration": {"languageCode": "de-DE", "partialResults": True}},
        lambda result, _: (
            result.configuration == {"languageCode": "de-DE", "partialResults": "true"}
        ),
    ),
    "FetchRoomTranscriptions": LibraryCall(
        lambda client, scenario: room(client, scenario).transcriptions(scenario.ttid),
        "fetch",
        {},
        lambda result, _: (
            (result.status, result.date_updated, result.end_time) == ("started", None, None)
        ),
    ),
    "UpdateRoomTranscriptions": LibraryCall(
        lambda client, scenario: room(client, scenario).transcriptions(scenario.ttid),
        "update",
        {"status": "stopped"},
        lambda result, _: result.status == "stopped" and result.end_time is not None,
    ),
    "ListVideoRoomSummary": LibraryCall(
        lambda client, _: client.insights.v1.rooms,
        "list",
        {
            "room_type": ["group", "peer_to_peer"],
            "codec": ["opus"],
            "created_after": EARLIER,
            "created_before": LATER,
        },
        lambda result, scenario: [item.room_sid for item in result] == [scenario.ended],
    ),
    "FetchVideoRoomSummary": LibraryCall(
        ended,
        "fetch",
        {},
        lambda result, _: (
            (result.end_reason, result.edge_location) == ("room_ended_via_api", "frankfurt")
        ),
    ),
    "ListVideoParticipantSummary": LibraryCall(
        lambda client, scenario: ended(client, scenario).participants,
        "list",
        {},
        lambda result, _: [item.participant_identity for item in result] == ["Uma"],
    ),
    "FetchVideoParticipantSummary": LibraryCall(
        lambda client, scenario: ended(client, scenario).participants(scenario.ended_participant),
        "fetch",
        {},
        lambda result, _: (result.codecs, result.error_code) == (["opus", "VP8"], 0),
    ),
}


def test_every_documented_operation_has_a_library_call() -> None:
    assert set(LIBRARY_CALLS) == set(OPERATIONS)


@pytest.mark.parametrize("library_call", LIBRARY_CALLS.values(), ids=LIBRARY_CALLS)
async def test_sync_client_calls_every_operation(
    sandbox: Sandbox, api: Api, library_call: LibraryCall
) -> None:
    scenario = await create_scenario(api)
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = client.insights.base_url = sandbox.url

    result = await asyncio.to_thread(
        getattr(library_call.resource(client, scenario), library_call.method),
        **library_call.arguments,
    )

    assert library_call.check(result, scenario), (
        vars(result) if hasattr(result, "__dict__") else result
    )


@pytest.mark.parametrize("library_call", LIBRARY_CALLS.values(), ids=LIBRARY_CALLS)
async def test_async_client_calls_every_operation(
    api: Api, async_client: Client, library_call: LibraryCall
) -> None:
    scenario = await create_scenario(api)

    result = await getattr(
        library_call.resource(async_client, scenario), f"{library_call.method}_async"
    )(**library_call.arguments)

    assert library_call.check(result, scenario), (
        vars(result) if hasattr(result, "__dict__") else result
    )


async def test_client_finds_the_recordings_of_a_room_and_of_a_participant(
    sandbox: Sandbox, api: Api
) -> None:
    scenario = await create_scenario(api)
    client = Client(sandbox.account_sid, sandbox.auth_token)
    client.video.base_url = sandbox.url
    recordings = client.video.v1.recordings

    def sids(*groups: str) -> set[str]:
        return {item.sid for item in recordings.list(grouping_sid=list(groups))}

    of_room = await asyncio.to_thread(sids, scenario.room)
    of_participant = await asyncio.to_thread(sids, scenario.participant)

    assert scenario.running in of_participant < of_room
    assert await asyncio.to_thread(sids, scenario.room, scenario.participant) == of_participant
    assert await asyncio.to_thread(sids, scenario.room, scenario.ended) > of_room
