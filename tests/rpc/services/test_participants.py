"""ParticipantService over a real channel, to a gateway process."""

from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.rpc.v1 import events_pb2, participant_pb2, room_pb2, rule_pb2
from tests.rpc.client import Client, Clients, check_refusal, refusal, until
from tests.running import Gateway, new_name, new_sid

CONNECTED = participant_pb2.PARTICIPANT_STATUS_CONNECTED
DISCONNECTED = participant_pb2.PARTICIPANT_STATUS_DISCONNECTED
INCLUDE, EXCLUDE = rule_pb2.TRACK_RULE_EFFECT_INCLUDE, rule_pb2.TRACK_RULE_EFFECT_EXCLUDE
LONG_AGO, FAR_AHEAD = Timestamp(seconds=1_000_000_000), Timestamp(seconds=4_000_000_000)


def rule(effect: int, **filters: Any) -> participant_pb2.SubscribeRule:
    fields: Any = {"effect": effect, **filters}
    return participant_pb2.SubscribeRule(**fields)


@dataclass(frozen=True)
class Meeting:
    """A room in which ann publishes `mic` and `camera`, and bob listens."""

    room: room_pb2.Room
    ann: participant_pb2.Participant
    bob: participant_pb2.Participant

    @property
    def of_ann(self) -> dict[str, str]:
        return {"room": self.room.sid, "participant": self.ann.sid}

    @property
    def of_bob(self) -> dict[str, str]:
        return {"room": self.room.sid, "participant": self.bob.sid}


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients.participants


async def start_meeting(gateway: Gateway, clients: Clients) -> Meeting:
    room = (await clients.rooms.CreateRoom(unique_name=new_name())).room
    tracks = [{"kind": "audio", "name": "mic"}, {"kind": "video", "name": "camera"}]
    await gateway.sandbox(
        "POST", f"/rooms/{room.sid}/participants", {"identity": "ann", "tracks": tracks}
    )
    await gateway.sandbox("POST", f"/rooms/{room.sid}/participants", {"identity": "bob"})
    page = await until(
        lambda: clients.participants.ListParticipants(room=room.sid),
        lambda page: len(page.participants) == 2,
    )
    people = {item.identity: item for item in page.participants}
    return Meeting(room, people["ann"], people["bob"])


@pytest.fixture(scope="module")
async def meeting(gateway: Gateway, clients: Clients) -> Meeting:
    """A meeting that no test changes."""
    return await start_meeting(gateway, clients)


async def test_list_participants(client: Client, meeting: Meeting) -> None:
    page = await client.ListParticipants(room=meeting.room.unique_name)

    assert {item.identity: item.status for item in page.participants} == {
        "ann": CONNECTED,
        "bob": CONNECTED,
    }
    assert {item.room_sid for item in page.participants} == {meeting.room.sid}
    assert {item.account_sid for item in page.participants} == {meeting.room.account_sid}
    assert page.participants[0].HasField("start_time")
    assert not page.participants[0].HasField("end_time")
    assert page.participants[0].twilio.links.published_tracks.endswith("/PublishedTracks")
    assert page.freshness.source == room_pb2.FRESHNESS_SOURCE_CALLBACKS
    assert page.next_page_token == ""


@pytest.mark.parametrize(
    ("filters", "identities"),
    [
        ({"identity": "ann"}, {"ann"}),
        ({"identity": "nobody"}, set()),
        ({"statuses": [CONNECTED]}, {"ann", "bob"}),
        ({"statuses": [DISCONNECTED]}, set()),
        ({"created_after": LONG_AGO, "created_before": FAR_AHEAD}, {"ann", "bob"}),
        ({"created_after": FAR_AHEAD}, set()),
    ],
)
async def test_list_participants_filters(
    client: Client, meeting: Meeting, filters: dict[str, Any], identities: set[str]
) -> None:
    page = await client.ListParticipants(room=meeting.room.sid, **filters)

    assert {item.identity for item in page.participants} == identities


@pytest.mark.parametrize(
    "method", ["ListParticipants", "ListPublishedTracks", "ListSubscribedTracks"]
)
async def test_pages_are_complete_and_do_not_overlap(
    client: Client, meeting: Meeting, method: str
) -> None:
    below = {"ListPublishedTracks": meeting.of_ann, "ListSubscribedTracks": meeting.of_bob}
    ask, fields = getattr(client, method), below.get(method, {"room": meeting.room.sid})
    first = await ask(page_size=1, **fields)
    second = await ask(page_size=1, page_token=first.next_page_token, **fields)

    [one], [other] = (next(iter(page.ListFields()))[1] for page in (first, second))
    assert one.sid != other.sid
    assert second.next_page_token == ""


@pytest.mark.parametrize("named_by", ["sid", "identity"])
async def test_get_participant_by_sid_and_by_identity(
    client: Client, meeting: Meeting, named_by: str
) -> None:
    response = await client.GetParticipant(
        room=meeting.room.sid, participant=getattr(meeting.ann, named_by)
    )

    assert response.participant == meeting.ann
    assert response.freshness.HasField("fetch_time")


async def test_watching_after_as_of_misses_no_event(gateway: Gateway, clients: Clients) -> None:
    meeting = await start_meeting(gateway, clients)
    before = await clients.participants.GetParticipant(**meeting.of_ann)
    await gateway.sandbox("DELETE", f"/rooms/{meeting.room.sid}/participants/ann")

    stream = clients.rooms.WatchRoomEvents(room=meeting.room.sid, after=before.as_of)
    left = await until(
        stream.read,
        lambda message: message.event.HasField("participant_disconnected"),
    )

    assert left.event.participant_disconnected.participant.sid == meeting.ann.sid
    stream.cancel()


async def test_disconnect_participant(gateway: Gateway, clients: Clients) -> None:
    meeting = await start_meeting(gateway, clients)

    gone = (
        await clients.participants.DisconnectParticipant(
            room=meeting.room.unique_name, participant="ann"
        )
    ).participant

    assert (gone.sid, gone.status) == (meeting.ann.sid, DISCONNECTED)
    assert gone.HasField("end_time")
    assert (
        await clients.participants.GetParticipant(**meeting.of_ann)
    ).participant.status == DISCONNECTED
    changes = [
        item.event.room_changed.changed_participant
        for item in (await clients.rooms.ListRoomEvents(room=meeting.room.sid)).events
        if item.event.room_changed.change == events_pb2.ROOM_CHANGE_KIND_PARTICIPANT
    ]
    assert changes == [gone]


async def test_anonymize_participant(gateway: Gateway, clients: Clients) -> None:
    meeting = await start_meeting(gateway, clients)
    await gateway.sandbox("DELETE", f"/rooms/{meeting.room.sid}/participants/ann")
    await until(
        lambda: clients.participants.GetParticipant(**meeting.of_ann),
        lambda response: response.participant.status == DISCONNECTED,
    )

    anonymous = (await clients.participants.AnonymizeParticipant(**meeting.of_ann)).participant

    assert (anonymous.sid, anonymous.identity) == (meeting.ann.sid, meeting.ann.sid)
    assert not anonymous.twilio.HasField("links")
    assert (
        await clients.participants.GetParticipant(**meeting.of_ann)
    ).participant.identity == meeting.ann.sid


async def test_list_published_tracks_and_get_by_sid_and_by_name(
    client: Client, meeting: Meeting
) -> None:
    tracks = {
        track.name: track
        for track in (await client.ListPublishedTracks(**meeting.of_ann)).published_tracks
    }
    by_name = await client.GetPublishedTrack(track="mic", **meeting.of_ann)
    by_sid = await client.GetPublishedTrack(track=tracks["mic"].sid, **meeting.of_ann)

    assert {name: track.kind for name, track in tracks.items()} == {
        "mic": rule_pb2.TRACK_KIND_AUDIO,
        "camera": rule_pb2.TRACK_KIND_VIDEO,
    }
    assert by_name.published_track == by_sid.published_track == tracks["mic"]
    assert (tracks["mic"].participant_sid, tracks["mic"].muted) == (meeting.ann.sid, False)


async def test_a_get_by_name_and_a_list_are_cached_separately(
    gateway: Gateway, clients: Clients
) -> None:
    """Both come from the same list at Twilio."""
    meeting, client = await start_meeting(gateway, clients), clients.participants
    for size in (20, 100):
        assert (
            await client.GetParticipant(room=meeting.room.sid, participant="ann")
        ).participant == meeting.ann
        found = await client.ListParticipants(room=meeting.room.sid, identity="ann", page_size=size)
        assert list(found.participants) == [meeting.ann]

        assert (
            await client.GetPublishedTrack(track="mic", **meeting.of_ann)
        ).published_track.name == "mic"
        assert (
            await client.GetPublishedTrack(track="camera", **meeting.of_ann)
        ).published_track.name == "camera"
        assert (
            len(
                (
                    await client.ListPublishedTracks(page_size=size, **meeting.of_ann)
                ).published_tracks
            )
            == 2
        )


async def test_subscribed_tracks_have_their_publisher(client: Client, meeting: Meeting) -> None:
    tracks = (await client.ListSubscribedTracks(**meeting.of_bob)).subscribed_tracks
    found = await client.GetSubscribedTrack(track=tracks[0].sid, **meeting.of_bob)

    assert {track.name for track in tracks} == {"mic", "camera"}
    assert {(track.participant_sid, track.publisher_sid) for track in tracks} == {
        (meeting.bob.sid, meeting.ann.sid)
    }
    assert found.subscribed_track == tracks[0]
    assert list((await client.ListSubscribedTracks(**meeting.of_ann)).subscribed_tracks) == []


async def test_update_subscribe_rules(gateway: Gateway, clients: Clients) -> None:
    meeting, client = await start_meeting(gateway, clients), clients.participants
    before = (await client.GetSubscribeRules(**meeting.of_bob)).subscribe_rules
    assert [(item.effect, item.all) for item in before.rules] == [
        (rule_pb2.TRACK_RULE_EFFECT_INCLUDE, True)
    ]

    new = [
        rule(EXCLUDE, kind=rule_pb2.TRACK_KIND_AUDIO),
        rule(
            INCLUDE,
            kind=rule_pb2.TRACK_KIND_VIDEO,
            publisher="ann",
            priority=rule_pb2.TRACK_PRIORITY_HIGH,
        ),
    ]
    set_ = (await client.UpdateSubscribeRules(rules=new, **meeting.of_bob)).subscribe_rules

    assert (set_.participant_sid, set_.room_sid) == (meeting.bob.sid, meeting.room.sid)
    assert [item.effect for item in set_.rules] == [
        rule_pb2.TRACK_RULE_EFFECT_EXCLUDE,
        rule_pb2.TRACK_RULE_EFFECT_INCLUDE,
    ]
    assert (set_.rules[1].kind, set_.rules[1].publisher) == (rule_pb2.TRACK_KIND_VIDEO, "ann")
    assert set_.rules[1].priority == rule_pb2.TRACK_PRIORITY_HIGH
    assert (await client.GetSubscribeRules(**meeting.of_bob)).subscribe_rules == set_
    tracks = (await client.ListSubscribedTracks(**meeting.of_bob)).subscribed_tracks
    assert [track.name for track in tracks] == ["camera"]


async def test_contradicting_rules_are_rejected_and_change_nothing(
    client: Client, meeting: Meeting
) -> None:
    before = (await client.GetSubscribeRules(**meeting.of_bob)).subscribe_rules
    contradiction = [rule(INCLUDE, publisher="ann"), rule(EXCLUDE, publisher="ann")]

    await check_refusal(
        client.UpdateSubscribeRules(rules=contradiction, **meeting.of_bob), "INVALID_ARGUMENT"
    )

    assert (await client.GetSubscribeRules(**meeting.of_bob)).subscribe_rules == before


async def test_read_mask_selects_fields_and_keeps_freshness(
    client: Client, meeting: Meeting
) -> None:
    mask = FieldMask(paths=["sid", "twilio.links.anonymize"])
    response = await client.GetParticipant(read_mask=mask, **meeting.of_ann)

    links = participant_pb2.ParticipantLinks(anonymize=meeting.ann.twilio.links.anonymize)
    twilio = participant_pb2.ParticipantTwilioDetails(links=links)
    assert response.participant == participant_pb2.Participant(sid=meeting.ann.sid, twilio=twilio)
    assert response.HasField("freshness")
    page = await client.ListPublishedTracks(read_mask=FieldMask(paths=["name"]), **meeting.of_ann)
    assert sorted(map(str, page.published_tracks)) == ['name: "camera"\n', 'name: "mic"\n']


async def test_a_participant_of_another_room_is_not_found(
    gateway: Gateway, clients: Clients, meeting: Meeting
) -> None:
    other = await start_meeting(gateway, clients)
    fields = {"room": other.room.sid, "participant": meeting.ann.sid}

    for call in (
        clients.participants.GetParticipant(**fields),
        clients.participants.DisconnectParticipant(**fields),
        clients.participants.AnonymizeParticipant(**fields),
        clients.participants.GetSubscribeRules(**fields),
        clients.participants.ListPublishedTracks(**fields),
    ):
        assert (await refusal(call))[0] == "NOT_FOUND"
    assert (
        await clients.participants.GetParticipant(**meeting.of_ann)
    ).participant.status == CONNECTED


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("ListParticipants", {"room": ""}, "INVALID_ARGUMENT"),
        ("ListParticipants", {"room": "nobody-is-here"}, "NOT_FOUND"),
        ("ListParticipants", {"page_size": -1}, "INVALID_ARGUMENT"),
        ("ListParticipants", {"page_token": "nonsense"}, "INVALID_ARGUMENT"),
        ("ListParticipants", {"statuses": [99]}, "INVALID_ARGUMENT"),
        (
            "ListParticipants",
            {"statuses": [participant_pb2.PARTICIPANT_STATUS_UNKNOWN]},
            "INVALID_ARGUMENT",
        ),
        ("ListParticipants", {"identity": ""}, "INVALID_ARGUMENT"),
        ("ListParticipants", {"identity": "x" * 129}, "INVALID_ARGUMENT"),
        ("ListParticipants", {"created_after": Timestamp(nanos=-1)}, "INVALID_ARGUMENT"),
        ("ListParticipants", {"read_mask": FieldMask(paths=["participants"])}, "INVALID_ARGUMENT"),
        ("GetParticipant", {"participant": ""}, "INVALID_ARGUMENT"),
        ("GetParticipant", {"participant": "PA" + "0" * 32}, "NOT_FOUND"),
        ("GetParticipant", {"participant": "nobody"}, "NOT_FOUND"),
        ("GetParticipant", {"participant": "ann\n"}, "INVALID_ARGUMENT"),
        ("DisconnectParticipant", {"participant": "nobody"}, "NOT_FOUND"),
        ("AnonymizeParticipant", {"participant": "PA" + "0" * 32}, "NOT_FOUND"),
        ("ListPublishedTracks", {"participant": "PA" + "0" * 32}, "NOT_FOUND"),
        ("GetPublishedTrack", {"track": ""}, "INVALID_ARGUMENT"),
        ("GetPublishedTrack", {"track": "screen"}, "NOT_FOUND"),
        ("GetPublishedTrack", {"track": "MT" + "0" * 32}, "NOT_FOUND"),
        ("GetSubscribedTrack", {"track": "mic"}, "INVALID_ARGUMENT"),
        ("GetSubscribedTrack", {"track": "MT" + "0" * 32}, "NOT_FOUND"),
        ("UpdateSubscribeRules", {}, "INVALID_ARGUMENT"),
        (
            "UpdateSubscribeRules",
            {"rules": [rule(INCLUDE, publisher=str(n)) for n in range(21)]},
            "INVALID_ARGUMENT",
        ),
        ("UpdateSubscribeRules", {"rules": [rule(0, all=True)]}, "INVALID_ARGUMENT"),
        ("UpdateSubscribeRules", {"rules": [rule(INCLUDE)]}, "INVALID_ARGUMENT"),
        ("UpdateSubscribeRules", {"rules": [rule(INCLUDE, all=False)]}, "INVALID_ARGUMENT"),
        (
            "UpdateSubscribeRules",
            {"rules": [rule(INCLUDE, all=True, publisher="ann")]},
            "INVALID_ARGUMENT",
        ),
        ("UpdateSubscribeRules", {"rules": [rule(INCLUDE, kind=99)]}, "INVALID_ARGUMENT"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
async def test_invalid_requests_are_rejected(
    client: Client, meeting: Meeting, method: str, fields: dict[str, Any], code: str
) -> None:
    where: dict[str, Any] = (
        {"room": meeting.room.sid} if method == "ListParticipants" else meeting.of_ann
    )

    await check_refusal(getattr(client, method)(**{**where, **fields}), code)


async def test_all_participants_of_an_ended_room_are_disconnected(
    gateway: Gateway, clients: Clients
) -> None:
    meeting = await start_meeting(gateway, clients)
    await clients.rooms.CompleteRoom(room=meeting.room.sid)

    page = await clients.participants.ListParticipants(room=meeting.room.sid)

    assert {item.identity: item.status for item in page.participants} == {
        "ann": DISCONNECTED,
        "bob": DISCONNECTED,
    }


async def test_an_unknown_room_is_not_found(client: Client) -> None:
    assert (await refusal(client.ListParticipants(room=new_sid())))[0] == "NOT_FOUND"
