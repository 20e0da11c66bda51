import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.sandbox.callbacks import requests as callbacks
from gateway.sandbox.callbacks.requests import Failure, RetryPolicy
from gateway.sandbox.world import recordings, rooms
from gateway.sandbox.world.model import (
    Event,
    EventName,
    FailedOperation,
    RoomSettings,
    TrackKind,
    TrackSettings,
)
from gateway.sandbox.world.room_change import RoomChange
from tests.sandbox.conftest import instant

VECTORS = json.loads(
    (Path(__file__).parent.parent.parent / "samples" / "signature_vectors.json").read_text()
)["vectors"]


def sign(vector: dict[str, Any], url: str) -> str:
    form = [(name, value) for name, value in vector["method_params"]]
    return callbacks.sign(url, form, vector["auth_token"])


def test_there_are_26_signature_vectors() -> None:
    assert len(VECTORS) == 26


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["must_validate"]],
    ids=lambda vector: vector["name"],
)
def test_valid_signature_is_reproduced(vector: dict[str, Any]) -> None:
    assert sign(vector, vector["url_that_was_signed"]) == vector["x_twilio_signature"]


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if not vector["must_validate"]],
    ids=lambda vector: vector["name"],
)
def test_invalid_signature_is_not_reproduced(vector: dict[str, Any]) -> None:
    assert sign(vector, vector["url_as_seen_by_receiver"]) != vector["x_twilio_signature"]


def test_target_url_has_no_credentials_and_no_fragment() -> None:
    target = callbacks.parse_target(
        "https://ada:p%40ss@gw.example.com:8443/cb/?tenant=t1#rc=2&rp=5xx,rt"
    )

    assert target.url == "https://gw.example.com:8443/cb/?tenant=t1"
    assert (target.user, target.password) == ("ada", "p@ss")
    assert target.policy == RetryPolicy(2, frozenset({Failure.SERVER_ERROR, Failure.READ}))


def test_default_policy_is_one_retry_of_a_failed_connection() -> None:
    assert callbacks.parse_retry_policy("") == RetryPolicy(
        1, frozenset({Failure.CONNECT}), 5, 15, 15
    )


def test_all_connection_overrides_are_parsed() -> None:
    policy = callbacks.parse_retry_policy("rc=5&rp=all&ct=1000&rt=2500&tt=9000")

    assert policy == RetryPolicy(5, frozenset(Failure), 1.0, 2.5, 9.0)


@pytest.mark.parametrize(
    "fragment",
    [
        "section",
        "rc=6",
        "rc=-1",
        "rc=many",
        "rc=" + "9" * 5_000,
        "rp=6xx",
        "ct=99",
        "ct=10001",
        "rt=99",
        "tt=15001",
        "sni=n&e=dublin",
        "rc=²",
    ],
)
def test_unknown_or_out_of_range_overrides_are_ignored(fragment: str) -> None:
    assert callbacks.parse_retry_policy(fragment) == RetryPolicy()


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None),
        (204, None),
        (302, None),
        (403, Failure.CLIENT_ERROR),
        (500, Failure.SERVER_ERROR),
        (599, Failure.SERVER_ERROR),
    ],
)
def test_statuses_from_400_on_are_failures(status: int, failure: Failure | None) -> None:
    assert callbacks.failure_of(status) == failure


def test_post_body_encodes_spaces_as_percent_20() -> None:
    request = callbacks.build_request(
        "POST", "http://gw/cb", [("RoomName", "Zoë & co + 1")], "token"
    )

    assert (request.url, request.body) == ("http://gw/cb", "RoomName=Zo%C3%AB%20%26%20co%20%2B%201")
    assert request.signature == callbacks.sign(
        "http://gw/cb", [("RoomName", "Zoë & co + 1")], "token"
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://gw/cb", "http://gw/cb?A=1"), ("http://gw/cb?t=1", "http://gw/cb?t=1&A=1")],
)
def test_get_has_the_parameters_in_its_query_and_signs_only_the_url(
    url: str, expected: str
) -> None:
    request = callbacks.build_request("GET", url, [("A", "1")], "token")

    assert (request.url, request.body) == (expected, "")
    assert request.signature == callbacks.sign(expected, [], "token")


def events() -> dict[EventName, Event]:
    """Each of the eleven once."""
    change = rooms.create("AC1", 1, RoomSettings("standup", is_recorded_on_connect=True), instant())
    emitted = [*change.events]

    def after(change: RoomChange) -> RoomChange:
        emitted.extend(change.events)
        return change

    change = after(
        rooms.join(change.room, "Ada", (TrackSettings(TrackKind.VIDEO, "cam"),), instant(1))
    )
    for is_enabled in (False, True):
        ada = change.room.participants[0]
        change = after(
            rooms.set_track_enabled(change.room, ada, ada.tracks[0], is_enabled, instant(2))
        )
    ada = change.room.participants[0]
    change = after(rooms.unpublish(change.room, ada, ada.tracks[0], instant(11)))
    change = after(
        rooms.publish(
            change.room, change.room.participants[0], TrackSettings(TrackKind.AUDIO), instant(12)
        )
    )
    ada = change.room.participants[0]
    change = after(
        recordings.fail_track(change.room, ada, ada.tracks[0], FailedOperation.START, instant(13))
    )
    change = after(rooms.complete(change.room, instant(62)))
    after(rooms.expire(change.room, instant(62 + recordings.PROCESSING_S)))
    return {event.name: event for event in emitted}


ROOM = {"AccountSid", "RoomSid", "RoomName", "RoomType", "Timestamp", "StatusCallbackEvent"}
STATE = {*ROOM, "RoomStatus", "SequenceNumber"}
PARTICIPANT = {*STATE, "ParticipantSid", "ParticipantIdentity", "ParticipantStatus"}
TRACK = {*PARTICIPANT, "TrackSid", "TrackKind"}
RECORDING = {
    *ROOM, "RecordingSid", "SourceSid", "RecordingUri", "ParticipantSid",
    "ParticipantIdentity", "TrackName", "Type", "Container", "Codec",
    "OffsetFromTwilioVideoEpoch",
}  # fmt: skip
MEDIA = {"MediaUri", "Duration", "Size", "MediaExternalLocation"}
EXPECTED = {
    EventName.ROOM_CREATED: STATE,
    EventName.ROOM_ENDED: {*STATE, "RoomDuration"},
    EventName.PARTICIPANT_CONNECTED: PARTICIPANT,
    EventName.PARTICIPANT_DISCONNECTED: {*PARTICIPANT, "ParticipantDuration"},
    EventName.TRACK_ADDED: TRACK,
    EventName.TRACK_REMOVED: TRACK,
    EventName.TRACK_ENABLED: TRACK,
    EventName.TRACK_DISABLED: TRACK,
    EventName.RECORDING_STARTED: RECORDING,
    EventName.RECORDING_COMPLETED: RECORDING | MEDIA,
    EventName.RECORDING_FAILED: {*RECORDING, "FailedOperation"},
}


@pytest.mark.parametrize("name", EventName)
def test_every_event_has_exactly_its_documented_parameters(name: EventName) -> None:
    params = callbacks.event_params(events()[name])

    assert len(params) == len(dict(params))
    assert set(dict(params)) == EXPECTED[name]


def test_parameter_values_come_from_the_event() -> None:
    emitted = events()
    ended = dict(callbacks.event_params(emitted[EventName.ROOM_ENDED]))
    left = dict(callbacks.event_params(emitted[EventName.PARTICIPANT_DISCONNECTED]))
    recorded = dict(callbacks.event_params(emitted[EventName.RECORDING_COMPLETED]))

    assert (ended["RoomStatus"], ended["RoomDuration"], ended["Timestamp"]) == (
        "completed",
        "62",
        "2026-01-02T03:05:07.006Z",
    )
    assert (left["ParticipantStatus"], left["ParticipantDuration"], left["RoomStatus"]) == (
        "disconnected",
        "61",
        "in-progress",
    )
    assert (recorded["Type"], recorded["Container"], recorded["Codec"], recorded["Duration"]) == (
        "video",
        "mkv",
        "VP8",
        "10",
    )


def test_post_body_decodes_to_the_parameters() -> None:
    params = callbacks.event_params(events()[EventName.RECORDING_COMPLETED])
    request = callbacks.build_request("POST", "http://gw/", params, "token")

    assert parse_qsl(request.body, keep_blank_values=True) == params


def test_reconnecting_participant_is_connected_in_callbacks() -> None:
    room = rooms.join(
        rooms.create("AC1", 1, RoomSettings(), instant()).room, "Ada", (), instant()
    ).room
    reconnecting = rooms.set_reconnecting(room, room.participants[0], True, instant(1)).room
    change = rooms.publish(
        reconnecting, reconnecting.participants[0], TrackSettings(TrackKind.DATA), instant(2)
    )

    assert dict(callbacks.event_params(change.events[0]))["ParticipantStatus"] == "connected"
