"""Runs operations: one answer for a query or a mutation, a stream of them for a subscription.

graphql-core is driven directly. Its source events pass by here, so each answer gets its cursor from the feed, whatever
fields were selected; and an error gets its code in one place, inside a running subscription as well.
"""

import math
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLResolveInfoHelpers, GraphQLSchema, OperationType
from graphql.execution import Executor, execute_root_selection_set

from gateway.core.errors import DeadlineExceeded, GatewayError, InvalidArgument
from gateway.gql.execution.cost import REFUSED, check_cost, objects_of
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import Refused
from gateway.gql.execution.results import GraphQLResult, executed, refusal, shown_cost
from gateway.gql.execution.selection_key import selection_key
from gateway.gql.execution.subscription import EventKey, Subscription
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.gql.schema.context import Context
from gateway.gql.schema.live import SubscriptionMessage
from gateway.service.callers.points import CALL, FETCH
from gateway.service.flights.deadlines import within
from gateway.service.streams.encoded import EncodedMessage, EncodedMessages
from gateway.service.streams.feed import WriteNow

_MAX_COERCION_ERRORS = 10


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """`document_id` names a trusted document in place of `query`, which is then empty."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    document_id: str | None = None


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

    def build_per_event_executor(self, payload: SubscriptionMessage) -> Executor[Context]:
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
        cache: EncodedMessages[EventKey],
        cost: int,
    ) -> None:
        self.cost = cost
        self._request = request
        self._executor = executor
        self._cache = cache
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
        return executed(result, self._trace_id, cost=shown_cost(self._charge))

    async def answers(
        self, write_now: WriteNow[EncodedMessage] | None = None
    ) -> AsyncGenerator[GraphQLResult, None]:
        """A subscription's messages, or the one answer of any other operation. Who leaves early closes it.

        While the next message is waited for, events for which nothing is fetched go through `write_now`, as long as it
        accepts them.

        What fails ends with an answer that is `refused_for` its reason. A subscription that ends without one has a gateway
        that is going away.
        """
        if self.kind is not OperationType.SUBSCRIPTION:
            yield await self.answer()
            return
        try:
            # A subscription is itself a field that fetches; does anything below it?
            subscription = Subscription(
                self._executor, self._selection(), self._cache, fetches=self.cost > FETCH
            )
            async with aclosing(subscription.results(write_now)) as results:
                # The first message comes at once, or something is wrong; later ones come when they come.
                async with within(self._limit_s):
                    result = await anext(results, None)
                while result is not None:
                    yield result
                    result = await anext(results, None)
        except Exception as error:
            yield refusal(Refused.of(error), self._trace_id)

    def _selection(self) -> bytes:
        executor, request = self._executor, self._request
        return selection_key(
            request.query, request.variables, executor.operation, executor.fragment_definitions
        )

    async def _executed(self) -> ExecutionResult:
        result = execute_root_selection_set(self._executor)
        return await result if isawaitable(result) else result


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
        self._cache = EncodedMessages[EventKey]()

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
        return Operation(request, executor, min(self._deadline_s, timeout_s), self._cache, cost)
