"""graphql-ws, graphql-sse and Apollo Client follow a room and resume after a break."""

import pytest

from tests.conformance.conftest import Node

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
    assert (started["mode"], started["ofRoom"], started["cursor"]) == (
        "RESUMED",
        sid,
        output["created"]["asOf"],
    )
    assert [event["prev"] for event in events] == [
        started["cursor"],
        *(event["cursor"] for event in events[:-1]),
    ]
    assert {event["roomSid"] for event in events} == {sid}
    assert events[-1]["room"]["status"] == "COMPLETED"

    resumed, *later = output["resumed"]
    assert (resumed["mode"], resumed["cursor"]) == ("RESUMED", events[0]["cursor"])
    assert later == events[1:], "no event is missing or duplicated"
