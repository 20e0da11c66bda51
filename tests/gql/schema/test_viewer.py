"""The caller, and the gateway."""

from dataclasses import replace
from importlib.metadata import version

from gateway.core.callers import Caller, Scope
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ACCOUNT, Account, operation_context

VIEWER = "{ viewer { id scopes rooms pointsLimit pointsLeft } }"


async def test_viewer_is_the_caller(server: GraphQLServer) -> None:
    viewer = (await server.data(VIEWER))["viewer"]
    limit = viewer["pointsLimit"]
    assert viewer == {
        "id": "test",
        "scopes": ["ADMIN"],
        "rooms": None,
        "pointsLimit": limit,
        "pointsLeft": viewer["pointsLeft"],
    }
    assert 0 < viewer["pointsLeft"] < limit


async def test_viewer_lists_the_rooms_that_it_may_see() -> None:
    engine = GraphQLEngine(EXECUTABLE_SCHEMA, introspection=False, deadline_s=5)
    scopes = frozenset({Scope.ROOMS_WRITE, Scope.ROOMS_READ})
    caller = Caller(ACCOUNT, "guest", scopes, grants=frozenset({"standup", "daily"}))
    context = replace(operation_context(Account(ACCOUNT)), caller=caller)
    result = await engine.prepare(GraphQLRequest(VIEWER), context).result()
    assert b'"scopes":["ROOMS_READ","ROOMS_WRITE"],"rooms":["daily","standup"]' in result.encoded


async def test_gateway_tells_its_version(server: GraphQLServer) -> None:
    data = await server.data("{ gateway { version } }")
    assert data == {"gateway": {"version": version("rooms-gateway")}}


async def test_viewer_and_gateway_cost_nothing_beyond_the_call(server: GraphQLServer) -> None:
    _, alone = await server.post("{ __typename }")
    _, body = await server.post("{ viewer { id } gateway { version } }")
    cost = body["extensions"]["cost"]
    assert cost["requested"] == alone["extensions"]["cost"]["requested"]
