"""Clients that people use: graphql-ws, graphql-sse and Apollo live through a room's life and resume after a break."""

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
    seen = await node(script, *addresses)
    sid = seen["created"]["sid"]
    assert (seen["read"]["sid"], seen["read"]["status"], seen["read"]["maxParticipants"]) == (
        sid,
        "IN_PROGRESS",
        7,
    )

    started, *events = seen["watched"]
    assert (started["mode"], started["ofRoom"], started["cursor"]) == (
        "RESUMED",
        sid,
        seen["created"]["asOf"],
    )
    assert [event["prev"] for event in events] == [
        started["cursor"],
        *(event["cursor"] for event in events[:-1]),
    ]
    assert {event["roomSid"] for event in events} == {sid}
    assert events[-1]["room"]["status"] == "COMPLETED"

    again, *later = seen["resumed"]
    assert (again["mode"], again["cursor"]) == ("RESUMED", events[0]["cursor"])
    assert later == events[1:], "nothing is missing and nothing comes twice"
