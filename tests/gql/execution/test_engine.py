"""Operations, without a transport."""

import asyncio
import gc
import json
from contextlib import aclosing

import pytest
from graphql import OperationType

from gateway.core.errors import Code
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest, Operation
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from tests.gql.fakes import ACCOUNT, Account, delivered, operation_context

ENGINE = GraphQLEngine(EXECUTABLE_SCHEMA, introspection=False, deadline_s=5)
EVENTS = "subscription { roomEvents { prev } }"


def prepare(account: Account, query: str, name: str | None = None) -> Operation:
    return ENGINE.prepare(GraphQLRequest(query, None, name), operation_context(account))


async def test_prepare_selects_the_named_operation_and_runs_nothing() -> None:
    account = Account(ACCOUNT)
    document = "query Read { __typename } mutation Make { createRoom(input: {}) { room { sid } } }"
    operation = prepare(account, document, "Make")
    assert operation.type is OperationType.MUTATION
    assert account.rooms.created == []
    await operation.result()
    assert len(account.rooms.created) == 1


@pytest.mark.parametrize("name", [None, "Other"])
def test_prepare_without_the_name_of_one_of_two_operations_fails(name: str | None) -> None:
    with pytest.raises(RequestError):
        prepare(Account(ACCOUNT), "query A { __typename } query B { __typename }", name)


async def test_closing_the_results_of_a_subscription_closes_its_source() -> None:
    account = Account(ACCOUNT)
    async with aclosing(prepare(account, EVENTS).results()) as results:
        first = await anext(results)
        account.feed.put(delivered(1))
        second = await anext(results)
        assert account.feed.open_count == 1
    assert account.feed.open_count == 0
    assert [result.cursor for result in (first, second)] == ["c0", "c1"]
    assert json.loads(second.encoded) == {"data": {"roomEvents": {"prev": "c0"}}}


async def test_a_subscription_keeps_no_memory_of_the_events_it_has_sent() -> None:
    account = Account(ACCOUNT)
    async with aclosing(prepare(account, EVENTS).results()) as results:
        await anext(results)

        async def objects_after(count: int) -> int:
            for number in range(count):
                account.feed.put(delivered(number))
                await anext(results)
            gc.collect()
            return len(gc.get_objects())

        before = await objects_after(10)
        assert await objects_after(500) - before < 100


async def test_cancelling_a_subscription_closes_its_source() -> None:
    account = Account(ACCOUNT)

    async def consume() -> None:
        async with aclosing(prepare(account, EVENTS).results()) as results:
            async for _ in results:
                pass

    async with asyncio.TaskGroup() as tasks:
        consumer = tasks.create_task(consume())
        await account.feed.wait_until_open(1)
        consumer.cancel()
    assert account.feed.open_count == 0


async def test_a_subscription_that_does_not_start_in_time_ends_with_a_timeout() -> None:
    account = Account(ACCOUNT)

    async def never(*_: object, **__: object) -> object:
        await asyncio.Event().wait()
        yield

    account.feed.subscribe = never  # type: ignore[method-assign, assignment]
    engine = GraphQLEngine(EXECUTABLE_SCHEMA, introspection=False, deadline_s=0.01)
    operation = engine.prepare(GraphQLRequest(EVENTS), operation_context(account))
    [result] = [result async for result in operation.results()]
    assert result.error_code is Code.DEADLINE_EXCEEDED
    assert result.status == 504
