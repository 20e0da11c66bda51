"""Minting and explaining access tokens."""

import pytest

from gateway.core.rooms import RoomRef
from tests.gql.conftest import GraphQLServer

MINT = """mutation($input: MintAccessTokenInput!) { mintAccessToken(input: $input) {
    accessToken { jwt identity room } errors { code field } } }"""
EXPLAIN = """mutation($input: ExplainTokenInput!) { explainToken(input: $input) {
    explanation { isValid problem twilioCode sentence facts { identity isSigned room } }
    errors { code } } }"""
STANDUP = {"uniqueName": "standup"}


async def test_mint_access_token_passes_its_input(server: GraphQLServer) -> None:
    minted = await server.data(MINT, input={"identity": "ada", "room": STANDUP, "ttlSeconds": 300})
    assert minted["mintAccessToken"] == {
        "accessToken": {"jwt": "a.b.c", "identity": "ada", "room": "standup"},
        "errors": [],
    }
    await server.data(MINT, input={"identity": "ada", "room": None, "ttlSeconds": None})
    assert server.account.tokens.calls == [
        ("mint", "ada", RoomRef(None, "standup"), 300),
        ("mint", "ada", None, None),
    ]


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"identity": ""}, ["identity"]),
        ({"identity": "a", "ttlSeconds": 0}, ["ttlSeconds"]),
        ({"identity": "a", "ttlSeconds": 86_401}, ["ttlSeconds"]),
        ({"identity": "a", "room": {"uniqueName": ""}}, ["room", "uniqueName"]),
    ],
)
async def test_mint_access_token_rejects_a_wrong_field(
    server: GraphQLServer, fields: dict[str, object], at_fault: list[str]
) -> None:
    minted = await server.data(MINT, input=fields)
    assert minted["mintAccessToken"]["errors"] == [{"code": "INVALID_INPUT", "field": at_fault}]
    assert server.account.tokens.calls == []


async def test_explain_token_returns_the_problem_and_a_sentence(server: GraphQLServer) -> None:
    data = await server.data(EXPLAIN, input={"token": "x.y.z", "room": STANDUP})
    assert data["explainToken"] == {
        "explanation": {
            "isValid": False,
            "problem": "EXPIRED",
            "twilioCode": 20104,
            "sentence": "expired 4 minutes ago; mint a new one",
            "facts": {"identity": "ada", "isSigned": True, "room": None},
        },
        "errors": [],
    }
    assert server.account.tokens.calls == [("explain", "x.y.z", RoomRef(None, "standup"))]


async def test_a_token_cannot_be_sent_in_a_url(server: GraphQLServer) -> None:
    query = 'mutation { explainToken(input: {token: "x.y.z"}) { explanation { isValid } } }'
    async with server.client.get(server.url, params={"query": query}, headers=server.auth) as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert server.account.tokens.calls == []
