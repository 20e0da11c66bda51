"""Runs operations: one answer for a query or a mutation, a stream of them for a subscription.

graphql-core is driven directly. Its source events pass by here, so each answer gets its cursor from the feed, whatever
fields were selected; and an error gets its code in one place, inside a running subscription as well.
"""

import math
import weakref
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from typing import Any, cast

import msgspec
from graphql import ExecutionResult, GraphQLResolveInfoHelpers, GraphQLSchema, OperationType
from graphql.execution import (
    Executor,
    create_source_event_stream,
    execute_root_selection_set,
    execute_subscription_event,
)

from gateway.core.errors import Code, DeadlineExceeded, GatewayError, InvalidArgument
from gateway.core.events import Delivered
from gateway.gql.execution.cost import REFUSED, check_cost, objects_of
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import STATUS, Refused, fault_of, shown
from gateway.gql.execution.selection_key import selection_key
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.gql.schema.context import Context
from gateway.gql.schema.events import RoomEvent, message_of
from gateway.gql.schema.live import Told, cursor_of
from gateway.service.callers.points import CALL, FETCH, Charge
from gateway.service.flights.deadlines import within
from gateway.service.streams.encoded import EncodedMessages

_MAX_COERCION_ERRORS = 10


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """`document_id` names a trusted document in place of `query`, which is then empty."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class GraphQLResult:
    """One GraphQL response, as JSON. When it holds errors only, `refused_for` is set and `errors` are those; `cursor` is set
    when it is a stream's message. `data` is the part of that name, of an answer without errors."""

    encoded: bytes
    cursor: str | None = None
    refused_for: Code | None = None
    errors: tuple[dict[str, Any], ...] = ()
    data: bytes | None = None

    @property
    def status(self) -> int:
        return 200 if self.refused_for is None else STATUS[self.refused_for]


_Key = tuple[bytes, str, str | None]
"""A selection, a cursor and its `prev`: all that an event's answer depends on."""

Shortcut = Callable[[Sequence[tuple[bytes, str]]], bool]
"""Writes answers, each encoded and with its cursor, to their client at once: all of them or, when it says False, none. Does
not wait."""


def refusal(refused: Refused, trace_id: str, charge: Charge | None = None) -> GraphQLResult:
    """The answer to a request that was not executed, with what it cost if that is known."""
    errors = tuple(shown(error, trace_id) for error in refused.errors)
    cost = None if charge is None else shown_cost(charge)
    encoded = msgspec.json.encode(
        {"errors": errors} if cost is None else {"errors": errors, "extensions": {"cost": cost}}
    )
    return GraphQLResult(encoded, refused_for=fault_of(refused.errors[0]).code, errors=errors)


def shown_cost(charge: Charge) -> dict[str, Any] | None:
    """As `extensions.cost` has it; None before anything was held."""
    if charge.balance is None:
        return None
    return {
        "requested": charge.requested,
        "actual": charge.actual,
        "limit": charge.balance.limit,
        "remaining": charge.balance.remaining,
        "resetAfterMs": charge.balance.reset_after_ms,
    }


class _Executor(Executor[Context]):
    """graphql-core remembers the subfields of every event's root fields for as long as the subscription runs: 4 kB an event.

    Here each event forgets its own. And an executor of graphql-core refers to itself, so that only the garbage collector
    frees it, with its context and all that was read; here it goes when its operation does.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        me = weakref.proxy(self)
        self.async_helpers = GraphQLResolveInfoHelpers(
            gather=partial(Executor.gather_async_work, me),
            track=partial(Executor.track_async_work, me),
        )

    def build_per_event_executor(self, payload: Told) -> Executor[Context]:
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}
        return executor


class Operation:
    """A request that fits the schema, with its variables read, not yet run."""

    def __init__(
        self,
        request: GraphQLRequest,
        executor: Executor[Context],
        limit_s: float,
        shared: EncodedMessages[_Key],
        cost: int,
    ) -> None:
        self.cost = cost
        self._request = request
        self._executor = executor
        self._shared = shared
        # A subscription is itself a field that fetches; does anything below it?
        self._fetch_lease = cost > FETCH
        self._trace_id = executor.context_value.trace_id
        self._charge = executor.context_value.charge
        self._limit_s = limit_s

    @property
    def kind(self) -> OperationType:
        return self._executor.operation.operation

    async def answer(self) -> GraphQLResult:
        """Of a query or a mutation, within its limit. With what it cost."""
        objects = 0
        try:
            async with within(self._limit_s):
                result = await self._executed()
            objects = objects_of(result.data)
        except DeadlineExceeded as late:
            return refusal(Refused.of(late), self._trace_id, self._charge)
        finally:
            # Also when the caller has left: what it did not take is his.
            self._charge.settle(objects)
        return self._seen(result, cost=shown_cost(self._charge))

    async def answers(
        self, shortcut: Shortcut | None = None
    ) -> AsyncGenerator[GraphQLResult, None]:
        """A subscription's messages, or the one answer of any other operation. Who leaves early closes it.

        While the next message is waited for, events for which nothing is fetched take the `shortcut`, as long as it is open.

        What fails ends with an answer that is `refused_for` its reason. A subscription that ends without one has a gateway
        that is going away.
        """
        if self.kind is not OperationType.SUBSCRIPTION:
            yield await self.answer()
            return
        try:
            selection = self._selection()
            if shortcut is not None and not self._fetch_lease:
                sink = partial(self._sent_at_once, selection, shortcut)
                self._executor.context_value = replace(self._executor.context_value, sink=sink)
            async with aclosing(await self._events()) as events:
                # The first message comes at once, or something is wrong; later ones come when they come.
                async with within(self._limit_s):
                    event = await anext(events, None)
                while event is not None:
                    yield await self._told(event, selection)
                    event = await anext(events, None)
        except Exception as error:
            yield refusal(Refused.of(error), self._trace_id)
        finally:
            # The sink is a method of this very operation.
            self._executor.context_value = replace(self._executor.context_value, sink=None)

    async def _events(self) -> AsyncGenerator[Told, None]:
        source = create_source_event_stream(self._executor)
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            raise Refused(source.errors or ())
        return cast("AsyncGenerator[Told, None]", source)  # What the subscriptions' resolvers give.

    def _selection(self) -> bytes:
        executor, request = self._executor, self._request
        return selection_key(
            request.query, request.variables, executor.operation, executor.fragment_definitions
        )

    async def _executed(self) -> ExecutionResult:
        result = execute_root_selection_set(self._executor)
        return await result if isawaitable(result) else result

    def _sent_at_once(
        self, selection: bytes, shortcut: Shortcut, messages: Sequence[Delivered]
    ) -> bool:
        return shortcut(
            [(self._encoded_at_once(selection, message), message.cursor) for message in messages]
        )

    def _encoded_at_once(self, selection: bytes, message: Delivered) -> bytes:
        key = selection, message.cursor, message.prev
        shared = self._shared.get(key)
        if shared is None:
            told = message_of(message)
            result = execute_subscription_event(self._executor.build_per_event_executor(told))
            assert isinstance(result, ExecutionResult), "nothing is fetched, so nothing is awaited"
            shared = self._seen(result).encoded
            if not result.errors:
                self._shared.put(key, shared)
        return shared

    async def _told(self, told: Told, selection: bytes) -> GraphQLResult:
        cursor = cursor_of(told)
        # Other messages are few, and of several kinds at one place.
        key = (selection, told.cursor, told.prev) if isinstance(told, RoomEvent) else None
        shared = None if key is None else self._shared.get(key)
        if shared is not None:
            return GraphQLResult(shared, cursor)
        result = execute_subscription_event(self._executor.build_per_event_executor(told))
        if isawaitable(result):
            # Something below the event was fetched, for this caller and now.
            return self._seen(await result, cursor)
        answer = self._seen(result, cursor)
        if key is not None and not result.errors:
            self._shared.put(key, answer.encoded)
        return answer

    def _seen(
        self, result: ExecutionResult, cursor: str | None = None, cost: dict[str, Any] | None = None
    ) -> GraphQLResult:
        data = msgspec.json.encode(result.data)
        body: dict[str, Any] = {"data": msgspec.Raw(data)}
        if result.errors:
            body["errors"] = [shown(error, self._trace_id) for error in result.errors]
        if cost is not None:
            body["extensions"] = {"cost": cost}
        return GraphQLResult(
            msgspec.json.encode(body), cursor, data=None if result.errors else data
        )


class GraphQLEngine:
    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool,
        deadline_s: float,
        trusted: TrustedDocuments = TrustedDocuments(),
    ) -> None:
        """Raises FailedPrecondition for trusted documents that do not fit the schema."""
        self._schema = schema
        self._documents = Documents(schema, introspection=introspection)
        trusted.check(self._documents)
        self._trusted = trusted
        self._hide_suggestions = not introspection
        self._deadline_s = deadline_s
        self._shared = EncodedMessages[_Key]()

    async def admitted(
        self, request: GraphQLRequest, context: Context, timeout_s: float = math.inf
    ) -> Operation:
        """As `operation`, paid for. Raises Refused also when its caller has spent what he may; to be refused costs as well."""
        try:
            operation = self.operation(request, context, timeout_s)
        except Refused:
            await self._hold(context, REFUSED)
            raise
        await self._hold(context, CALL + operation.cost)
        return operation

    async def _hold(self, context: Context, points: int) -> None:
        try:
            await context.charge.hold(points)
        except GatewayError as fault:
            raise Refused.of(fault) from None

    def operation(
        self, request: GraphQLRequest, context: Context, timeout_s: float = math.inf
    ) -> Operation:
        """`timeout_s`: how long the caller waits, if it is less than the engine's own limit.

        Raises Refused for a document, an operation name or variables that are off, and for what would cost too much."""
        if request.document_id is not None:
            try:
                request = replace(request, query=self._trusted.text(request.document_id))
            except InvalidArgument as fault:
                raise Refused.of(fault) from None
        executor = _Executor.build(
            self._schema,
            self._documents.document(request.query),
            context_value=context,
            raw_variable_values=request.variables,
            operation_name=request.operation_name,
            max_coercion_errors=_MAX_COERCION_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        if isinstance(executor, list):
            raise Refused(executor)
        try:
            cost = check_cost(
                self._schema,
                executor.operation,
                executor.fragment_definitions,
                executor.variable_values.coerced,
            )
        except InvalidArgument as fault:
            raise Refused.of(fault) from None
        return Operation(request, executor, min(self._deadline_s, timeout_s), self._shared, cost)
