"""Starting, stopping and configuring transcriptions."""

import pytest

from gateway.core.rooms import RoomRef
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
)
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TTID, room_sid

STANDUP = RoomRef(None, "standup")
ROOM = {"room": {"uniqueName": "standup"}}
START = """mutation($input: StartTranscriptionInput!) { startTranscription(input: $input) {
    transcription { ttid } errors { code field } } }"""
UPDATE = """mutation($input: UpdateTranscriptionInput!) { updateTranscription(input: $input) {
    transcription { ttid } errors { code field } } }"""


async def test_start_transcription_sends_only_the_given_fields(server: GraphQLServer) -> None:
    data = await server.data(START, input=ROOM)
    assert data["startTranscription"] == {"transcription": {"ttid": TTID}, "errors": []}
    configuration = {"languageCode": "de-DE", "partialResults": True}
    await server.data(START, input={**ROOM, "configuration": configuration})
    assert server.account.transcriptions.calls == [
        ("create", STANDUP, None),
        (
            "create",
            STANDUP,
            TranscriptionsConfiguration(language_code="de-DE", partial_results=True),
        ),
    ]


async def test_update_transcription_sends_a_status_or_a_configuration(
    server: GraphQLServer,
) -> None:
    by_ttid = {**ROOM, "transcription": TTID, "status": "STOPPED"}
    by_id = {
        **ROOM,
        "transcription": f"{room_sid(1)}:{TTID}",
        "configuration": {"profanityFilter": False},
    }
    for fields in (by_ttid, by_id):
        assert (await server.data(UPDATE, input=fields))["updateTranscription"]["errors"] == []
    new = TranscriptionsConfiguration(profanity_filter=False)
    assert server.account.transcriptions.calls == [
        ("update", STANDUP, TTID, TranscriptionUpdate(status=TranscriptionStatus.STOPPED)),
        ("update", STANDUP, TTID, TranscriptionUpdate(configuration=new)),
    ]


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"transcription": TTID}, None),
        ({"transcription": "", "status": "STOPPED"}, ["transcription"]),
        (
            {"transcription": TTID, "configuration": {"hints": ["x" * 101]}},
            ["configuration", "hints", "0"],
        ),
    ],
)
async def test_update_transcription_rejects_a_wrong_field(
    server: GraphQLServer, fields: dict[str, object], at_fault: list[str] | None
) -> None:
    data = await server.data(UPDATE, input={**ROOM, **fields})
    assert data["updateTranscription"]["errors"] == [{"code": "INVALID_INPUT", "field": at_fault}]
    assert server.account.transcriptions.calls == []
