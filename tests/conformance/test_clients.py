"""graphql-ws, graphql-sse and Apollo Client follow a room and resume after a break."""

import pytest

from tests.conformance.conftest import Node
from tests.running import Gateway

pytestmark = pytest.mark.node


@pytest.mark.parametrize(
    ("script", "addresses"),
    [("ws.mjs", ["ws"]), ("sse.mjs", ["sse"]), ("apollo.mjs", ["graphql", "ws"])],
)
async def test_client_creates_reads_subscribes_completes_and_resumes(
    node: Node, script: str, addresses: list[str]
) -> None:
    output = await node(script, *addresses)
    sid = output["created"]["sid"]
    assert (output["read"]["sid"], output["read"]["status"], output["read"]["maxParticipants"]) == (
        sid,
        "IN_PROGRESS",
        7,
    )

    started, *events = output["watched"]
    assert (started["mode"], started["watchedRoom"], started["cursor"]) == (
        "RESUMED",
        sid,
        output["created"]["asOf"],
    )
    assert [event["prev"] for event in events] == [
        started["cursor"],
        *(event["cursor"] for event in events[:-1]),
    ]
    assert {event["room"]["sid"] for event in events} == {sid}
    assert events[-1]["room"]["status"] == "COMPLETED"

    resumed, *later = output["resumed"]
    assert (resumed["mode"], resumed["cursor"]) == ("RESUMED", events[0]["cursor"])
    assert later == events[1:], "no event is missing or duplicated"


@pytest.mark.parametrize("script", ["apollo_cache.mjs", "graphcache.mjs"])
async def test_events_update_a_normalised_cache_without_a_request(
    node: Node, gateway: Gateway, script: str
) -> None:
    room = await gateway.create_room()
    await gateway.sandbox(
        "POST", f"/rooms/{room['sid']}/participants", {"identity": "ada", "tracks": ["audio"]}
    )
    output = await node(script, "graphql", "ws", "sandbox", ROOM=room["sid"])
    assert output["requests"] == 2, "the room and the wall, each once"
    assert output["room"]["uniqueName"] == room["uniqueName"]
    assert output["room"]["maxParticipants"] == 50, "no event told it, and it is still cached"


async def test_apollo_client_registers_a_document_and_sends_its_digest_afterwards(
    node: Node,
) -> None:
    output = await node("persisted.mjs", "graphql")
    assert len(set(output["read"])) == 1
    assert output["sent"] == [
        {"query": False, "digest": True},
        {"query": True, "digest": True},
        {"query": False, "digest": True},
    ]
