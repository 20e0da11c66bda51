"""RecordingService over a real channel, to a gateway process."""

from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.rpc.v1 import events_pb2, participant_pb2, recording_pb2, room_pb2, rule_pb2
from tests.rpc.client import Client, Clients, check_refusal, refusal, until
from tests.running import Gateway, new_name

PROCESSING, COMPLETED, DELETED = (
    recording_pb2.RECORDING_STATUS_PROCESSING,
    recording_pb2.RECORDING_STATUS_COMPLETED,
    recording_pb2.RECORDING_STATUS_DELETED,
)
AUDIO, VIDEO = rule_pb2.TRACK_KIND_AUDIO, rule_pb2.TRACK_KIND_VIDEO
INCLUDE, EXCLUDE = rule_pb2.TRACK_RULE_EFFECT_INCLUDE, rule_pb2.TRACK_RULE_EFFECT_EXCLUDE
FAR_AHEAD = Timestamp(seconds=4_000_000_000)


def rule(effect: int, **filters: Any) -> recording_pb2.RecordingRule:
    fields: Any = {"effect": effect, **filters}
    return recording_pb2.RecordingRule(**fields)


@dataclass(frozen=True)
class Meeting:
    """A room in which ann's audio and video are recorded."""

    room: room_pb2.Room
    ann: participant_pb2.Participant
    audio: recording_pb2.Recording
    video: recording_pb2.Recording


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients.recordings


async def record(gateway: Gateway, clients: Clients) -> Meeting:
    room = (
        await clients.rooms.CreateRoom(unique_name=new_name(), record_participants_on_connect=True)
    ).room
    await gateway.sandbox(
        "POST", f"/rooms/{room.sid}/participants", {"identity": "ann", "tracks": ["audio", "video"]}
    )
    page = await until(
        lambda: clients.recordings.ListRoomRecordings(room=room.sid),
        lambda page: len(page.recordings) == 2,
    )
    recordings = {item.type: item for item in page.recordings}
    ann = (await clients.participants.GetParticipant(room=room.sid, participant="ann")).participant
    return Meeting(room, ann, recordings[AUDIO], recordings[VIDEO])


@pytest.fixture(scope="module")
async def meeting(gateway: Gateway, clients: Clients) -> Meeting:
    """A meeting that no test changes."""
    return await record(gateway, clients)


async def finished_meeting(gateway: Gateway, clients: Clients) -> Meeting:
    """Returns a meeting that has ended and whose recordings are completed."""
    meeting = await record(gateway, clients)
    await clients.rooms.CompleteRoom(room=meeting.room.sid)
    await gateway.sandbox("POST", "/clock", {"advance_s": 60})
    page = await until(
        lambda: clients.recordings.ListRoomRecordings(room=meeting.room.sid),
        lambda page: {item.status for item in page.recordings} == {COMPLETED},
    )
    recordings = {item.type: item for item in page.recordings}
    return Meeting(meeting.room, meeting.ann, recordings[AUDIO], recordings[VIDEO])


async def test_recordings_have_their_participant_and_track(
    client: Client, meeting: Meeting
) -> None:
    audio = meeting.audio

    assert audio.status == PROCESSING
    assert audio.container_format == recording_pb2.CONTAINER_FORMAT_MKA
    assert audio.codec == recording_pb2.MEDIA_CODEC_OPUS
    assert (audio.room_sid, audio.grouping_sids.room_sid) == (meeting.room.sid, meeting.room.sid)
    assert audio.grouping_sids.participant_sid == meeting.ann.sid
    assert audio.source_sid.startswith("MT")
    assert audio.HasField("offset")


@pytest.mark.parametrize("is_in_room", [True, False])
async def test_list_recordings_filters(client: Client, meeting: Meeting, is_in_room: bool) -> None:
    async def sids(**filters: Any) -> set[str]:
        # The account has recordings of other tests too.
        if is_in_room:
            response = await client.ListRoomRecordings(room=meeting.room.sid, **filters)
        else:
            response = await client.ListRecordings(grouping_sids=[meeting.ann.sid], **filters)
        return {item.sid for item in response.recordings}

    both = {meeting.audio.sid, meeting.video.sid}
    assert await sids() == both
    assert await sids(source_sid=meeting.video.source_sid) == {meeting.video.sid}
    assert await sids(statuses=[PROCESSING]) == both
    assert await sids(statuses=[DELETED]) == set()
    assert await sids(created_before=FAR_AHEAD) == both
    assert await sids(created_after=FAR_AHEAD) == set()


async def test_list_recordings_of_the_account_filters_by_media_and_group(
    client: Client, meeting: Meeting
) -> None:
    page = await client.ListRecordings(grouping_sids=[meeting.room.sid], media_type=VIDEO)

    assert [item.sid for item in page.recordings] == [meeting.video.sid]
    assert page.freshness.HasField("fetch_time")


async def test_pages_are_complete_and_do_not_overlap(client: Client, meeting: Meeting) -> None:
    first = await client.ListRoomRecordings(room=meeting.room.sid, page_size=1)
    second = await client.ListRoomRecordings(
        room=meeting.room.sid, page_size=1, page_token=first.next_page_token
    )

    assert {item.sid for page in (first, second) for item in page.recordings} == {
        meeting.audio.sid,
        meeting.video.sid,
    }
    assert second.next_page_token == ""


async def test_get_recording_with_and_without_its_room(client: Client, meeting: Meeting) -> None:
    of_room = await client.GetRoomRecording(
        room=meeting.room.unique_name, recording=meeting.audio.sid
    )
    alone = await client.GetRecording(
        recording=meeting.audio.sid, read_mask=FieldMask(paths=["sid", "source_sid"])
    )

    assert of_room.recording == meeting.audio
    assert alone.recording == recording_pb2.Recording(
        sid=meeting.audio.sid, source_sid=meeting.audio.source_sid
    )


async def test_completed_recording_has_size_and_media_link(
    gateway: Gateway, clients: Clients
) -> None:
    meeting = await finished_meeting(gateway, clients)

    assert (meeting.audio.HasField("size_bytes"), meeting.audio.HasField("duration")) == (
        True,
        True,
    )
    media = (await clients.recordings.GetRecordingMedia(recording=meeting.audio.sid)).media
    assert media.url.startswith("http")


@pytest.mark.parametrize("is_in_room", [True, False])
async def test_deleted_recording_keeps_its_metadata(
    gateway: Gateway, clients: Clients, is_in_room: bool
) -> None:
    meeting, client = await finished_meeting(gateway, clients), clients.recordings
    if is_in_room:
        await client.DeleteRoomRecording(room=meeting.room.sid, recording=meeting.audio.sid)
    else:
        await client.DeleteRecording(recording=meeting.audio.sid)

    alone = (await client.GetRecording(recording=meeting.audio.sid)).recording
    of_room = (
        await client.GetRoomRecording(room=meeting.room.sid, recording=meeting.audio.sid)
    ).recording
    assert (alone.status, of_room.status) == (DELETED, DELETED)
    await check_refusal(client.GetRecordingMedia(recording=meeting.audio.sid), "NOT_FOUND")
    assert (await client.GetRecording(recording=meeting.video.sid)).recording.status == COMPLETED
    changed = [
        item.event.room_changed.change
        for item in (await clients.rooms.ListRoomEvents(room=meeting.room.sid)).events
    ]
    assert changed.count(events_pb2.ROOM_CHANGE_KIND_RECORDING) == 1


async def test_update_recording_rules(gateway: Gateway, clients: Clients) -> None:
    meeting, client = await record(gateway, clients), clients.recordings
    before = (await client.GetRecordingRules(room=meeting.room.sid)).recording_rules
    assert [(item.effect, item.all) for item in before.rules] == [
        (rule_pb2.TRACK_RULE_EFFECT_INCLUDE, True)
    ]

    new = [
        rule(INCLUDE, kind=rule_pb2.TRACK_KIND_AUDIO),
        rule(EXCLUDE, publisher="bob", track="mic"),
    ]
    set_ = (
        await client.UpdateRecordingRules(room=meeting.room.unique_name, rules=new)
    ).recording_rules

    assert set_.room_sid == meeting.room.sid
    assert [item.effect for item in set_.rules] == [
        rule_pb2.TRACK_RULE_EFFECT_INCLUDE,
        rule_pb2.TRACK_RULE_EFFECT_EXCLUDE,
    ]
    assert (set_.rules[0].kind, set_.rules[1].publisher, set_.rules[1].track) == (
        AUDIO,
        "bob",
        "mic",
    )
    assert (await client.GetRecordingRules(room=meeting.room.sid)).recording_rules == set_


async def test_contradicting_rules_are_rejected_and_change_nothing(
    client: Client, meeting: Meeting
) -> None:
    before = (await client.GetRecordingRules(room=meeting.room.sid)).recording_rules
    contradiction = [rule(INCLUDE, all=True), rule(EXCLUDE, all=True)]

    await check_refusal(
        client.UpdateRecordingRules(room=meeting.room.sid, rules=contradiction), "INVALID_ARGUMENT"
    )

    assert (await client.GetRecordingRules(room=meeting.room.sid)).recording_rules == before


async def test_a_recording_of_another_room_is_not_found(
    gateway: Gateway, clients: Clients, meeting: Meeting
) -> None:
    other = (await clients.rooms.CreateRoom(unique_name=new_name())).room
    fields = {"room": other.sid, "recording": meeting.audio.sid}

    assert (await refusal(clients.recordings.GetRoomRecording(**fields)))[0] == "NOT_FOUND"
    assert (await refusal(clients.recordings.DeleteRoomRecording(**fields)))[0] == "NOT_FOUND"
    assert (
        await clients.recordings.GetRecording(recording=meeting.audio.sid)
    ).recording.status == PROCESSING


UNKNOWN_SID = "RT" + "0" * 32


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("ListRoomRecordings", {}, "INVALID_ARGUMENT"),
        ("ListRoomRecordings", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("ListRecordings", {"page_size": -1}, "INVALID_ARGUMENT"),
        ("ListRecordings", {"page_token": "nonsense"}, "INVALID_ARGUMENT"),
        ("ListRecordings", {"statuses": [99]}, "INVALID_ARGUMENT"),
        (
            "ListRecordings",
            {"statuses": [recording_pb2.RECORDING_STATUS_UNKNOWN]},
            "INVALID_ARGUMENT",
        ),
        ("ListRecordings", {"source_sid": "PA" + "0" * 32}, "INVALID_ARGUMENT"),
        ("ListRecordings", {"grouping_sids": ["MT" + "0" * 32]}, "INVALID_ARGUMENT"),
        ("ListRecordings", {"grouping_sids": ["RM" + "0" * 32] * 21}, "INVALID_ARGUMENT"),
        ("ListRecordings", {"media_type": rule_pb2.TRACK_KIND_UNKNOWN}, "INVALID_ARGUMENT"),
        (
            "ListRecordings",
            {"read_mask": FieldMask(paths=["grouping_sids.sid"])},
            "INVALID_ARGUMENT",
        ),
        ("GetRecording", {}, "INVALID_ARGUMENT"),
        ("GetRecording", {"recording": "RM" + "0" * 32}, "INVALID_ARGUMENT"),
        ("GetRecording", {"recording": UNKNOWN_SID}, "NOT_FOUND"),
        ("GetRoomRecording", {"room": "nobody-is-here", "recording": UNKNOWN_SID}, "NOT_FOUND"),
        ("GetRecordingMedia", {"recording": UNKNOWN_SID}, "NOT_FOUND"),
        ("GetRecordingMedia", {"recording": "../Rooms"}, "INVALID_ARGUMENT"),
        ("DeleteRecording", {"recording": UNKNOWN_SID}, "NOT_FOUND"),
        ("DeleteRecording", {"recording": "RT"}, "INVALID_ARGUMENT"),
        ("DeleteRoomRecording", {"room": "RM" + "0" * 32, "recording": UNKNOWN_SID}, "NOT_FOUND"),
        ("GetRecordingRules", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("UpdateRecordingRules", {"room": "a room"}, "INVALID_ARGUMENT"),
        (
            "UpdateRecordingRules",
            {"room": "a room", "rules": [rule(INCLUDE, kind=3)]},
            "INVALID_ARGUMENT",
        ),
        (
            "UpdateRecordingRules",
            {"room": "nobody-is-here", "rules": [rule(INCLUDE, all=True)]},
            "NOT_FOUND",
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
async def test_invalid_requests_are_rejected(
    client: Client, method: str, fields: dict[str, Any], code: str
) -> None:
    await check_refusal(getattr(client, method)(**fields), code)
