"""POST and GET, as any HTTP client sees them."""

import json
from typing import Any

import pytest

from tests.gql.conftest import KEY, GraphQLServer, run_server
from tests.gql.fakes import room

RESPONSE = "application/graphql-response+json"
ROOM = "query($ref: ID!) { room(ref: $ref) { id uniqueName dateCreated } }"


async def test_a_query_is_answered(server: GraphQLServer) -> None:
    status, body = await server.post(ROOM, ref="standup")
    assert status == 200
    assert body["data"] == {
        "room": {"id": room().sid, "uniqueName": "standup", "dateCreated": "2026-11-20T12:00:00Z"}
    }
    assert "errors" not in body


async def test_an_answer_says_what_it_cost_and_what_is_left(server: GraphQLServer) -> None:
    headers = server.auth | {"Accept": RESPONSE}
    async with server.client.post(
        server.url, json={"query": ROOM, "variables": {"ref": "a"}}, headers=headers
    ) as reply:
        cost = (await reply.json(content_type=None))["extensions"]["cost"]
        assert (cost["requested"], cost["actual"], cost["limit"]) == (35, 10, 1_500_000)
        assert reply.headers["RateLimit"] == f'"default";r={cost["remaining"]};t=1'
        assert reply.headers["RateLimit-Policy"] == '"default";q=1500000;w=60'


async def test_a_query_may_come_by_get(server: GraphQLServer) -> None:
    parameters = {"query": ROOM, "variables": json.dumps({"ref": "standup"})}
    async with server.client.get(server.url, params=parameters, headers=server.auth) as reply:
        assert reply.status == 200
        assert (await reply.json())["data"]["room"]["uniqueName"] == "standup"


async def test_a_mutation_by_get_is_refused(server: GraphQLServer) -> None:
    async with server.client.get(
        server.url, params={"query": "mutation { createRoom { sid } }"}, headers=server.auth
    ) as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")
        assert (await reply.json())["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert server.account.rooms.created == []


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer rgk_wrong"}, {"X-API-Key": ""}], ids=str
)
async def test_a_request_without_a_known_key_is_unauthenticated(
    server: GraphQLServer, headers: dict[str, str]
) -> None:
    async with server.client.post(
        server.url, json={"query": "{ __typename }"}, headers=headers
    ) as reply:
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await reply.json())["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_key_may_stand_in_its_own_header(server: GraphQLServer) -> None:
    async with server.client.post(
        server.url, json={"query": "{ __typename }"}, headers={"X-API-Key": KEY}
    ) as reply:
        assert reply.status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": "{}", "headers": {"Content-Type": "text/plain"}}, 415),
        (
            {
                "data": "query={__typename}",
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            },
            415,
        ),
        ({"data": "{}", "headers": {"Content-Type": "application/json; charset=latin-1"}}, 415),
        ({"data": "{"}, 400),
        ({"data": "[" * 5_000}, 400),
        ({"data": b'{"query": "\xff"}'}, 400),
        ({"json": [{"query": "{ __typename }"}]}, 400),
        ({"json": {"query": "{ __typename }", "variables": {"x": "y" * 16_384}}}, 400),
        ({"json": {"query": "#" * 65_536}}, 413),
        ({"json": {"query": "{ __typename }"}, "headers": {"Accept": "image/png"}}, 406),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_is_no_request_is_refused_with_its_status(
    server: GraphQLServer, sent: dict[str, Any], status: int
) -> None:
    headers = {"Content-Type": "application/json", **sent.pop("headers", {}), **server.auth}
    async with server.client.post(server.url, headers=headers, **sent) as reply:
        assert reply.status == status
        [error] = (await reply.json())["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert ";" in error["message"], "it says what to do"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(server: GraphQLServer, method: str) -> None:
    async with server.client.request(method, server.url, headers=server.auth) as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, POST, OPTIONS")


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ nonsense }",
        "query($n: Int!) { rooms(first: $n) { nodes { id } } }",
        "query A { a } query B { b }",
    ],
)
async def test_a_request_error_has_no_data_and_status_400_only_in_the_new_media_type(
    server: GraphQLServer, query: str
) -> None:
    new_status, new = await server.post(query, RESPONSE)
    old_status, old = await server.post(query, "application/json")
    assert (new_status, old_status) == (400, 200)
    assert "data" not in new
    assert "data" not in old


async def test_an_operation_that_takes_too_long_is_ended() -> None:
    async with run_server(deadline_s=0.01) as server:
        server.account.rooms.hangs = True
        status, body = await server.post(ROOM, RESPONSE, ref="standup")
    assert status == 504
    assert body["errors"][0]["extensions"]["code"] == "GATEWAY_TIMEOUT"
    assert body["errors"][0]["extensions"]["retryable"] is True


async def test_the_caller_may_wait_less_long_and_not_longer() -> None:
    async with run_server(deadline_s=0.2) as server:
        server.account.rooms.hangs = True
        for timeout_ms, shown in (("100", "0.1 s"), ("60000", "0.2 s")):
            sent = {**server.auth, "X-Request-Timeout-Ms": timeout_ms}
            body = {"query": ROOM, "variables": {"ref": "standup"}}
            async with server.client.post(server.url, json=body, headers=sent) as reply:
                [error] = (await reply.json())["errors"]
            assert error["extensions"]["code"] == "GATEWAY_TIMEOUT"
            assert shown in error["message"]


async def test_a_timeout_that_is_none_is_refused(server: GraphQLServer) -> None:
    sent = {**server.auth, "X-Request-Timeout-Ms": "soon"}
    async with server.client.post(
        server.url, json={"query": "{ __typename }"}, headers=sent
    ) as reply:
        assert (reply.status, (await reply.json())["errors"][0]["extensions"]["code"]) == (
            400,
            "BAD_USER_INPUT",
        )


async def test_introspection_is_for_development_only(server: GraphQLServer) -> None:
    _, body = await server.post("{ __schema { queryType { name } } }")
    assert "introspection" in body["errors"][0]["message"]
    async with run_server(introspection=True) as server:
        _, body = await server.post("{ __schema { queryType { name } } }")
        assert body["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_names_are_suggested_in_development_only(server: GraphQLServer) -> None:
    assert "Did you mean" not in (await server.error("{ romm(ref: 1) { id } }"))["message"]
    async with run_server(introspection=True) as server:
        assert "Did you mean" in (await server.error("{ romm(ref: 1) { id } }"))["message"]


async def test_a_subscription_by_plain_post_is_told_where_to_go(server: GraphQLServer) -> None:
    status, body = await server.post("subscription { roomEvents { cursor } }", RESPONSE)
    assert status == 400
    assert "text/event-stream" in body["errors"][0]["message"]


async def test_pages_of_other_origins_are_refused() -> None:
    async with run_server(allowed_origins=["https://app.example"]) as server:
        for origin, status, allowed in (
            ("https://app.example", 204, "https://app.example"),
            ("https://evil.example", 403, None),
            ("http://localhost:3000", 403, None),
        ):
            async with server.client.options(server.url, headers={"Origin": origin}) as reply:
                assert (reply.status, reply.headers.get("Access-Control-Allow-Origin")) == (
                    status,
                    allowed,
                )


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_page_of_an_allowed_origin_may_read_answers_of_every_form(accept: str) -> None:
    async with run_server(allow_loopback_origins=True) as server:
        sent = {**server.auth, "Origin": "http://localhost:3000", "Accept": accept}
        for query in ("{ __typename }", "{"):
            async with server.client.post(server.url, json={"query": query}, headers=sent) as reply:
                assert reply.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
                assert reply.headers["Vary"] == "Origin"
        async with server.client.post(
            server.url, json={"query": "{ __typename }"}, headers={"Origin": sent["Origin"]}
        ) as reply:
            assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (
                401,
                sent["Origin"],
            )
        preflight = {"Origin": sent["Origin"], "Access-Control-Request-Method": "POST"}
        async with server.client.options(server.url, headers=preflight) as reply:
            allowed = reply.headers["Access-Control-Allow-Headers"].split(", ")
    assert {
        "authorization",
        "x-api-key",
        "content-type",
        "last-event-id",
        "x-request-timeout-ms",
    } <= set(allowed)


async def test_a_stopping_face_takes_no_more_requests(server: GraphQLServer) -> None:
    await server.graphql.aclose()
    status, body = await server.post("{ __typename }")
    assert status == 503
    assert body["errors"][0]["extensions"]["retryable"] is True


async def test_the_trace_of_the_caller_is_told_in_the_error(server: GraphQLServer) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {**server.auth, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    async with server.client.post(server.url, json={"query": "{"}, headers=headers) as reply:
        assert (await reply.json())["errors"][0]["extensions"]["traceId"] == trace
