"""Runs operations: one response for a query or a mutation, a stream for a subscription.

The engine drives graphql-core step by step. So each response of a stream gets its
cursor from the feed, whatever fields were selected, and every error gets its code in
one place, inside a running subscription too.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, OperationType
from graphql.execution import Executor, execute_root_selection_set

from gateway.core.errors import DeadlineExceeded, GatewayError, InvalidArgument
from gateway.gql.execution.cost import REJECTED_COST, Cost, check_cost, count_objects
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.graphql_core import OperationExecutor
from gateway.gql.execution.results import (
    GraphQLResult,
    error_result,
    execution_result,
    format_cost,
)
from gateway.gql.execution.selection_key import OpenSelections, selection_key
from gateway.gql.execution.subscription import EventKey, RunningSubscription
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.gql.schema.context import Context
from gateway.service.callers.charge import CALL_COST, FETCH_COST
from gateway.service.flights.deadlines import within
from gateway.service.persisted_queries import PersistedQueries
from gateway.service.streams.encoded import EncodedMessage, EncodedMessages
from gateway.service.streams.feed import WriteNow

_MAX_COERCION_ERRORS = 10


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of a request.

    `query` is empty if `document_id`, or `digest` alone, names the document.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    document_id: str | None = None
    """The identifier of a trusted document."""
    digest: str | None = None
    """The SHA-256 digest of the document in hex, from `extensions.persistedQuery`."""

    @property
    def is_by_digest(self) -> bool:
        """Whether the request names its document instead of sending it."""
        return not self.query


class Operation:
    """A valid operation with its variables, ready to run once."""

    def __init__(
        self,
        request: GraphQLRequest,
        executor: Executor[Context],
        timeout_s: float,
        cache: EncodedMessages[EventKey],
        open_selections: OpenSelections,
        cost: Cost,
    ) -> None:
        self.cost = cost
        self._open_selections = open_selections
        self._request = request
        self._executor = executor
        self._timeout_s = timeout_s
        self._cache = cache
        self._trace_id = executor.context_value.trace_id
        self._charge = executor.context_value.charge

    @property
    def type(self) -> OperationType:
        return self._executor.operation.operation

    async def result(self) -> GraphQLResult:
        """Runs a query or a mutation, and returns the response with its cost."""
        objects = 0
        try:
            async with within(self._timeout_s):
                result = await self._execute()
            objects = count_objects(result.data)
        except DeadlineExceeded as error:
            return error_result(RequestError.wrap(error), self._trace_id, self._charge)
        finally:
            # Return unused points to the caller, also when it has disconnected.
            self._charge.settle(objects)
        return execution_result(result, self._trace_id, cost=format_cost(self._charge))

    async def results(
        self, write_now: WriteNow[EncodedMessage] | None = None
    ) -> AsyncGenerator[GraphQLResult, None]:
        """Runs any operation. Yields the messages of a subscription, or one response.

        An event for which nothing is fetched goes to `write_now` instead, as long as
        `write_now` accepts it and the next message is being awaited.

        The last result has an `error_code` if the operation failed. A subscription that
        ends without one ends because the gateway stops. A consumer that stops early
        must close the generator.
        """
        if self.type is not OperationType.SUBSCRIPTION:
            yield await self.result()
            return
        try:
            # The root field itself costs one fetch. More than that is below the events.
            key = self._selection_key()
            subscription = RunningSubscription(
                self._executor, key, self._cache, fetches=self.cost.points > FETCH_COST
            )
            with self._open_selections.enter(self._executor.context_value.caller.key, key):
                async with aclosing(subscription.results(write_now)) as results:
                    # The first message comes at once. The others come with the events.
                    async with within(self._timeout_s):
                        result = await anext(results, None)
                    while result is not None:
                        yield result
                        result = await anext(results, None)
        except Exception as error:
            yield error_result(RequestError.wrap(error), self._trace_id)

    def _selection_key(self) -> bytes:
        executor = self._executor
        return selection_key(
            self._request.variables, executor.operation, executor.fragment_definitions
        )

    async def _execute(self) -> ExecutionResult:
        result = execute_root_selection_set(self._executor)
        return await result if isawaitable(result) else result


class GraphQLEngine:
    """Prepares operations against one schema.

    `deadline_s` bounds a query, a mutation, and the start of a subscription.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool,
        deadline_s: float,
        trusted: TrustedDocuments = TrustedDocuments(),
        persisted: PersistedQueries | None = None,
    ) -> None:
        """Clients can register documents in `persisted`.

        Raises FailedPrecondition if a trusted document does not fit the schema.
        """
        self._schema = schema
        self._documents = Documents(schema, introspection=introspection)
        trusted.check(self._documents)
        self._trusted = trusted
        self._persisted = persisted
        self._hide_suggestions = not introspection
        self._deadline_s = deadline_s
        self._cache = EncodedMessages[EventKey]()
        self._open_selections = OpenSelections()

    async def admit(
        self, request: GraphQLRequest, context: Context, timeout_s: float = math.inf
    ) -> Operation:
        """Prepares an operation and charges its cost to the caller.

        The price of a rejected document is held before a new document is parsed: a
        caller that has spent its points causes no work. A document in the cache is
        charged once its cost is known.

        Raises RequestError as `prepare` does, and when the caller has spent its points.
        A rejected request costs points too.
        """
        rejected_cost = min(REJECTED_COST, context.caller.limit)
        try:
            request = self._with_text(await self._with_registered_text(request, context))
        except RequestError:
            await self._hold(context, CALL_COST)
            raise
        if request.query not in self._documents:
            await self._hold(context, rejected_cost)
        try:
            operation = self.prepare(request, context, timeout_s)
        except RequestError:
            await self._hold(context, rejected_cost)
            raise
        await self._hold(context, CALL_COST + operation.cost.points)
        if self._persisted is not None and request.digest is not None:
            await self._persisted.register(
                context.caller.account_sid, request.digest, request.query
            )
        return operation

    async def _hold(self, context: Context, points: int) -> None:
        try:
            await context.charge.hold(points)
        except GatewayError as error:
            raise RequestError.wrap(error) from None

    def prepare(
        self, request: GraphQLRequest, context: Context, timeout_s: float = math.inf
    ) -> Operation:
        """Prepares an operation. `timeout_s` is the caller's own, shorter limit.

        Raises RequestError for an invalid document, operation name or variables, and
        for an operation that costs too much.
        """
        request = self._with_text(request)
        executor = OperationExecutor.build(
            self._schema,
            self._documents.document(request.query),
            context_value=context,
            raw_variable_values=request.variables,
            operation_name=request.operation_name,
            max_coercion_errors=_MAX_COERCION_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        if isinstance(executor, list):
            raise RequestError(executor)
        try:
            cost = check_cost(
                self._schema,
                executor.operation,
                executor.fragment_definitions,
                executor.variable_values.coerced,
            )
        except InvalidArgument as error:
            raise RequestError.wrap(error) from None
        return Operation(
            request,
            executor,
            min(self._deadline_s, timeout_s),
            self._cache,
            self._open_selections,
            cost,
        )

    def _with_text(self, request: GraphQLRequest) -> GraphQLRequest:
        """The request with its document's text. Raises RequestError for an unknown
        document."""
        if request.query:
            return request
        try:
            if request.document_id is not None:
                return replace(request, query=self._trusted.text(request.document_id))
            if request.digest is not None:
                may_register = self._persisted is not None
                text = self._trusted.persisted(request.digest, may_register=may_register)
                return replace(request, query=text)
        except InvalidArgument as error:
            raise RequestError.wrap(error) from None
        return request

    async def _with_registered_text(
        self, request: GraphQLRequest, context: Context
    ) -> GraphQLRequest:
        """The request with the text that a client has registered, if there is one."""
        if self._persisted is None or request.digest is None or request.query:
            return request
        text = await self._persisted.text(context.caller.account_sid, request.digest)
        return request if text is None else replace(request, query=text)
