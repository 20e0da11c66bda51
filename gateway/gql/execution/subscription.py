"""Runs one subscription: a stream of GraphQL responses.

Events for which nothing else is fetched do not pass through graphql-core's source
stream. The subscription becomes an `EventSubscription`, a value that the feed delivers:
the feed encodes each event with `_encode`, and may write it to the socket at once,
without waking up this subscription's task.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from inspect import isawaitable
from typing import Any, cast

from graphql import ExecutionResult
from graphql.execution import (
    Executor,
    create_source_event_stream,
    execute_subscription_event,
)

from gateway.core.events import Delivered
from gateway.core.events import StreamMessage as CoreMessage
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.results import GraphQLResult, execution_result
from gateway.gql.schema.context import Context
from gateway.gql.schema.events import RoomEvent, message_view
from gateway.gql.schema.live import SubscriptionMessage, resume_cursor
from gateway.gql.schema.subscriptions import RoomEventStream
from gateway.service.streams.encoded import EncodedMessage, EncodedMessages
from gateway.service.streams.feed import EventSubscription, WriteNow

EventKey = tuple[bytes, str, str | None]
"""All that the response to an event depends on: a selection, its cursor, its `prev`."""


class RunningSubscription:
    """One running subscription.

    `selection` is equal for subscriptions that select the same of each event. `fetches`
    says whether fields below an event fetch more.
    """

    def __init__(
        self,
        executor: Executor[Context],
        selection: bytes,
        cache: EncodedMessages[EventKey],
        *,
        fetches: bool,
    ) -> None:
        self._executor = executor
        self._selection = selection
        self._cache = cache
        self._fetches = fetches
        self._trace_id = executor.context_value.trace_id

    async def results(
        self, write_now: WriteNow[EncodedMessage] | None
    ) -> AsyncGenerator[GraphQLResult, None]:
        """The responses, without those that `write_now` has written.

        Raises RequestError, and any error that ends the stream.
        """
        source = await self._source()
        if isinstance(source, RoomEventStream) and not self._fetches:
            subscription = EventSubscription(source.filter, source.after, self._encode)
            feed, caller = source.context.account.feed, source.context.caller
            async with aclosing(feed.subscribe(caller, subscription, write_now)) as messages:
                async for message in messages:
                    yield GraphQLResult(message.encoded, message.cursor)
        else:
            generator = cast("AsyncGenerator[SubscriptionMessage, None]", aiter(source))
            async with aclosing(generator) as events:
                async for event in events:
                    yield await self._result(event)

    async def _source(self) -> AsyncIterable[SubscriptionMessage]:
        """The source stream that the root field's resolver returns.

        Raises RequestError.
        """
        source = create_source_event_stream(self._executor)
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            raise RequestError(source.errors or ())
        return source

    def _encode(self, message: CoreMessage) -> EncodedMessage:
        key = (
            (self._selection, message.cursor, message.prev)
            if isinstance(message, Delivered)
            else None
        )
        encoded = None if key is None else self._cache.get(key)
        if encoded is None:
            result = self._execute(message_view(message))
            assert isinstance(result, ExecutionResult), "nothing is fetched, so nothing is awaited"
            response = execution_result(result, self._trace_id)
            encoded = EncodedMessage(response.encoded, message.cursor)
            if key is not None and not result.errors:
                self._cache.put(key, encoded)
        return encoded

    async def _result(self, event: SubscriptionMessage) -> GraphQLResult:
        cursor = resume_cursor(event)
        # Other messages are few, and several kinds of them have the same cursor.
        key = (self._selection, event.cursor, event.prev) if isinstance(event, RoomEvent) else None
        encoded = None if key is None else self._cache.get(key)
        if encoded is not None:
            return GraphQLResult(encoded.encoded, cursor)
        result = self._execute(event)
        if isawaitable(result):
            # A field below the event was fetched, for this caller only.
            return execution_result(await result, self._trace_id, cursor=cursor)
        response = execution_result(result, self._trace_id, cursor=cursor)
        if key is not None and not result.errors:
            self._cache.put(key, EncodedMessage(response.encoded, key[1]))
        return response

    def _execute(self, event: SubscriptionMessage) -> Any:
        return execute_subscription_event(self._executor.build_per_event_executor(event))
