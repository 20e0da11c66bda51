"""Transcriptions."""

from gateway.core.rooms import RoomRef
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
)
from tests.gql.conftest import Served, sid
from tests.gql.service import TTID

HERE = RoomRef(sid(1), None)
NAMED = RoomRef(None, "standup")


async def test_a_rooms_transcriptions_are_listed_and_read(served: Served) -> None:
    told = await served.data(
        """query($ttid: ID!) { room(ref: "standup") { transcriptions(first: 2) { nodes { ttid } }
        transcription(ttid: $ttid) { id status configuration { languageCode hints speechModel } }
        none: transcription(ttid: "other") { ttid } } }""",
        ttid=TTID,
    )
    assert told["room"] == {
        "transcriptions": {"nodes": [{"ttid": TTID}]},
        "transcription": {
            "id": f"{sid(1)}:{TTID}",
            "status": "STARTED",
            "configuration": {"languageCode": "en-US", "hints": ["gateway"], "speechModel": None},
        },
        "none": None,
    }
    assert served.account.transcriptions.asked[0] == ("page", HERE, 2, None)


async def test_a_transcription_is_started_with_what_was_given_and_no_more(served: Served) -> None:
    query = """mutation($c: TranscriptionsConfigurationInput) { startTranscription(room: "standup", configuration: $c) {
        ttid freshness { isStale } } }"""
    assert await served.data(query) == {"startTranscription": {"ttid": TTID, "freshness": None}}
    await served.data(query, c={"languageCode": "de-DE", "partialResults": True})
    assert served.account.transcriptions.asked == [
        ("create", NAMED, None),
        ("create", NAMED, TranscriptionsConfiguration(language_code="de-DE", partial_results=True)),
    ]


async def test_a_transcription_is_stopped_or_configured_anew(served: Served) -> None:
    query = """mutation($t: ID!, $s: TranscriptionStatus, $c: TranscriptionsConfigurationInput) {
        updateTranscription(room: "standup", transcription: $t, status: $s, configuration: $c) { ttid } }"""
    await served.data(query, t=TTID, s="STOPPED")
    await served.data(query, t=f"{sid(1)}:{TTID}", c={"profanityFilter": False})
    new = TranscriptionsConfiguration(profanity_filter=False)
    assert served.account.transcriptions.asked == [
        ("update", NAMED, TTID, TranscriptionUpdate(status=TranscriptionStatus.STOPPED)),
        ("update", NAMED, TTID, TranscriptionUpdate(configuration=new)),
    ]
    for variables in ({"t": TTID}, {"t": TTID, "s": "FAILED"}, {"t": "", "s": "STOPPED"}):
        assert (await served.error(query, **variables))["extensions"]["code"] == "BAD_USER_INPUT"
