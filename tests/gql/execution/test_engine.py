"""Operations, apart from any transport."""

import asyncio
import gc
import json
from contextlib import aclosing

import pytest
from graphql import OperationType

from gateway.core.callers import Caller, Scope
from gateway.core.errors import Code
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest
from gateway.gql.execution.errors import Refused
from gateway.gql.schema.context import Context
from gateway.gql.schema.schema import EXECUTABLE
from gateway.service.callers.points import CallerLimiter
from tests.gql.conftest import ACCOUNT, Account, delivered

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

    account.feed.subscribe = never  # type: ignore[method-assign, assignment]
    engine = GraphQLEngine(EXECUTABLE, introspection=False, deadline_s=0.01)
    operation = engine.operation(
        GraphQLRequest("subscription { roomEvents { prev } }"), context(account)
    )
    [answer] = [answer async for answer in operation.answers()]
    assert answer.refused_for is Code.DEADLINE_EXCEEDED
    assert answer.status == 504
