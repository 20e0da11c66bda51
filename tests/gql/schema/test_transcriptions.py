"""Transcriptions."""

from gateway.core.rooms import RoomRef
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
