"""Objects by their ids."""

import pytest

from gateway.core.errors import NotFound, UpstreamUnavailable
from tests.gql.conftest import Served, room, sid
from tests.gql.service import ADA, SCREEN, TAKE, TTID, VOICE

NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
IDS = {
    sid(1): "Room",
    f"{sid(1)}:{ADA}": "Participant",
    f"{sid(1)}:{ADA}:{VOICE}": "PublishedTrack",
    f"{sid(1)}:{TTID}": "Transcription",
    TAKE: "Recording",
}


@pytest.mark.parametrize(("id_", "typename"), IDS.items())
async def test_every_node_is_found_by_its_id(served: Served, id_: str, typename: str) -> None:
    told = await served.data("query($id: ID!) { node(id: $id) { __typename id } }", id=id_)
    assert told["node"] == {"__typename": typename, "id": id_}


@pytest.mark.parametrize(
    "id_",
    [
        "standup",
        "",
        sid(7),
        ADA,
        f"{sid(1)}:{'PA' + 'f' * 32}",
        f"{sid(1)}:{ADA}:{SCREEN}",
        f"{sid(1)}:other",
        "RT" + "f" * 32,
        "x" * 10_000,
    ],
)
async def test_a_node_is_null_when_there_is_none(served: Served, id_: str) -> None:
    assert await served.data("query($id: ID!) { node(id: $id) { id } }", id=id_) == {"node": None}


async def test_a_node_is_null_when_what_leads_to_it_is_not_there(served: Served) -> None:
    served.account.participants.failure = NotFound("no such room; check the SID or the name")
    told = await served.data(NODES, ids=[f"{sid(7)}:{ADA}", f"{sid(7)}:{ADA}:{VOICE}", sid(1)])
    assert told["nodes"] == [None, None, {"__typename": "Room", "id": sid(1)}]


async def test_nodes_keep_their_order_and_rooms_travel_together(served: Served) -> None:
    served.account.rooms.known = [room(1), room(2, "two")]
    ids = [sid(2), *IDS, "standup", sid(7), sid(1)]
    told = (await served.data(NODES, ids=ids))["nodes"]
    assert told == [
        {"__typename": "Room", "id": sid(2)},
        *({"__typename": typename, "id": id_} for id_, typename in IDS.items()),
        None,
        None,
        {"__typename": "Room", "id": sid(1)},
    ]
    assert served.account.rooms.batches == [[sid(2), sid(1), sid(7)]]


async def test_a_node_that_fails_leaves_the_others(served: Served) -> None:
    served.account.recordings.failure = UpstreamUnavailable("Twilio gave no answer; ask again")
    _, body = await served.post(NODES, ids=[TAKE, sid(1)])
    assert body["data"]["nodes"] == [None, {"__typename": "Room", "id": sid(1)}]
    [error] = body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["nodes", 0], "UPSTREAM_UNAVAILABLE")


async def test_no_more_than_a_hundred_nodes_are_asked_for(served: Served) -> None:
    assert (await served.data(NODES, ids=["x"] * 100))["nodes"] == [None] * 100
    assert (await served.error(NODES, ids=["x"] * 101))["extensions"]["code"] == "BAD_USER_INPUT"
