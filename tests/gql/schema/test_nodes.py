"""Objects by their global ids."""

import pytest

from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.gql.execution.cost import MAX_CALLS
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ADA, SCREEN, TAKE, TTID, VOICE, room, room_sid

NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
IDS = {
    room_sid(1): "Room",
    f"{room_sid(1)}:{ADA}": "Participant",
    f"{room_sid(1)}:{ADA}:{VOICE}": "PublishedTrack",
    f"{room_sid(1)}:{TTID}": "Transcription",
    f"{room_sid(1)}:{ADA}:subscribed:{SCREEN}": "SubscribedTrack",
    f"{room_sid(1)}:{ADA}:subscribeRules": "SubscribeRules",
    f"{room_sid(1)}:recordingRules": "RecordingRules",
    f"{room_sid(1)}:insights": "InsightsRoom",
    f"{room_sid(1)}:{ADA}:insights": "InsightsParticipant",
    TAKE: "Recording",
}


@pytest.mark.parametrize(("id_", "typename"), IDS.items())
async def test_every_node_is_found_by_its_id(
    server: GraphQLServer, id_: str, typename: str
) -> None:
    data = await server.data("query($id: ID!) { node(id: $id) { __typename id } }", id=id_)
    assert data["node"] == {"__typename": typename, "id": id_}


@pytest.mark.parametrize(
    "id_",
    [
        "standup",
        "",
        room_sid(7),
        ADA,
        f"{room_sid(1)}:{'PA' + 'f' * 32}",
        f"{room_sid(1)}:{ADA}:{SCREEN}",
        f"{room_sid(1)}:other",
        "RT" + "f" * 32,
        "x" * 10_000,
    ],
)
async def test_an_id_that_names_nothing_is_null(server: GraphQLServer, id_: str) -> None:
    assert await server.data("query($id: ID!) { node(id: $id) { id } }", id=id_) == {"node": None}


async def test_an_id_below_an_unknown_room_is_null(server: GraphQLServer) -> None:
    server.account.participants.error = NotFound("no such room: check the SID or the name")
    data = await server.data(
        NODES, ids=[f"{room_sid(7)}:{ADA}", f"{room_sid(7)}:{ADA}:{VOICE}", room_sid(1)]
    )
    assert data["nodes"] == [None, None, {"__typename": "Room", "id": room_sid(1)}]


async def test_nodes_keep_their_order_and_rooms_are_loaded_in_one_batch(
    server: GraphQLServer,
) -> None:
    server.account.rooms.stored = [room(1), room(2, "two")]
    ids = [room_sid(2), *IDS, "standup", room_sid(7), room_sid(1)]
    data = (await server.data(NODES, ids=ids))["nodes"]
    assert data == [
        {"__typename": "Room", "id": room_sid(2)},
        *({"__typename": typename, "id": id_} for id_, typename in IDS.items()),
        None,
        None,
        {"__typename": "Room", "id": room_sid(1)},
    ]
    assert server.account.rooms.batches == [[room_sid(2), room_sid(1), room_sid(7)]]


async def test_one_failed_node_does_not_fail_the_others(server: GraphQLServer) -> None:
    server.account.recordings.error = UpstreamUnavailable("Twilio did not respond: retry")
    _, body = await server.post(NODES, ids=[TAKE, room_sid(1)])
    assert body["data"]["nodes"] == [None, {"__typename": "Room", "id": room_sid(1)}]
    [error] = body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["nodes", 0], "UPSTREAM_UNAVAILABLE")


async def test_nodes_takes_as_many_ids_as_calls_are_allowed(server: GraphQLServer) -> None:
    assert (await server.data(NODES, ids=["x"] * MAX_CALLS))["nodes"] == [None] * MAX_CALLS
    error = await server.error(NODES, ids=["x"] * (MAX_CALLS + 1))
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"] == (
        "nodes could need 61 calls to Twilio and 60 are allowed: send at most 60 ids"
    )
