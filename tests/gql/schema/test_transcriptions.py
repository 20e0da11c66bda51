"""Transcriptions."""

from gateway.core.rooms import RoomRef
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
)
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TTID, room_sid

HERE = RoomRef(room_sid(1), None)
NAMED = RoomRef(None, "standup")


async def test_a_rooms_transcriptions_are_listed_and_read(server: GraphQLServer) -> None:
    told = await server.data(
        """query($ttid: ID!) { room(ref: "standup") { transcriptions(first: 2) { nodes { ttid } }
        transcription(ttid: $ttid) { id status configuration { languageCode hints speechModel } }
        none: transcription(ttid: "other") { ttid } } }""",
        ttid=TTID,
    )
    assert told["room"] == {
        "transcriptions": {"nodes": [{"ttid": TTID}]},
        "transcription": {
            "id": f"{room_sid(1)}:{TTID}",
            "status": "STARTED",
            "configuration": {"languageCode": "en-US", "hints": ["gateway"], "speechModel": None},
        },
        "none": None,
    }
    assert server.account.transcriptions.calls[0] == ("page", HERE, 2, None)


async def test_a_transcription_is_started_with_what_was_given_and_no_more(
    server: GraphQLServer,
) -> None:
    query = """mutation($c: TranscriptionsConfigurationInput) { startTranscription(room: "standup", configuration: $c) {
        ttid freshness { isStale } } }"""
    assert await server.data(query) == {"startTranscription": {"ttid": TTID, "freshness": None}}
    await server.data(query, c={"languageCode": "de-DE", "partialResults": True})
    assert server.account.transcriptions.calls == [
        ("create", NAMED, None),
        ("create", NAMED, TranscriptionsConfiguration(language_code="de-DE", partial_results=True)),
    ]


async def test_a_transcription_is_stopped_or_configured_anew(server: GraphQLServer) -> None:
    query = """mutation($t: ID!, $s: TranscriptionStatus, $c: TranscriptionsConfigurationInput) {
        updateTranscription(room: "standup", transcription: $t, status: $s, configuration: $c) { ttid } }"""
    await server.data(query, t=TTID, s="STOPPED")
    await server.data(query, t=f"{room_sid(1)}:{TTID}", c={"profanityFilter": False})
    new = TranscriptionsConfiguration(profanity_filter=False)
    assert server.account.transcriptions.calls == [
        ("update", NAMED, TTID, TranscriptionUpdate(status=TranscriptionStatus.STOPPED)),
        ("update", NAMED, TTID, TranscriptionUpdate(configuration=new)),
    ]
    for variables in ({"t": TTID}, {"t": TTID, "s": "FAILED"}, {"t": "", "s": "STOPPED"}):
        assert (await server.error(query, **variables))["extensions"]["code"] == "BAD_USER_INPUT"
