"""GraphQL over HTTP:

POST, GET for queries, event streams on both, WebSocket, and CORS.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from gateway.core.rooms import AccountSid
from gateway.gql.execution.engine import GraphQLEngine
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.execution.results import error_result
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.gql.transport.limits import Limits, Timings
from gateway.gql.transport.requests import MediaType, negotiate_media_type, parse_trace_id
from gateway.gql.transport.stages import (
    CORS,
    Exchange,
    HttpError,
    Shared,
    admit_operation,
    answer_preflight,
    check_media_type,
    check_method,
    check_not_stopping,
    check_origin,
    identify_caller,
    json_response,
    read_credentials,
    read_request,
    send_result,
    serve_websocket,
    set_deadline,
    stream_results,
)
from gateway.http.origins import Origins
from gateway.service.accounts import Account
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from gateway.service.persisted_queries import PersistedQueries

RunStage = Callable[[Shared, Exchange], Awaitable[web.StreamResponse | None]]


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a request. `after` lists the stages that must run before it."""

    run: RunStage
    after: tuple[RunStage, ...] = ()


STAGES: Final = (
    Stage(check_origin),
    Stage(answer_preflight, after=(check_origin,)),
    # A page of an allowed origin may read the error.
    Stage(check_not_stopping, after=(check_origin,)),
    Stage(set_deadline),
    Stage(read_credentials),
    Stage(
        serve_websocket,
        after=(check_origin, check_not_stopping, set_deadline, read_credentials),
    ),
    # Authentication may wait for the keys of an identity provider.
    Stage(identify_caller, after=(set_deadline, read_credentials)),
    Stage(check_media_type, after=(identify_caller,)),
    # Only an identified caller may send a body.
    Stage(read_request, after=(identify_caller,)),
    Stage(admit_operation, after=(identify_caller, check_media_type, read_request)),
    # The document says whether the operation is a mutation.
    Stage(check_method, after=(admit_operation,)),
    Stage(stream_results, after=(check_method,)),
    Stage(send_result, after=(check_method, stream_results)),
)
"""Every request passes these stages in order, until one returns the response."""


class GraphQLHttp:
    """Serves everything on /graphql.

    It is safe from forged cross-site requests. Credentials are in headers that a
    foreign page cannot set without a preflight, and only a page of an allowed origin
    can open a WebSocket.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        accounts: Mapping[AccountSid, Account],
        limiter: CallerLimiter,
        *,
        introspection: bool = False,
        origins: Origins = Origins((), allow_loopback=False),
        trusted: TrustedDocuments = TrustedDocuments(),
        persisted: PersistedQueries | None = None,
        limits: Limits = Limits(),
        timings: Timings = Timings(),
    ) -> None:
        self._shared = Shared(
            GraphQLEngine(
                EXECUTABLE_SCHEMA,
                introspection=introspection,
                deadline_s=timings.deadline_s,
                trusted=trusted,
                persisted=persisted,
            ),
            authenticator,
            accounts,
            limiter,
            origins,
            limits,
            timings,
        )

    def mount(self, app: web.Application) -> None:
        app.router.add_route(hdrs.METH_ANY, "/graphql", self.handle)

    async def aclose(self) -> None:
        """Ends every stream so that its client reconnects.

        WebSockets are closed with 1001, event streams end without `complete`.
        """
        self._shared.is_stopping = True
        async with asyncio.TaskGroup() as tasks:
            for stream in self._shared.streams:
                tasks.create_task(stream.stop())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Responds to one request."""
        headers = request.headers
        exchange = Exchange(
            request,
            CORS.headers(headers.get(hdrs.ORIGIN)),
            parse_trace_id(headers.get("traceparent")),
            negotiate_media_type(headers.get(hdrs.ACCEPT)),
        )
        try:
            for stage in STAGES:
                response = await stage.run(self._shared, exchange)
                if response is not None:
                    return response
        except HttpError as error:
            result = error_result(RequestError.wrap(error.error), exchange.trace_id)
            media_type = MediaType.JSON if exchange.is_upgrade else exchange.media_type
            return json_response(
                result, media_type, error.status, {**exchange.cors, **error.headers}
            )
        except asyncio.CancelledError as cancelled:
            # The client has disconnected. A TaskGroup keeps the exception that it
            # raises, and the traceback keeps the TaskGroup, with all objects below.
            # Only the garbage collector would free them.
            raise cancelled.with_traceback(None) from None
        raise AssertionError("the last stage returns a response")
