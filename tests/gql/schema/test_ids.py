"""Node ids, and the refs that accept them."""

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.participants import ParticipantRef, TrackRef
from gateway.gql.schema.ids import (
    parse_node_id,
    parse_transcription_id,
    participant_ref,
    track_ref,
    transcription_ref,
)
from tests.gql.fakes import ADA, TAKE, TTID, VOICE, room_sid

ROOM = room_sid(1)


@pytest.mark.parametrize("parts", [(ROOM,), (ROOM, ADA), (ROOM, ADA, VOICE)])
def test_an_id_lists_sids_from_the_room_down(parts: tuple[str, ...]) -> None:
    assert parse_node_id(":".join(parts)) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "standup",
        ADA,
        TAKE,
        f"{ADA}:{ROOM}",
        f"{ROOM}:",
        f"{ROOM}:{VOICE}",
        f"{ROOM}:{ADA}:{VOICE}:",
        f"{ROOM}::{ADA}",
    ],
)
def test_any_other_text_is_not_an_id(text: str) -> None:
    assert parse_node_id(text) is None


def test_the_id_of_a_transcription_contains_its_opaque_ttid() -> None:
    assert parse_transcription_id(f"{ROOM}:{TTID}") == (ROOM, TTID)
    for text in (
        TTID,
        f"{ROOM}:",
        f"standup:{TTID}",
        f"{ROOM}:{ADA}",
        f"{ROOM}:{ADA}:{VOICE}",
        ROOM,
    ):
        assert parse_transcription_id(text) is None


def test_a_ref_accepts_an_id() -> None:
    assert participant_ref(f"{ROOM}:{ADA}") == participant_ref(ADA) == ParticipantRef(ADA, None)
    assert track_ref(f"{ROOM}:{ADA}:{VOICE}") == track_ref(VOICE) == TrackRef(VOICE, None)
    assert transcription_ref(f"{ROOM}:{TTID}") == transcription_ref(TTID) == TTID


def test_a_name_that_resembles_an_id_is_a_name() -> None:
    for name in (f"{ROOM}:ada", f"a:{ADA}", "a:b", f"{ROOM}:{ADA}:{VOICE}", ROOM):
        assert participant_ref(name) == ParticipantRef(None, name)
    for name in (f"{ROOM}:{ADA}", f"{ROOM}:{ADA}:voice"):
        assert track_ref(name) == TrackRef(None, name)


@pytest.mark.parametrize("read", [participant_ref, track_ref, transcription_ref])
def test_an_empty_ref_is_rejected(read: object) -> None:
    assert callable(read)
    with pytest.raises(InvalidArgument):
        read("")
