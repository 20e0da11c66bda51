"""Ids of objects, and the arguments that accept one."""

import pytest

from gateway.core.errors import InvalidArgument
from gateway.gql.schema.ids import (
    parse_id,
    participant_sid,
    recording_sid,
    track_sid,
    transcription_id,
)
from gateway.gql.schema.ids import room_sid as parse_room_sid
from tests.gql.fakes import ADA, TAKE, TTID, VOICE, room_sid

ROOM = room_sid(1)


@pytest.mark.parametrize(
    ("text", "type_", "sids"),
    [
        (ROOM, "Room", (ROOM,)),
        (f"{ROOM}:{ADA}", "Participant", (ROOM, ADA)),
        (f"{ROOM}:{ADA}:{VOICE}", "PublishedTrack", (ROOM, ADA, VOICE)),
        (f"{ROOM}:{ADA}:subscribed:{VOICE}", "SubscribedTrack", (ROOM, ADA, VOICE)),
        (f"{ROOM}:{ADA}:subscribeRules", "SubscribeRules", (ROOM, ADA)),
        (f"{ROOM}:recordingRules", "RecordingRules", (ROOM,)),
        (TAKE, "Recording", (TAKE,)),
        (f"{ROOM}:insights", "InsightsRoom", (ROOM,)),
        (f"{ROOM}:{ADA}:insights", "InsightsParticipant", (ROOM, ADA)),
        (f"{ROOM}:{TTID}", "Transcription", (ROOM, TTID)),
    ],
)
def test_an_id_has_a_type_and_lists_sids_from_the_room_down(
    text: str, type_: str, sids: tuple[str, ...]
) -> None:
    assert parse_id(text) == (type_, sids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "standup",
        ADA,
        TTID,
        f"standup:{TTID}",
        f"{ADA}:{ROOM}",
        f"{ROOM}:",
        f"{ROOM}:{ADA}:{VOICE}:",
        f"{ROOM}::{ADA}",
        f"{ROOM}:{ADA}:published:{VOICE}",
        f"{ROOM}\n",
    ],
)
def test_any_other_text_is_not_an_id(text: str) -> None:
    assert parse_id(text) is None


def test_an_argument_accepts_a_sid_and_the_id_of_its_type() -> None:
    assert parse_room_sid(ROOM, "ref") == parse_room_sid(f"{ROOM}:insights", "ref") == ROOM
    for text in (ADA, f"{ROOM}:{ADA}", f"{ROOM}:{ADA}:insights"):
        assert participant_sid(text, "ref") == ADA
    for text in (VOICE, f"{ROOM}:{ADA}:{VOICE}", f"{ROOM}:{ADA}:subscribed:{VOICE}"):
        assert track_sid(text, "ref") == VOICE
    assert recording_sid(TAKE, "ref") == TAKE
    assert transcription_id(f"{ROOM}:{TTID}", "ref") == transcription_id(TTID, "ref") == TTID


@pytest.mark.parametrize("read", [parse_room_sid, participant_sid, track_sid, recording_sid])
@pytest.mark.parametrize("text", ["", "standup", f"{ROOM}:{TTID}", f"{ROOM}:recordingRules"])
def test_an_argument_rejects_the_id_of_another_type(read: object, text: str) -> None:
    assert callable(read)
    with pytest.raises(InvalidArgument, match="32 hex digits"):
        read(text, "ref")


def test_an_argument_that_is_no_ttid_is_named_in_the_error() -> None:
    with pytest.raises(InvalidArgument, match="ref is not the id of a transcription"):
        transcription_id("../Rooms", "ref")
