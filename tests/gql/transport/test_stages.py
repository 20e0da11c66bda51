"""What each stage of a request does, as an HTTP client sees it."""

import json
from typing import Any

import pytest

from gateway.gql.transport.limits import Timings
from gateway.http.origins import Origins
from tests.gql.conftest import KEY, GraphQLServer, run_server
from tests.gql.fakes import room

GRAPHQL_RESPONSE = "application/graphql-response+json"
ROOM = "query($ref: RoomRef!) { room(ref: $ref) { id uniqueName createTime } }"
TYPENAME = {"query": "{ __typename }"}


async def test_a_query_by_post_returns_its_data(server: GraphQLServer) -> None:
    status, body = await server.post(ROOM, ref={"uniqueName": "standup"})
    assert status == 200
    assert body["data"] == {
        "room": {"id": room().sid, "uniqueName": "standup", "createTime": "2026-11-20T12:00:00Z"}
    }
    assert "errors" not in body


async def test_a_query_by_get_returns_its_data(server: GraphQLServer) -> None:
    parameters = {"query": ROOM, "variables": json.dumps({"ref": {"uniqueName": "standup"}})}
    async with server.client.get(server.url, params=parameters, headers=server.auth) as response:
        assert response.status == 200
        assert (await response.json())["data"]["room"]["uniqueName"] == "standup"


async def test_a_response_has_its_cost_and_the_remaining_points(server: GraphQLServer) -> None:
    headers = server.auth | {"Accept": GRAPHQL_RESPONSE}
    body = {"query": ROOM, "variables": {"ref": {"uniqueName": "a"}}}
    async with server.client.post(server.url, json=body, headers=headers) as response:
        cost = (await response.json(content_type=None))["extensions"]["cost"]
        assert (cost["requested"], cost["actual"], cost["limit"]) == (35, 10, 1_500_000)
        assert response.headers["RateLimit"] == f'"default";r={cost["remaining"]};t=1'
        assert response.headers["RateLimit-Policy"] == '"default";q=1500000;w=60'


async def test_a_mutation_by_get_is_rejected_and_not_run(server: GraphQLServer) -> None:
    parameters = {"query": "mutation { createRoom(input: {}) { room { sid } } }"}
    async with server.client.get(server.url, params=parameters, headers=server.auth) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert server.account.rooms.created == []


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer rgk_wrong"}, {"X-API-Key": ""}], ids=str
)
async def test_a_request_without_a_valid_key_is_unauthenticated(
    server: GraphQLServer, headers: dict[str, str]
) -> None:
    async with server.client.post(server.url, json=TYPENAME, headers=headers) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await response.json())["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_key_may_be_in_x_api_key(server: GraphQLServer) -> None:
    headers = {"X-API-Key": KEY}
    async with server.client.post(server.url, json=TYPENAME, headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (
            {"data": "{}", "headers": {"Content-Type": "text/plain"}},
            415,
            "Content-Type must be application/json",
        ),
        (
            {
                "data": "query={__typename}",
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            },
            415,
            "Content-Type must be application/json",
        ),
        (
            {"data": "{}", "headers": {"Content-Type": "application/json; charset=latin-1"}},
            415,
            "Content-Type must be application/json",
        ),
        ({"data": "{"}, 400, "the body must be JSON in UTF-8"),
        ({"data": "[" * 5_000}, 400, "the body must be JSON in UTF-8"),
        ({"data": b'{"query": "\xff"}'}, 400, "the body must be JSON in UTF-8"),
        ({"data": "1"}, 400, "the body must be a JSON object"),
        ({"json": [TYPENAME]}, 400, "send one operation per request"),
        (
            {"json": {**TYPENAME, "variables": {"x": "y" * 16_384}}},
            400,
            "variables must have at most 16384 bytes",
        ),
        ({"json": {"query": "#" * 65_536}}, 413, "the body must have at most 65536 bytes"),
        (
            {"json": TYPENAME, "headers": {"Accept": "image/png"}},
            406,
            "Accept must name one of application/graphql-response+json, application/json, ",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_malformed_request_is_rejected_with_its_status(
    server: GraphQLServer, request_: dict[str, Any], status: int, message: str
) -> None:
    headers = {"Content-Type": "application/json", **request_.get("headers", {}), **server.auth}
    async with server.client.post(server.url, **{**request_, "headers": headers}) as response:
        assert response.status == status
        [error] = (await response.json())["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert message in error["message"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_another_method_is_rejected(server: GraphQLServer, method: str) -> None:
    async with server.client.request(method, server.url, headers=server.auth) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, POST, OPTIONS")


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ nonsense }",
        "query($n: Int!) { rooms(first: $n) { nodes { id } } }",
        "query A { a } query B { b }",
    ],
)
async def test_a_request_error_has_no_data_and_status_400_only_in_the_graphql_media_type(
    server: GraphQLServer, query: str
) -> None:
    graphql_status, graphql_body = await server.post(query, GRAPHQL_RESPONSE)
    json_status, json_body = await server.post(query, "application/json")
    assert (graphql_status, json_status) == (400, 200)
    assert "data" not in graphql_body
    assert "data" not in json_body


async def test_the_client_can_shorten_the_deadline_and_not_extend_it() -> None:
    async with run_server(timings=Timings(deadline_s=0.2)) as server:
        server.account.rooms.hangs = True
        for timeout_ms, limit in (("100", "0.1 s"), ("60000", "0.2 s")):
            headers = {**server.auth, "X-Request-Timeout-Ms": timeout_ms}
            body = {"query": ROOM, "variables": {"ref": {"uniqueName": "standup"}}}
            async with server.client.post(server.url, json=body, headers=headers) as response:
                [error] = (await response.json())["errors"]
            assert error["extensions"]["code"] == "GATEWAY_TIMEOUT"
            assert limit in error["message"]


async def test_an_invalid_timeout_is_rejected(server: GraphQLServer) -> None:
    headers = {**server.auth, "X-Request-Timeout-Ms": "soon"}
    async with server.client.post(server.url, json=TYPENAME, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_subscription_by_plain_post_is_rejected_with_the_ways_to_send_it(
    server: GraphQLServer,
) -> None:
    status, body = await server.post("subscription { roomEvents { cursor } }", GRAPHQL_RESPONSE)
    assert status == 400
    assert "text/event-stream" in body["errors"][0]["message"]


async def test_a_page_of_another_origin_is_rejected() -> None:
    async with run_server(origins=Origins(["https://app.example"], allow_loopback=False)) as server:
        for origin, status, allowed in (
            ("https://app.example", 204, "https://app.example"),
            ("https://evil.example", 403, None),
            ("http://localhost:3000", 403, None),
        ):
            async with server.client.options(server.url, headers={"Origin": origin}) as response:
                assert response.status == status
                assert response.headers.get("Access-Control-Allow-Origin") == allowed


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_page_of_an_allowed_origin_can_read_every_response(accept: str) -> None:
    async with run_server(origins=Origins((), allow_loopback=True)) as server:
        origin = "http://localhost:3000"
        headers = {**server.auth, "Origin": origin, "Accept": accept}
        for query in ("{ __typename }", "{"):
            body = {"query": query}
            async with server.client.post(server.url, json=body, headers=headers) as response:
                assert response.headers["Access-Control-Allow-Origin"] == origin
                assert response.headers["Vary"] == "Origin"
        unauthenticated = {"Origin": origin}
        async with server.client.post(
            server.url, json=TYPENAME, headers=unauthenticated
        ) as response:
            assert response.status == 401
            assert response.headers["Access-Control-Allow-Origin"] == origin
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with server.client.options(server.url, headers=preflight) as response:
            allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {
        "authorization",
        "x-api-key",
        "content-type",
        "last-event-id",
        "x-request-timeout-ms",
    } <= set(allowed)


async def test_a_stopping_gateway_rejects_requests_as_retryable(server: GraphQLServer) -> None:
    await server.graphql.aclose()
    status, body = await server.post("{ __typename }")
    assert status == 503
    assert body["errors"][0]["extensions"]["retryable"] is True


async def test_an_error_has_the_trace_id_of_the_caller(server: GraphQLServer) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {**server.auth, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    async with server.client.post(server.url, json={"query": "{"}, headers=headers) as response:
        assert (await response.json())["errors"][0]["extensions"]["traceId"] == trace
