"""Transcriptions."""

from gateway.core.rooms import RoomRef
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
)
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TTID, room_sid

ROOM_REF = RoomRef(room_sid(1), None)
STANDUP = RoomRef(None, "standup")


async def test_transcriptions_of_a_room_can_be_listed_and_read(server: GraphQLServer) -> None:
    data = await server.data(
        """query($ttid: ID!) { room(ref: {uniqueName: "standup"}) { transcriptions(first: 2) {
            nodes { ttid } }
        transcription(ref: $ttid) { id status configuration { languageCode hints speechModel } }
        none: transcription(ref: "other") { ttid } } }""",
        ttid=TTID,
    )
    assert data["room"] == {
        "transcriptions": {"nodes": [{"ttid": TTID}]},
        "transcription": {
            "id": f"{room_sid(1)}:{TTID}",
            "status": "STARTED",
            "configuration": {"languageCode": "en-US", "hints": ["gateway"], "speechModel": None},
        },
        "none": None,
    }
    assert server.account.transcriptions.calls[0] == ("page", ROOM_REF, 2, None)


async def test_start_transcription_sends_only_the_given_arguments(
    server: GraphQLServer,
) -> None:
    query = """mutation($c: TranscriptionsConfigurationInput) {
        startTranscription(room: "standup", configuration: $c) {
        ttid freshness { isStale } } }"""
    assert await server.data(query) == {"startTranscription": {"ttid": TTID, "freshness": None}}
    await server.data(query, c={"languageCode": "de-DE", "partialResults": True})
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
    query = """mutation($t: ID!, $s: TranscriptionStatusInput, $c:
        TranscriptionsConfigurationInput) {
        updateTranscription(room: "standup", transcription: $t, status: $s, configuration: $c) {
            ttid } }"""
    await server.data(query, t=TTID, s="STOPPED")
    await server.data(query, t=f"{room_sid(1)}:{TTID}", c={"profanityFilter": False})
    new = TranscriptionsConfiguration(profanity_filter=False)
    assert server.account.transcriptions.calls == [
        ("update", STANDUP, TTID, TranscriptionUpdate(status=TranscriptionStatus.STOPPED)),
        ("update", STANDUP, TTID, TranscriptionUpdate(configuration=new)),
    ]
    for variables in ({"t": TTID}, {"t": TTID, "s": "FAILED"}, {"t": "", "s": "STOPPED"}):
        assert (await server.error(query, **variables))["extensions"]["code"] == "BAD_USER_INPUT"
