"""Subscriptions, apart from any transport."""

import json
from collections.abc import Iterable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest

from gateway.core.errors import Code
from gateway.core.events import Bookmark, Delivered, ResyncReason, ResyncRequired, RoomEventType
from gateway.core.open_enum import HttpMethod
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest, Operation
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.execution.results import GraphQLResult
from gateway.service.callers.charge import FETCH_COST
from gateway.service.streams.encoded import EncodedMessage
from gateway.twilio.callbacks import FIELDS
from tests.documented_callbacks import documented_event, lost_from
from tests.gql.all_fields import fields_that_fetch_nothing
from tests.gql.fakes import ACCOUNT, Account, delivered, event, operation_context, room

EVENTS = """subscription($after: String) { roomEvents(after: $after) {
    cursor prev ... on RoomEnded { room { durationSeconds } } } }"""


async def delivery(
    account: Account, message: Delivered, *operations: Operation
) -> list[GraphQLResult]:
    """Starts each operation, and returns what each makes of the message."""
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(aclosing(operation.results()))
            for operation in operations
        ]
        for stream in streams:
            await anext(stream)
        account.feed.put(message)
        return [await anext(stream) for stream in streams]


def subscriptions(
    account: Account, *variables: dict[str, str], query: str = EVENTS
) -> list[Operation]:
    engine = GraphQLEngine(EXECUTABLE_SCHEMA, introspection=False, deadline_s=5)
    return [
        engine.prepare(GraphQLRequest(query, given), operation_context(account))
        for given in variables
    ]


async def test_i8_equal_selections_receive_the_same_bytes() -> None:
    account = Account(ACCOUNT)
    first, second = await delivery(
        account, delivered(1), *subscriptions(account, {}, {"after": "c0"})
    )
    assert first.encoded is second.encoded
    assert (first.cursor, second.cursor) == ("c1", "c1")


async def test_i5_an_event_with_another_prev_is_encoded_again() -> None:
    """The first event after a resume has the resumed cursor as its `prev`."""
    account = Account(ACCOUNT)
    [operation] = subscriptions(account, {})
    prevs = [
        json.loads(
            (await delivery(account, replace(delivered(2), prev=prev), operation))[0].encoded
        )
        for prev in ("c1", "c0")
    ]
    assert [prev["data"]["roomEvents"]["prev"] for prev in prevs] == ["c1", "c0"]


async def test_messages_with_one_cursor_are_encoded_apart() -> None:
    account = Account(ACCOUNT)
    [operation] = subscriptions(
        account, {}, query="subscription { roomEvents { __typename cursor } }"
    )
    async with aclosing(operation.results()) as results:
        await anext(results)
        for message in (delivered(1), Bookmark("c1"), ResyncRequired("c1", ResyncReason.EPOCH)):
            account.feed.put(message)
        messages = [
            json.loads((await anext(results)).encoded)["data"]["roomEvents"] for _ in range(3)
        ]
    assert [message["__typename"] for message in messages] == [
        "ParticipantConnected",
        "Bookmark",
        "ResyncRequired",
    ]


async def test_i12_an_error_is_not_shared_with_other_callers() -> None:
    """It holds the caller's trace id."""
    account = Account(ACCOUNT)
    query = "subscription { roomEvents { ... on RoomEvent { room { durationSeconds } } } }"
    broken = delivered(1, event(RoomEventType.ROOM_CHANGED, room=room(duration=2**40)))
    first, second = await delivery(account, broken, *subscriptions(account, {}, {}, query=query))
    assert "errors" in json.loads(first.encoded)
    assert first.encoded is not second.encoded


async def test_i12_fields_below_an_event_are_fetched_for_each_caller() -> None:
    account = Account(ACCOUNT)
    query = """subscription { roomEvents {
        ... on RoomEvent { room { participants { nodes { sid } } } } } }"""
    changed = delivered(1, event(RoomEventType.ROOM_CHANGED, room=room()))
    first, second = await delivery(account, changed, *subscriptions(account, {}, {}, query=query))
    assert first.encoded is not second.encoded
    assert first.encoded == second.encoded


async def test_i12_an_event_shows_no_address_of_callbacks() -> None:
    """Subscribers that select the same share the response, whatever their scopes."""
    query = """subscription { roomEvents {
        ... on RoomChanged { room { twilio { statusCallback statusCallbackMethod } } } } }"""
    changed = event(
        RoomEventType.ROOM_CHANGED,
        room=room(status_callback="https://me/?key=1", status_callback_method=HttpMethod.POST),
    )
    account = Account(ACCOUNT)
    [result] = await delivery(
        account, delivered(1, changed), *subscriptions(account, {}, query=query)
    )
    assert json.loads(result.encoded)["data"]["roomEvents"]["room"]["twilio"] == {
        "statusCallback": None,
        "statusCallbackMethod": "POST",
    }


async def test_an_event_written_now_is_encoded_once_for_all_subscribers() -> None:
    account, written = Account(ACCOUNT), list[EncodedMessage]()

    def write(messages: Iterable[EncodedMessage]) -> bool:
        written.extend(messages)
        return True

    async with AsyncExitStack() as stack:
        for operation in subscriptions(account, {}, {}):
            results = operation.results(write)
            await anext(await stack.enter_async_context(aclosing(results)))
        assert all(stream.write(delivered(1)) for stream in account.feed.streams)
    first, second = written
    assert json.loads(first.encoded) == {"data": {"roomEvents": {"cursor": "c1", "prev": "c0"}}}
    assert first is second
    assert first.cursor == "c1"


OWN_FIELDS = " ".join(
    f"... on {type_} {{ {fields_that_fetch_nothing(type_)} }}"
    for type_ in (
        "RoomEvent",
        "ParticipantEvent",
        "PublishedTrackEvent",
        "RecordingEvent",
        "RecordingFailed",
        "RoomChanged",
        "StreamControl",
    )
)


async def test_own_fields_of_every_event_are_written_now_and_encoded_once() -> None:
    """The objects of an event are part of it: nothing is fetched."""
    account, written = Account(ACCOUNT), list[EncodedMessage]()
    query = f"subscription {{ roomEvents {{ __typename {OWN_FIELDS} }} }}"

    def write(messages: Iterable[EncodedMessage]) -> bool:
        written.extend(messages)
        return True

    messages = [delivered(n, event(type_)) for n, type_ in enumerate(RoomEventType, 1)]
    async with AsyncExitStack() as stack:
        for operation in subscriptions(account, {}, {}, query=query):
            assert operation.cost.points == FETCH_COST
            results = operation.results(write)
            await anext(await stack.enter_async_context(aclosing(results)))
        assert all(stream.write(*messages) for stream in account.feed.streams)
    first, second = written[: len(messages)], written[len(messages) :]
    assert all(one is other for one, other in zip(first, second, strict=True))
    for message, told in zip(first, messages, strict=True):
        shown = json.loads(message.encoded)
        assert "errors" not in shown
        assert shown["data"]["roomEvents"]["id"] == told.cursor
        assert shown["data"]["roomEvents"]["room"]["id"] == told.event.room_sid


@pytest.mark.parametrize("type_", FIELDS)
async def test_nothing_that_twilio_documents_is_lost(type_: RoomEventType) -> None:
    account = Account(ACCOUNT)
    query = f"subscription {{ roomEvents {{ {OWN_FIELDS} }} }}"
    [operation] = subscriptions(account, {}, query=query)
    [shown] = await delivery(account, delivered(1, documented_event(type_)), operation)
    assert lost_from(shown.encoded.decode(), type_) == []


async def test_a_subscription_that_fetches_below_its_events_writes_nothing_now() -> None:
    account = Account(ACCOUNT)
    query = """subscription { roomEvents {
        ... on RoomEvent { room { participants { nodes { sid } } } } } }"""
    [operation] = subscriptions(account, {}, query=query)
    async with aclosing(operation.results(lambda messages: True)) as results:
        await anext(results)
        [stream] = account.feed.streams
        assert stream.write_now is None


async def test_an_empty_list_of_types_is_refused() -> None:
    account = Account(ACCOUNT)
    [operation] = subscriptions(
        account, {}, query="subscription { roomEvents(filter: {types: []}) { cursor } }"
    )
    [result] = [result async for result in operation.results()]
    assert result.error_code is Code.INVALID_ARGUMENT
    assert account.feed.calls == []
