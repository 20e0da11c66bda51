"""The order of the stages, and the settings of the server."""

import pytest

from gateway.gql.transport.http import STAGES, Stage
from gateway.gql.transport.limits import Timings
from tests.gql.conftest import GraphQLServer, run_server

GRAPHQL_RESPONSE = "application/graphql-response+json"
ROOM = "query($ref: RoomRef!) { room(ref: $ref) { sid } }"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.run.__name__)
def test_each_stage_runs_after_the_stages_that_it_needs(stage: Stage) -> None:
    earlier = {each.run for each in STAGES[: STAGES.index(stage)]}
    assert set(stage.after) <= earlier


def test_no_stage_runs_twice() -> None:
    assert len({stage.run for stage in STAGES}) == len(STAGES)


async def test_a_request_with_several_faults_is_rejected_by_the_first_stage(
    server: GraphQLServer,
) -> None:
    valid = {**server.auth, "Content-Type": "application/json"}
    faults = {
        "Origin": ("https://evil.example", 403),
        "X-Request-Timeout-Ms": ("soon", 400),
        "Authorization": ("Bearer rgk_wrong", 401),
        "Accept": ("image/png", 406),
        "Content-Type": ("text/plain", 415),
    }
    headers = valid | {name: value for name, (value, _) in faults.items()}
    for name, (_, status) in faults.items():
        async with server.client.post(server.url, data="{", headers=headers) as response:
            assert response.status == status
        del headers[name]
        headers |= {name: valid[name]} if name in valid else {}
    async with server.client.post(server.url, data="{", headers=headers) as response:
        assert response.status == 400


async def test_an_operation_that_exceeds_the_deadline_is_cancelled() -> None:
    async with run_server(timings=Timings(deadline_s=0.01)) as server:
        server.account.rooms.hangs = True
        status, body = await server.post(ROOM, GRAPHQL_RESPONSE, ref={"uniqueName": "standup"})
    assert status == 504
    assert body["errors"][0]["extensions"]["code"] == "GATEWAY_TIMEOUT"
    assert body["errors"][0]["extensions"]["retryable"] is True


async def test_introspection_is_disabled_unless_it_is_enabled(server: GraphQLServer) -> None:
    _, body = await server.post("{ __schema { queryType { name } } }")
    assert "introspection" in body["errors"][0]["message"]
    async with run_server(introspection=True) as development:
        _, body = await development.post("{ __schema { queryType { name } } }")
        assert body["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_errors_suggest_names_only_where_introspection_is_enabled(
    server: GraphQLServer,
) -> None:
    assert "Did you mean" not in (await server.error("{ romm(ref: 1) { id } }"))["message"]
    async with run_server(introspection=True) as development:
        error = await development.error("{ romm(ref: 1) { id } }")
        assert "Did you mean" in error["message"]
