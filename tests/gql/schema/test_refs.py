"""Inputs that name an object by its SID or id, or by its name."""

import json

import pytest
from strawberry import ID

from gateway.core import participants, rooms
from gateway.core.errors import InvalidArgument
from gateway.gql.schema.refs import ParticipantRef, RoomRef, TrackRef
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ADA, VOICE, room_sid

ROOM = room_sid(1)
READ = "query($ref: RoomRef!) { room(ref: $ref) { sid } }"


def test_a_ref_is_a_sid_an_id_or_a_name() -> None:
    assert RoomRef(sid=ID(ROOM)).to_core("ref") == rooms.RoomRef(ROOM, None)
    assert RoomRef(unique_name="a:b").to_core("ref") == rooms.RoomRef(None, "a:b")
    for sid in (ADA, f"{ROOM}:{ADA}"):
        assert ParticipantRef(sid=ID(sid)).to_core("ref") == participants.ParticipantRef(ADA, None)
    assert ParticipantRef(identity=ADA).to_core("ref") == participants.ParticipantRef(None, ADA)
    for sid in (VOICE, f"{ROOM}:{ADA}:{VOICE}"):
        assert TrackRef(sid=ID(sid)).to_core("ref") == participants.TrackRef(VOICE, None)
    assert TrackRef(name="mic").to_core("ref") == participants.TrackRef(None, "mic")


@pytest.mark.parametrize(
    ("ref", "problem"),
    [
        (RoomRef(sid=ID("")), "sid .*RM and 32 hex digits"),
        (
            RoomRef(sid=ID("standup")),
            "room.sid is not the SID of a room; give RM .* digits, or a name as unique_name",
        ),
        (RoomRef(unique_name=""), "unique_name is empty"),
        (RoomRef(unique_name="x" * 129), "unique_name has 129 characters"),
        (RoomRef(unique_name=ROOM), "unique_name is a SID; give it as sid"),
        (ParticipantRef(sid=ID("ada")), "sid .*PA and 32 hex digits"),
        (ParticipantRef(identity="a\n"), "identity holds a control character"),
        (TrackRef(sid=ID(ADA)), "sid .*MT and 32 hex digits"),
        (TrackRef(name=""), "name is empty"),
    ],
    ids=repr,
)
def test_a_ref_that_can_name_nothing_is_rejected(
    ref: RoomRef | ParticipantRef | TrackRef, problem: str
) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        ref.to_core("room")


BAD_REFS: list[dict[str, str | None]] = [
    {},
    {"sid": ROOM, "uniqueName": "standup"},
    {"sid": None},
    {"uniqueName": "standup", "sid": None},
    {"name": "standup"},
]


@pytest.mark.parametrize("ref", BAD_REFS, ids=str)
async def test_a_ref_has_exactly_one_field(
    server: GraphQLServer, ref: dict[str, str | None]
) -> None:
    literal = ", ".join(f"{name}: {json.dumps(value)}" for name, value in ref.items())
    in_document = f"{{ room(ref: {{{literal}}}) {{ sid }} }}"
    for _, body in (await server.post(READ, ref=ref), await server.post(in_document)):
        assert {error["extensions"]["code"] for error in body["errors"]} == {"BAD_USER_INPUT"}


async def test_a_variable_for_the_only_field_must_not_be_null(server: GraphQLServer) -> None:
    query = "query($sid: ID) { room(ref: {sid: $sid}) { sid } }"
    assert (await server.error(query, sid=None))["extensions"]["code"] == "BAD_USER_INPUT"
