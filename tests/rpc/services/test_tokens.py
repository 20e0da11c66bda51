"""TokenService over a real channel, to a gateway process."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from gateway.rpc.v1 import room_pb2, token_pb2
from tests.rpc.client import Client, Clients, check_refusal, refusal
from tests.running import new_name


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients.tokens


@pytest.fixture
async def room(clients: Clients) -> room_pb2.Room:
    room: room_pb2.Room = (
        await clients.rooms.CreateRoom(
            unique_name=new_name(), max_participant_duration=timedelta(minutes=10)
        )
    ).room
    return room


def claims_of(token: token_pb2.AccessToken) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token.jwt, options={"verify_signature": False})
    return claims


@pytest.mark.parametrize("named_by", ["sid", "unique_name"])
async def test_minted_token_is_valid_for_its_room(
    client: Client, room: room_pb2.Room, named_by: str
) -> None:
    named = getattr(room, named_by)
    token = (
        await client.MintAccessToken(identity="ann", room=named, ttl=timedelta(minutes=1))
    ).access_token

    assert (token.identity, token.room) == ("ann", named)
    claims = claims_of(token)
    assert claims["grants"] == {"identity": "ann", "video": {"room": named}}
    assert claims["exp"] == token.expire_time.seconds
    assert 0 < claims["exp"] - datetime.now(UTC).timestamp() <= 60
    explained = (await client.ExplainToken(token=token.jwt, room=room.sid)).explanation
    assert (explained.valid, explained.problem) == (True, token_pb2.TOKEN_PROBLEM_UNSPECIFIED)
    assert (explained.facts.identity, explained.facts.room, explained.facts.signed) == (
        "ann",
        named,
        True,
    )


async def test_default_ttl_is_the_longest_stay(client: Client, room: room_pb2.Room) -> None:
    token = (await client.MintAccessToken(identity="ann", room=room.sid)).access_token

    assert 500 < token.expire_time.seconds - datetime.now(UTC).timestamp() <= 600


async def test_token_without_a_room_is_valid_for_every_room(client: Client) -> None:
    token = (await client.MintAccessToken(identity="ann")).access_token

    assert not token.HasField("room")
    assert claims_of(token)["grants"] == {"identity": "ann", "video": {}}


async def test_explain_token_of_another_room(client: Client, room: room_pb2.Room) -> None:
    token = (await client.MintAccessToken(identity="ann", room=new_name())).access_token

    explained = (await client.ExplainToken(token=token.jwt, room=room.sid)).explanation

    assert (explained.valid, explained.problem) == (False, token_pb2.TOKEN_PROBLEM_OTHER_ROOM)
    assert explained.twilio_code == 20106
    assert explained.sentence


@pytest.mark.parametrize(
    ("token", "problem"),
    [("nonsense", token_pb2.TOKEN_PROBLEM_NOT_A_JWT), ("", token_pb2.TOKEN_PROBLEM_NOT_A_JWT)],
)
async def test_explain_text_that_is_no_token(client: Client, token: str, problem: int) -> None:
    explained = (await client.ExplainToken(token=token)).explanation

    assert (explained.valid, explained.problem, explained.facts) == (
        False,
        problem,
        token_pb2.TokenFacts(),
    )


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("MintAccessToken", {}, "INVALID_ARGUMENT"),
        ("MintAccessToken", {"identity": "a" * 129}, "INVALID_ARGUMENT"),
        ("MintAccessToken", {"identity": "ü" * 65}, "INVALID_ARGUMENT"),
        ("MintAccessToken", {"identity": "ann", "ttl": timedelta(0)}, "INVALID_ARGUMENT"),
        (
            "MintAccessToken",
            {"identity": "ann", "ttl": timedelta(days=1, seconds=1)},
            "INVALID_ARGUMENT",
        ),
        ("MintAccessToken", {"identity": "ann", "room": "tab\t"}, "INVALID_ARGUMENT"),
        ("MintAccessToken", {"identity": "ann", "room": "RM" + "0" * 32}, "NOT_FOUND"),
        ("ExplainToken", {"token": "x", "room": "tab\t"}, "INVALID_ARGUMENT"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
async def test_invalid_requests_are_rejected(
    client: Client, method: str, fields: dict[str, Any], code: str
) -> None:
    await check_refusal(getattr(client, method)(**fields), code)


async def test_ttl_above_the_longest_stay_is_rejected(client: Client, room: room_pb2.Room) -> None:
    await check_refusal(
        client.MintAccessToken(identity="ann", room=room.sid, ttl=timedelta(seconds=601)),
        "INVALID_ARGUMENT",
    )


async def test_explain_rejects_text_longer_than_any_token(client: Client) -> None:
    status, _, message = await refusal(client.ExplainToken(token="x" * 8193))

    assert status == "INVALID_ARGUMENT"
    assert message.startswith("token has 8193 characters")


@pytest.mark.parametrize("message", [token_pb2.AccessToken, token_pb2.TokenFacts])
def test_tokens_and_identities_are_marked_debug_redact(
    message: Any,
) -> None:
    marked = {field.name for field in message.DESCRIPTOR.fields if field.GetOptions().debug_redact}

    assert marked == {"jwt", "identity"} & set(message.DESCRIPTOR.fields_by_name)
