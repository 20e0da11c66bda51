"""Access tokens."""

import pytest

from gateway.core.rooms import RoomRef
from gateway.gql.schema.tokens import AccessToken
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import AT

EXPLAIN = """($token: String!) { explainToken(token: $token, room: "standup") {
    isValid problem twilioCode sentence
    facts { identity expireTime isSigned room } } }"""


async def test_mint_access_token_passes_its_arguments(server: GraphQLServer) -> None:
    query = """mutation { mintAccessToken(identity: "ada", room: "standup", ttlSeconds: 300) {
        jwt identity room expireTime } }"""
    assert (await server.data(query))["mintAccessToken"] == {
        "jwt": "a.b.c",
        "identity": "ada",
        "room": "standup",
        "expireTime": "2026-11-20T12:00:00Z",
    }
    await server.data(
        'mutation { mintAccessToken(identity: "ada", room: null, ttlSeconds: null) { jwt } }'
    )
    assert server.account.tokens.calls == [
        ("mint", "ada", RoomRef(None, "standup"), 300),
        ("mint", "ada", None, None),
    ]


@pytest.mark.parametrize(
    "arguments",
    ['identity: ""', 'identity: "a", ttlSeconds: 0', 'identity: "a", ttlSeconds: 86401'],
)
async def test_mint_access_token_rejects_arguments_out_of_bounds(
    server: GraphQLServer, arguments: str
) -> None:
    error = await server.error("mutation { mintAccessToken(" + arguments + ") { jwt } }")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert server.account.tokens.calls == []


async def test_explain_token_returns_the_problem_and_a_sentence(server: GraphQLServer) -> None:
    data = await server.data("mutation" + EXPLAIN, token="x.y.z")
    assert data["explainToken"] == {
        "isValid": False,
        "problem": "EXPIRED",
        "twilioCode": 20104,
        "sentence": "expired 4 minutes ago; mint a new one",
        "facts": {
            "identity": "ada",
            "expireTime": "2026-11-20T12:00:00Z",
            "isSigned": True,
            "room": None,
        },
    }
    assert server.account.tokens.calls == [("explain", "x.y.z", RoomRef(None, "standup"))]


async def test_a_token_cannot_be_sent_in_a_url(server: GraphQLServer) -> None:
    parameters = {"query": 'mutation { explainToken(token: "x.y.z") { isValid } }'}
    async with server.client.get(server.url, params=parameters, headers=server.auth) as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert server.account.tokens.calls == []


def test_a_token_is_not_in_its_repr() -> None:
    assert "a.b.c" not in repr(AccessToken(jwt="a.b.c", identity="ada", room=None, expire_time=AT))
