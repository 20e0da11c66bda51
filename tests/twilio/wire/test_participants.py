from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.core.participants import ParticipantFilter, ParticipantStatus
from gateway.core.sids import ParticipantSid, RoomSid
from gateway.twilio.wire.participants import (
    anonymize_participant,
    disconnect_participant,
    find_participant,
    find_published_track,
    list_participants,
)
from tests.twilio.wire.documents import OPERATIONS, answer

ROOM, SID = RoomSid("RM" + "0" * 32), ParticipantSid("PA" + "0" * 32)
PARTICIPANT = OPERATIONS["FetchRoomParticipant"].resource()
TRACK = OPERATIONS["FetchRoomParticipantPublishedTrack"].resource()
NAMES = ["Zoë", "a/b", "..", "a&Status=disconnected", "x#y?z", "100 %", "+"]


@pytest.mark.parametrize("identity", NAMES)
def test_an_identity_travels_as_a_query_value(identity: str) -> None:
    request = find_participant(ROOM, identity)

    assert (request.method, request.path) == ("GET", f"/v1/Rooms/{ROOM}/Participants")
    assert parse_qsl(request.query) == [("Identity", identity), ("PageSize", "20")]


@pytest.mark.parametrize(
    ("participants", "is_found"),
    [
        ([{}], True),
        ([{"status": "reconnecting"}], True),
        ([{"status": "disconnected"}], False),
        ([{"status": "disconnected"}, {}], True),
        ([{"identity": "A/B"}], False),
        ([], False),
    ],
)
def test_an_identity_finds_who_is_in_the_room_under_just_it(
    participants: list[dict[str, Any]], is_found: bool
) -> None:
    there = PARTICIPANT | {"identity": "a/b", "status": "connected"}
    said = {"participants": [there | each for each in participants], "meta": {}}

    assert (find_participant(ROOM, "a/b").read(answer(said)) is not None) is is_found


@pytest.mark.parametrize("name", NAMES)
def test_a_tracks_name_does_not_travel(name: str) -> None:
    request = find_published_track(ROOM, SID, name)
    said = {"published_tracks": [TRACK, TRACK | {"name": name}], "meta": {}}

    assert request.path == f"/v1/Rooms/{ROOM}/Participants/{SID}/PublishedTracks"
    assert request.query == "PageSize=1000"
    assert getattr(request.read(answer(said)), "name", None) == name
    assert request.read(answer({"published_tracks": [TRACK], "meta": {}})) is None


def test_a_list_without_a_filter_leaves_the_choice_to_twilio() -> None:
    assert list_participants(ROOM, ParticipantFilter(), 50).query == "PageSize=50"
    asked = ParticipantFilter(status=ParticipantStatus.RECONNECTING)
    assert list_participants(ROOM, asked, 50).query == "Status=reconnecting&PageSize=50"


def test_a_participant_is_disconnected_and_anonymized() -> None:
    path = f"/v1/Rooms/{ROOM}/Participants/{SID}"

    assert disconnect_participant(ROOM, SID).form == (("Status", "disconnected"),)
    assert (anonymize_participant(ROOM, SID).path, anonymize_participant(ROOM, SID).form) == (
        f"{path}/Anonymize",
        (),
    )
