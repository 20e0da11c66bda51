import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import jwt
import pytest
from pydantic import HttpUrl, SecretStr

from gateway.app.wiring import build_account
from gateway.core.callers import Caller, Scope
from gateway.core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from gateway.core.rooms import AccountSid, NewRoom, Room, RoomRef
from gateway.core.tokens import TOKEN_LIMIT, TTL_DEFAULT_S, TTL_LIMIT_S, NewToken, Problem
from gateway.sandbox.faults.injector import CallbackFault, Fault
from gateway.sandbox.server import Sandbox
from gateway.service.rooms import Rooms
from gateway.service.streams.feed import stream_limit
from gateway.service.tokens import Tokens
from gateway.settings.environment import Settings
from gateway.store.connection import Connections
from gateway.twilio.client import open_session
from gateway.twilio.tokens import SigningKey

LIMIT_S = 20
NOW = 1_800_000_000.25
ACCOUNT = AccountSid(Sandbox().account_sid)
KEY = SigningKey(
    account_sid=ACCOUNT, sid="SK0123456789abcdef0123456789abcdef", secret="s3cret" + "x" * 26
)
OWNER = Caller(ACCOUNT, "owner", frozenset({Scope.ADMIN}))
MINTER = Caller(ACCOUNT, "minter", frozenset({Scope.TOKENS_MINT}))
NOWHERE = "RM" + "0" * 32


@pytest.fixture(scope="module")
async def twilio() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        # No gateway listens for them.
        sandbox.faults.add(Fault(callbacks=CallbackFault(drop=1.0)))
        yield sandbox


@pytest.fixture
async def rooms(twilio: Sandbox, connections: Connections) -> AsyncIterator[Rooms]:
    settings = Settings(
        twilio_account_sid=twilio.account_sid,
        twilio_auth_token=SecretStr(twilio.auth_token),
        twilio_video_base_url=HttpUrl(twilio.url),
        gateway_public_url=HttpUrl("https://rooms.example"),
    )
    async with open_session() as session, asyncio.TaskGroup() as tasks:
        account = build_account(
            settings, settings.accounts[0], connections, session, stream_limit()
        )
        tail = tasks.create_task(account.tail.run())
        async with asyncio.timeout(LIMIT_S):
            await account.tail.ready()
        yield account.rooms
        await account.rooms.aclose()
        tail.cancel()


@pytest.fixture
def tokens(rooms: Rooms) -> Tokens:
    return Tokens(KEY, rooms, lambda: NOW)


async def created(rooms: Rooms, name: str | None = None, stay_s: int | None = None) -> Room:
    return (
        await rooms.create(OWNER, NewRoom(unique_name=name, max_participant_duration=stay_s))
    ).room.value


def new_token(room: str | None = None, ttl_s: int | None = None) -> NewToken:
    return NewToken(identity="ada", room=None if room is None else RoomRef.of(room), ttl_s=ttl_s)


def claims_of(token: str) -> dict[str, object]:
    """Returns the claims as Twilio would read them, without a check of the times."""
    return jwt.decode(
        token, KEY.secret, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}
    )


async def test_a_token_names_the_room_as_the_caller_did(rooms: Rooms, tokens: Tokens) -> None:
    room = await created(rooms, "Daily")

    for name in ("Daily", room.sid):
        token = await tokens.mint(MINTER, new_token(name, ttl_s=60))

        assert claims_of(token.jwt)["grants"] == {"video": {"room": name}, "identity": "ada"}
        assert (token.identity, token.room, token.expire_time.timestamp()) == (
            "ada",
            name,
            1_800_000_060,
        )
        assert claims_of(token.jwt)["exp"] == 1_800_000_060


async def test_a_token_without_a_room_is_valid_for_every_room(tokens: Tokens) -> None:
    token = await tokens.mint(MINTER, new_token())

    assert claims_of(token.jwt)["grants"] == {"video": {}, "identity": "ada"}
    assert token.room is None
    assert token.expire_time.timestamp() == 1_800_000_000 + TTL_DEFAULT_S


async def test_a_token_can_be_minted_for_the_name_of_a_future_room(tokens: Tokens) -> None:
    token = await tokens.mint(MINTER, new_token("Tomorrow", ttl_s=TTL_LIMIT_S))

    assert token.room == "Tomorrow"


async def test_the_ttl_is_at_most_the_longest_stay_in_the_room(
    rooms: Rooms, tokens: Tokens
) -> None:
    room = await created(rooms, "Short", stay_s=600)

    for name in ("Short", room.sid):
        assert (await tokens.mint(MINTER, new_token(name))).expire_time.timestamp() == 1_800_000_600
        assert (
            await tokens.mint(MINTER, new_token(name, ttl_s=600))
        ).expire_time.timestamp() == 1_800_000_600
        with pytest.raises(
            InvalidArgument, match="longest stay in the room is 600; give at most 600"
        ):
            await tokens.mint(MINTER, new_token(name, ttl_s=601))


async def test_a_room_by_sid_must_be_in_progress(rooms: Rooms, tokens: Tokens) -> None:
    ended = await created(rooms, "Over")
    await rooms.complete(OWNER, RoomRef.of(ended.sid))

    with pytest.raises(FailedPrecondition, match="has ended"):
        await tokens.mint(MINTER, new_token(ended.sid))
    with pytest.raises(NotFound, match="no such room"):
        await tokens.mint(MINTER, new_token(NOWHERE))
    assert (await tokens.mint(MINTER, new_token("Over"))).room == "Over"


async def test_minting_and_explaining_need_the_scope(tokens: Tokens) -> None:
    reader = Caller(ACCOUNT, "reader", frozenset({Scope.ROOMS_READ, Scope.ROOMS_WRITE}))

    with pytest.raises(PermissionDenied, match="tokens:mint"):
        await tokens.mint(reader, new_token())
    with pytest.raises(PermissionDenied, match="tokens:mint"):
        await tokens.explain(reader, "")


async def test_a_caller_with_grants_mints_for_these_rooms_only(
    rooms: Rooms, tokens: Tokens
) -> None:
    mine, other = await created(rooms, "Mine"), await created(rooms, "Other")
    by_name = replace(MINTER, grants=frozenset({"Mine", "Later"}))

    for name in ("Mine", mine.sid, "Later"):
        assert (await tokens.mint(by_name, new_token(name))).room == name
    with pytest.raises(PermissionDenied, match="not valid for rooms of this name"):
        await tokens.mint(by_name, new_token("Other"))
    with pytest.raises(PermissionDenied, match="valid for some rooms only"):
        await tokens.mint(by_name, new_token())
    # Like a missing room: whether the room exists is not revealed.
    with pytest.raises(NotFound, match="no such room"):
        await tokens.mint(by_name, new_token(other.sid))


async def test_a_grant_by_sid_does_not_include_later_rooms_of_that_name(
    rooms: Rooms, tokens: Tokens
) -> None:
    room = await created(rooms, "Weekly")
    by_sid = replace(MINTER, grants=frozenset({room.sid}))

    assert (await tokens.mint(by_sid, new_token(room.sid))).room == room.sid
    with pytest.raises(PermissionDenied, match="as its grant does"):
        await tokens.mint(by_sid, new_token("Weekly"))


async def test_without_an_api_key_the_error_says_what_to_set(rooms: Rooms) -> None:
    tokens = Tokens(None, rooms)

    with pytest.raises(FailedPrecondition, match="TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"):
        await tokens.mint(MINTER, new_token())
    with pytest.raises(FailedPrecondition, match="TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"):
        await tokens.explain(MINTER, "")


async def test_a_minted_token_is_explained_as_valid_until_it_expires(
    rooms: Rooms, tokens: Tokens
) -> None:
    token = await tokens.mint(MINTER, new_token(ttl_s=60))

    explained = await tokens.explain(MINTER, token.jwt)
    later = await Tokens(KEY, rooms, lambda: NOW + 300).explain(MINTER, token.jwt)

    assert (explained.is_valid, explained.facts.identity) == (True, "ada")
    assert (later.problem, later.sentence[:21]) == (Problem.EXPIRED, "expired 4 minutes ago")


async def test_a_room_is_the_same_by_name_and_by_sid(rooms: Rooms, tokens: Tokens) -> None:
    room = await created(rooms, "Same")
    other = await created(rooms, "Another")
    unnamed = await created(rooms)

    for name, also in (("Same", room.sid), (room.sid, "Same")):
        token = (await tokens.mint(MINTER, new_token(name))).jwt

        assert (await tokens.explain(MINTER, token, RoomRef.of(name))).is_valid
        assert (await tokens.explain(MINTER, token, RoomRef.of(also))).is_valid
        with pytest.raises(NotFound):
            await tokens.explain(MINTER, token, RoomRef.of(NOWHERE))
        for wrong in (other.sid, "Another", unnamed.sid, "Nowhere"):
            explained = await tokens.explain(MINTER, token, RoomRef.of(wrong))
            assert explained.problem is Problem.OTHER_ROOM


async def test_a_text_longer_than_any_token_is_refused_unread(tokens: Tokens) -> None:
    assert (await tokens.explain(MINTER, "s" * TOKEN_LIMIT)).problem is Problem.NOT_A_JWT
    with pytest.raises(InvalidArgument, match="8193 characters"):
        await tokens.explain(MINTER, "s" * (TOKEN_LIMIT + 1))


async def test_nothing_of_a_token_is_logged(
    rooms: Rooms, tokens: Tokens, capfd: pytest.CaptureFixture[str]
) -> None:
    token = await tokens.mint(MINTER, NewToken(identity="s3cret identity", ttl_s=60))
    await tokens.explain(MINTER, token.jwt)
    with pytest.raises(InvalidArgument):
        await tokens.mint(MINTER, NewToken(identity="s3cret identity" * 20))

    printed = "".join(capfd.readouterr())
    assert "s3cret" not in printed
    assert token.jwt not in printed
