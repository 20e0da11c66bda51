"""The audits of npm's graphql-http: GraphQL over HTTP."""

import pytest

from tests.conformance.conftest import Node

pytestmark = pytest.mark.node


async def test_every_graphql_over_http_audit_passes(node: Node) -> None:
    results = await node("audits.mjs", "graphql")
    assert len(results) == 61
    assert [result for result in results if result["status"] != "ok"] == []
