"""Operations, apart from any transport."""

import asyncio
import gc
import json
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest
from graphql import OperationType

from gateway.core.callers import Caller, Scope
from gateway.core.errors import Code
from gateway.core.events import Bookmark, Delivered, ResyncReason, ResyncRequired, RoomEventType
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest, GraphQLResult, Operation
from gateway.gql.execution.errors import Refused
from gateway.gql.schema.context import Context
from gateway.gql.schema.schema import EXECUTABLE
from gateway.service.callers.points import CallerLimiter
from tests.gql.conftest import ACCOUNT, Account, delivered, event, room

ENGINE = GraphQLEngine(EXECUTABLE, introspection=False, deadline_s=5)


def context(account: Account) -> Context:
    caller = Caller(ACCOUNT, "test", frozenset({Scope.ADMIN}))
    return Context(caller, account, "trace", CallerLimiter().charge(caller))  # type: ignore[arg-type]


async def test_an_operation_is_known_before_it_runs() -> None:
    account = Account(ACCOUNT)
    two = "query Read { __typename } mutation Make { createRoom { sid } }"
    operation = ENGINE.operation(GraphQLRequest(two, None, "Make"), context(account))
    assert operation.kind is OperationType.MUTATION
    assert account.rooms.created == []
    await operation.answer()
    assert len(account.rooms.created) == 1


@pytest.mark.parametrize("name", [None, "Other"])
def test_an_operation_has_to_be_named_when_there_are_two(name: str | None) -> None:
    with pytest.raises(Refused):
        ENGINE.operation(
            GraphQLRequest("query A { __typename } query B { __typename }", None, name),
            context(Account(ACCOUNT)),
        )


async def test_a_stream_closes_its_source_when_it_is_closed() -> None:
    account = Account(ACCOUNT)
    operation = ENGINE.operation(
        GraphQLRequest("subscription { roomEvents { prev } }"), context(account)
    )
    async with aclosing(operation.answers()) as answers:
        first = await anext(answers)
        account.feed.put(delivered(1))
        second = await anext(answers)
        assert account.feed.open == 1
    assert account.feed.open == 0
    assert [answer.cursor for answer in (first, second)] == ["c0", "c1"]
    assert json.loads(second.encoded) == {"data": {"roomEvents": {"prev": "c0"}}}


async def test_a_stream_keeps_nothing_of_the_events_it_has_told() -> None:
    account = Account(ACCOUNT)
    operation = ENGINE.operation(
        GraphQLRequest("subscription { roomEvents { prev } }"), context(account)
    )
    async with aclosing(operation.answers()) as answers:
        await anext(answers)

        async def tell(count: int) -> int:
            for number in range(count):
                account.feed.put(delivered(number))
                await anext(answers)
            gc.collect()
            return len(gc.get_objects())

        before = await tell(10)
        assert await tell(500) - before < 100


async def test_a_stream_that_is_cancelled_closes_its_source() -> None:
    account = Account(ACCOUNT)
    operation = ENGINE.operation(
        GraphQLRequest("subscription { roomEvents { prev } }"), context(account)
    )

    async def watch() -> None:
        async with aclosing(operation.answers()) as answers:
            async for _ in answers:
                pass

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        await account.feed.until_open(1)
        watching.cancel()
    assert account.feed.open == 0


async def test_a_stream_that_does_not_start_in_time_says_so() -> None:
    account = Account(ACCOUNT)

    async def never(*_: object, **__: object) -> object:
        await asyncio.Event().wait()
        yield

    account.feed.room_events = never  # type: ignore[method-assign, assignment]
    engine = GraphQLEngine(EXECUTABLE, introspection=False, deadline_s=0.01)
    operation = engine.operation(
        GraphQLRequest("subscription { roomEvents { prev } }"), context(account)
    )
    [answer] = [answer async for answer in operation.answers()]
    assert answer.refused_for is Code.DEADLINE_EXCEEDED
    assert answer.status == 504


WATCH = "subscription($after: String) { roomEvents(after: $after) { cursor prev ... on RoomEnded { roomDuration } } }"


async def told(account: Account, message: Delivered, *operations: Operation) -> list[GraphQLResult]:
    """What each of these operations, all begun anew, says of the message."""
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(aclosing(operation.answers()))
            for operation in operations
        ]
        for stream in streams:
            await anext(stream)
        account.feed.put(message)
        return [await anext(stream) for stream in streams]


def watching(account: Account, *variables: dict[str, str], query: str = WATCH) -> list[Operation]:
    engine = GraphQLEngine(EXECUTABLE, introspection=False, deadline_s=5)
    return [engine.operation(GraphQLRequest(query, given), context(account)) for given in variables]


async def test_i8_who_asks_for_the_same_is_given_the_same_bytes() -> None:
    account = Account(ACCOUNT)
    first, second = await told(account, delivered(1), *watching(account, {}, {"after": "c0"}))
    assert first.encoded is second.encoded
    assert (first.cursor, second.cursor) == ("c1", "c1")


async def test_i5_an_event_after_another_one_is_told_anew() -> None:
    """As the first one after a resume is: `prev` is the cursor that was sent."""
    account = Account(ACCOUNT)
    [operation] = watching(account, {})
    prevs = [
        json.loads((await told(account, replace(delivered(2), prev=prev), operation))[0].encoded)
        for prev in ("c1", "c0")
    ]
    assert [prev["data"]["roomEvents"]["prev"] for prev in prevs] == ["c1", "c0"]


async def test_messages_of_one_place_are_told_apart() -> None:
    account = Account(ACCOUNT)
    [operation] = watching(account, {}, query="subscription { roomEvents { __typename cursor } }")
    async with aclosing(operation.answers()) as answers:
        await anext(answers)
        for message in (delivered(1), Bookmark("c1"), ResyncRequired("c1", ResyncReason.EPOCH)):
            account.feed.put(message)
        told = [json.loads((await anext(answers)).encoded)["data"]["roomEvents"] for _ in range(3)]
    assert [message["__typename"] for message in told] == [
        "ParticipantConnected",
        "Bookmark",
        "ResyncRequired",
    ]


async def test_i12_an_error_is_told_to_its_caller_alone() -> None:
    """It shows the caller's trace."""
    account = Account(ACCOUNT)
    broken = delivered(1, event(RoomEventType.ROOM_ENDED, room_duration=2**40))
    first, second = await told(account, broken, *watching(account, {}, {}))
    assert "errors" in json.loads(first.encoded)
    assert first.encoded is not second.encoded


async def test_i12_what_is_fetched_below_an_event_is_fetched_for_each_caller() -> None:
    account = Account(ACCOUNT)
    query = "subscription { roomEvents { ... on RoomChanged { room { participants { nodes { sid } } } } } }"
    changed = delivered(1, event(RoomEventType.ROOM_CHANGED, room=room()))
    first, second = await told(account, changed, *watching(account, {}, {}, query=query))
    assert first.encoded is not second.encoded
    assert first.encoded == second.encoded


async def test_what_takes_the_shortcut_is_encoded_once_for_all() -> None:
    account, written = Account(ACCOUNT), list[tuple[bytes, str]]()
    engine = GraphQLEngine(EXECUTABLE, introspection=False, deadline_s=5)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            operation = engine.operation(GraphQLRequest(WATCH), context(account))
            answers = operation.answers(lambda pieces: not written.extend(pieces))
            await anext(await stack.enter_async_context(aclosing(answers)))
        assert all(sink is not None and sink([delivered(1)]) for sink in account.feed.sinks)
    (first, place), (second, _) = written
    assert json.loads(first) == {"data": {"roomEvents": {"cursor": "c1", "prev": "c0"}}}
    assert first is second
    assert place == "c1"
