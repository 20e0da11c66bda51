"""Operations, without a transport."""

import asyncio
import gc
import hashlib
import json
import sys
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest
from graphql import OperationType

from gateway.core.callers import Caller, Scope
from gateway.core.errors import Code, Throttled
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest, Operation
from gateway.gql.execution.errors import (
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    RequestError,
)
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.execution.results import GraphQLResult
from gateway.gql.execution.selection_key import SELECTIONS
from gateway.gql.schema.context import Context
from gateway.service.callers.charge import Charge
from gateway.service.callers.points import CallerLimiter
from gateway.service.persisted_queries import PersistedQueries
from gateway.store.connection import Connections
from gateway.store.persisted_queries import PersistedQueryTexts
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


class Admission:
    """Admits documents of a caller with 1,000 points to an engine of its own.

    `work` counts the calls of functions that the last one took.
    """

    def __init__(self, persisted: PersistedQueries | None = None) -> None:
        self.persisted = persisted
        self.limiter = CallerLimiter()
        self.caller = Caller(ACCOUNT, "test", frozenset({Scope.ADMIN}), limit=1_000)
        self.engine = GraphQLEngine(
            EXECUTABLE_SCHEMA, introspection=False, deadline_s=5, persisted=persisted
        )
        self.work = 0

    async def admit(self, request: GraphQLRequest) -> Charge:
        charge = Charge(self.limiter, self.caller)
        context = Context(self.caller, Account(ACCOUNT), "trace", charge)  # type: ignore[arg-type]
        self.work = 0
        sys.setprofile(self._count)
        try:
            await self.engine.admit(request, context)
        finally:
            sys.setprofile(None)
        return charge

    async def persisted_text(self, digest: str) -> str | None:
        assert self.persisted is not None
        return await self.persisted.text(ACCOUNT, digest)

    async def spend(self, points: int) -> None:
        await Charge(self.limiter, self.caller).hold(points)

    def _count(self, *_: object) -> None:
        self.work += 1


WIDE = "{ rooms { nodes { " + " ".join(f"... on Room {{ sid }} f{n}" for n in range(150)) + " } } }"


@pytest.mark.parametrize("query", [WIDE, "{ a(b: [" + "1 " * 900, "{ " + "__typename " * 30 + "}"])
async def test_a_document_of_a_caller_that_has_spent_its_points_is_not_parsed(query: str) -> None:
    admission = Admission()
    await admission.spend(950)
    with pytest.raises(RequestError) as refused:
        await admission.admit(GraphQLRequest(query))
    assert isinstance(refused.value.errors[0].original_error, Throttled)
    assert admission.work < 500
    assert query not in admission.engine._documents


async def test_a_rejected_document_costs_its_price_once() -> None:
    admission = Admission()
    for _ in range(10):
        with pytest.raises(RequestError) as refused:
            await admission.admit(GraphQLRequest("{ nonsense }"))
        assert "nonsense" in refused.value.errors[0].message
    with pytest.raises(RequestError) as refused:
        await admission.admit(GraphQLRequest("{ nonsense }"))
    assert isinstance(refused.value.errors[0].original_error, Throttled)


async def test_a_new_document_and_a_cached_one_cost_the_same() -> None:
    admission = Admission()
    for query in ("{ __typename }", "{ rooms(first: 100) { nodes { sid } } }"):
        new, cached = [await admission.admit(GraphQLRequest(query)) for _ in range(2)]
        assert (new.requested, new.actual) == (cached.requested, cached.actual)


async def test_a_cached_document_needs_no_points_but_its_cost() -> None:
    admission = Admission()
    await admission.admit(GraphQLRequest("{ __typename }"))
    await admission.spend(950)
    assert (await admission.admit(GraphQLRequest("{ __typename }"))).actual == 10


async def test_an_unknown_digest_costs_a_call() -> None:
    """Clients send the document then, and pay for that."""
    admission = Admission()
    await admission.spend(985)
    with pytest.raises(RequestError) as refused:
        await admission.admit(GraphQLRequest("", digest="0" * 64))
    assert isinstance(refused.value.errors[0].original_error, PersistedQueryNotSupported)


async def test_a_caller_with_fewer_points_than_a_rejected_document_costs_can_call() -> None:
    admission = Admission()
    admission.caller = replace(admission.caller, limit=50)
    assert (await admission.admit(GraphQLRequest("{ __typename }"))).actual == 10


async def test_subscriptions_that_select_the_same_share_responses_whatever_their_texts() -> None:
    account = Account(ACCOUNT)
    texts = (EVENTS, 'subscription Other { roomEvents(after: "c0") { prev } } # the same')
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(aclosing(prepare(account, text).results()))
            for text in texts
        ]
        for stream in streams:
            await anext(stream)
        account.feed.put(delivered(1))
        first, second = [await anext(stream) for stream in streams]
    assert first.encoded is second.encoded


async def test_a_caller_has_a_bounded_number_of_different_selections_open() -> None:
    account = Account(ACCOUNT)
    async with AsyncExitStack() as stack:

        async def subscribe(selected: str) -> GraphQLResult:
            operation = prepare(account, f"subscription {{ roomEvents {{ {selected} }} }}")
            return await anext(
                await stack.enter_async_context(aclosing(operation.results())),
            )

        for number in range(SELECTIONS):
            assert (await subscribe(f"a{number}: prev")).error_code is None
        assert (await subscribe("a0: prev")).error_code is None
        assert (await subscribe("cursor")).error_code is Code.THROTTLED
    async with aclosing(prepare(account, EVENTS).results()) as results:
        assert (await anext(results)).error_code is None


async def test_a_valid_document_that_is_paid_for_is_registered(connections: Connections) -> None:
    admission = Admission(PersistedQueries(PersistedQueryTexts(connections)))
    valid, invalid = "query Valid { __typename }", "query Invalid { nonsense }"
    for query in (valid, invalid):
        digest = hashlib.sha256(query.encode()).hexdigest()
        alone, both = GraphQLRequest("", digest=digest), GraphQLRequest(query, digest=digest)
        with pytest.raises(RequestError) as refused:
            await admission.admit(alone)
        assert isinstance(refused.value.errors[0].original_error, PersistedQueryNotFound)
        if query is valid:
            await admission.admit(both)
            assert (await admission.admit(alone)).actual == 10
        else:
            for request in (both, alone):
                with pytest.raises(RequestError):
                    await admission.admit(request)
            assert await admission.persisted_text(digest) is None


async def test_a_caller_that_has_spent_its_points_registers_nothing(
    connections: Connections,
) -> None:
    admission = Admission(PersistedQueries(PersistedQueryTexts(connections)))
    await admission.spend(1_000)
    digest = hashlib.sha256(b"{ __typename }").hexdigest()
    with pytest.raises(RequestError):
        await admission.admit(GraphQLRequest("{ __typename }", digest=digest))
    assert await admission.persisted_text(digest) is None
