"""Builds the gateway, runs it, and stops it in order: streams first, then gRPC, then HTTP."""

import asyncio
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp import web

from gateway.core.cursors import CursorCodec
from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.core.limits.rate_limit import Rate, TwilioQuota
from gateway.core.rooms import AccountSid
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.gql.transport.http import GraphQLHttp
from gateway.rpc.interceptor import Limits
from gateway.rpc.server import RpcServer
from gateway.service.accounts import Account
from gateway.service.cache.fetch_lease import FetchLease
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.room_lists import RoomLists
from gateway.service.cache.rooms import RoomReads
from gateway.service.callers.authenticator import ApiKey, Authenticator
from gateway.service.callers.caller import POINTS, Caller, Scope
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.jwks import Jwks
from gateway.service.callers.jwks import open_session as open_jwks_session
from gateway.service.callers.jwt_verifier import Issuer, JwtVerifier
from gateway.service.callers.points import CallerLimiter
from gateway.service.insights import Insights
from gateway.service.log.ingest import Ingest
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.participants import Participants
from gateway.service.reconcile.leader import Reconciler
from gateway.service.recordings import Recordings
from gateway.service.rooms import Rooms
from gateway.service.streams.feed import STREAMS, STREAMS_PER_CALLER, Feed
from gateway.service.streams.live_view import Live
from gateway.service.tokens import Tokens
from gateway.service.transcriptions import Transcriptions
from gateway.service.upstream.upstream import AccountQuota, Upstream
from gateway.service.writes.create_room import RoomWrites
from gateway.service.writes.mutations import Mutations
from gateway.settings.environment import AccountSettings, ApiKeySettings, Settings
from gateway.store.answers import ResponseCache
from gateway.store.cache import RoomCache
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer
from gateway.store.eventlog import EventLog
from gateway.store.idempotency import IdempotencyRecords
from gateway.store.leases import Leases
from gateway.store.limiter import Concurrency, Limiter
from gateway.store.points import PointsBuckets
from gateway.store.recheck_queue import RecheckQueue
from gateway.twilio import callbacks
from gateway.twilio.client import TwilioVideo, open_session
from gateway.twilio.tokens import SigningKey
from gateway.web.callbacks import PATH as CALLBACKS_PATH
from gateway.web.routes import build

log = structlog.get_logger()

# Open streams have been ended before; what still runs after this long is cut off.
HTTP_SHUTDOWN_S = 1.0
LOG_LIMIT_S = 10.0
# A crowd that connects in one moment, as after a restart; the kernel may allow less.
BACKLOG = 4096
# What refusals cannot lower the number of requests under way below.
CONCURRENCY_FLOOR = 4
# A fifth of the reads that Twilio grants may go into comparing the log with it; 0.19 leaves, here too, a part unspent.
RECONCILE_SHARE = 0.19


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `http` is bound before anything is built: in `dev`, the callback address holds its port.

    `is_shared`: other processes listen on the same ports, and the kernel deals the connections out.
    """

    http: socket.socket
    grpc_host: str
    grpc_port: int
    is_shared: bool = False

    @property
    def grpc_address(self) -> str:
        return _authority(self.grpc_host, self.grpc_port)


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the ready file says."""

    graphql: str
    ws: str
    sse: str
    grpc: str
    callbacks: str
    console: str
    redis: str


@dataclass(frozen=True, slots=True)
class Mode:
    """What `dev` allows and `serve` does not."""

    introspection: bool = False
    allow_loopback_origins: bool = False


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one."""
    return socket.create_server((host, port), family=_family(host))


def bind_shared(host: str, port: int) -> socket.socket:
    """A socket on a port that other processes of this user may have as well; port 0 picks a free one.

    It does not listen yet: from then on the kernel deals connections to it.
    """
    shared = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        if shared.family == socket.AF_INET6:
            shared.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as `bind` has it
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind((host, port))
    except BaseException:
        shared.close()
        raise
    return shared


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def run(
    settings: Settings,
    listen: Listen,
    mode: Mode,
    on_ready: Callable[[Addresses], None],
    stop: asyncio.Event,
) -> None:
    """Runs the gateway until `stop` is set. `on_ready` is called once every port answers."""
    async with AsyncExitStack() as stack:
        stack.callback(listen.http.close)
        redis_url = settings.gateway_redis_url
        if redis_url is None:
            server = await stack.enter_async_context(EmbeddedServer(settings.gateway_data_dir))
            redis_url = server.url
        connections = Connections(redis_url)
        stack.push_async_callback(connections.aclose)
        if not settings.gateway_allow_eviction:
            await connections.check_policy()
        callers, streams = (
            CallerLimiter(PointsBuckets(connections)),
            ConnectionLimit("event streams", STREAMS, STREAMS_PER_CALLER),
        )
        accounts: dict[AccountSid, Account] = {}
        for row in settings.accounts:
            # Of its own, so that calls which hang for one account take no connection of another's.
            session = await stack.enter_async_context(open_session())
            accounts[AccountSid(row.sid)] = build_account(
                settings, row, connections, session, streams
            )
        issuers = _issuers(settings, await stack.enter_async_context(open_jwks_session()))
        published = {issuer.keys for issuer in issuers}
        for keys in published:
            stack.push_async_callback(keys.aclose)
        stack.push_async_callback(_close, accounts.values())
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(_follow(account, has_reconciler=settings.gateway_reconcile))
                    for account in accounts.values()
                ]
                background.append(tasks.create_task(callers.run()))
                background += [tasks.create_task(keys.run()) for keys in published]
                await _logs_read(accounts.values())
                authenticator = Authenticator(_api_keys(settings), JwtVerifier(issuers))
                await _listen(
                    settings,
                    listen,
                    mode,
                    authenticator,
                    accounts,
                    callers,
                    redis_url,
                    on_ready,
                    stop,
                )
                for task in background:
                    task.cancel()
        except BaseExceptionGroup as failures:
            # One failure ends all; in a group, the command line would not know it for what it is.
            raise _first(failures) from failures


async def _follow(account: Account, *, has_reconciler: bool) -> None:
    """What one account has running behind its callers' backs. It survives every outage, so that an account in trouble is no
    trouble for the others."""
    with structlog.contextvars.bound_contextvars(account_sid=account.sid):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(account.tail.run())
            if has_reconciler:
                tasks.create_task(account.reconciler.run())


async def _logs_read(accounts: Collection[Account]) -> None:
    """Until every log was read once. One that cannot be read holds the others up no longer than LOG_LIMIT_S; raises
    UpstreamUnavailable when it is so with all of them."""
    is_read = await asyncio.gather(*(_log_read(account.tail) for account in accounts))
    if not any(is_read):
        raise UpstreamUnavailable(
            f"the event log could not be read within {LOG_LIMIT_S:.0f} s; look at the Redis at GATEWAY_REDIS_URL"
        )
    for account, has_log in zip(accounts, is_read, strict=True):
        if not has_log:
            log.error("account.log_away", account_sid=account.sid)


async def _log_read(tail: Tail) -> bool:
    try:
        async with asyncio.timeout(LOG_LIMIT_S):
            await tail.ready()
    except TimeoutError:
        return False
    return True


async def _close(accounts: Collection[Account]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for account in accounts:
            tasks.create_task(account.aclose())


def _first(failures: BaseExceptionGroup) -> BaseException:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure


def build_account(
    settings: Settings,
    row: AccountSettings,
    connections: Connections,
    session: aiohttp.ClientSession,
    streams: ConnectionLimit | None = None,
) -> Account:
    """One account's use cases. All that holds anything of it is made here for it alone; what accounts share (connections to
    Redis, the room for streams) knows none of their secrets or answers."""
    sid = AccountSid(row.sid)
    public_url = str(settings.gateway_public_url).rstrip("/")
    cursor_codec = CursorCodec(row.cursor_secrets, sid)
    events = EventLog(connections, sid)
    cache = RoomCache(connections, sid)
    memory = RoomMemory()
    tail = Tail(events, memory, cursor_codec)
    video_url, insights_url = str(settings.twilio_video_base_url), settings.insights_base_url
    twilio = TwilioVideo(session, video_url, insights_url, sid, *row.rest_credentials)
    budget = _budget(row, settings)
    upstream = Upstream(
        twilio,
        Limiter(connections, sid, budget.concurrency),
        budget,
        lambda: max(settings.gateway_replicas, tail.replicas),
    )
    callback_url = callbacks.callback_url(public_url, CALLBACKS_PATH)
    mutations = Mutations(upstream, events, memory, sid)
    recheck_queue, leases = RecheckQueue(connections, sid), Leases(connections, sid)
    fetch_lease = FetchLease(leases, upstream.is_silent)
    reads = ReadThrough(
        upstream, ResponseCache(connections, sid), memory, tail, fetch_lease, cursor_codec
    )
    room_reads = RoomReads(upstream, cache, events, memory, tail, fetch_lease, callback_url)
    records = IdempotencyRecords(connections, sid)
    room_writes = RoomWrites(
        upstream, mutations, room_reads, records, events, memory, tail, callback_url
    )
    rooms = Rooms(
        room_reads, room_writes, RoomLists(reads, cache, memory), cursor_codec, callback_url
    )
    participants, feed = (
        Participants(rooms, reads, mutations),
        Feed(events, tail, cursor_codec, rooms, streams),
    )
    return Account(
        sid=sid,
        upstream=upstream,
        rooms=rooms,
        participants=participants,
        recordings=Recordings(rooms, reads, mutations, upstream),
        transcriptions=Transcriptions(rooms, reads, mutations),
        insights=Insights(reads),
        tokens=Tokens(_signing_key(row), rooms),
        feed=feed,
        live=Live(rooms, participants, feed, tail, cursor_codec),
        ingest=Ingest(events, recheck_queue, public_url + CALLBACKS_PATH, row.auth_tokens),
        tail=tail,
        reads=reads,
        mutations=mutations,
        reconciler=Reconciler(upstream, events, tail, leases, recheck_queue, sid),
    )


def _signing_key(row: AccountSettings) -> SigningKey | None:
    if row.api_key_sid is None or row.api_key_secret is None:
        return None
    return SigningKey(
        account_sid=AccountSid(row.sid),
        sid=row.api_key_sid,
        secret=row.api_key_secret.get_secret_value(),
    )


def _budget(row: AccountSettings, settings: Settings) -> AccountQuota:
    return AccountQuota(
        read=TwilioQuota.of(row.read_quota),
        write=TwilioQuota.of(row.write_quota),
        reconcile=Rate(row.read_quota * RECONCILE_SHARE, burst=1),
        concurrency=Concurrency(settings.gateway_concurrency, CONCURRENCY_FLOOR),
        patience_s=settings.gateway_quota_wait_s,
    )


def _api_keys(settings: Settings) -> list[ApiKey]:
    """A key belongs to the account in whose row it stands, and so names it."""
    return [_api_key(AccountSid(row.sid), key) for row in settings.accounts for key in row.api_keys]


def _issuers(settings: Settings, session: aiohttp.ClientSession) -> list[Issuer]:
    """An issuer's tokens for an audience likewise. What several rows read in one place is read once."""
    keys: dict[tuple[str, str], Jwks] = {}
    found = []
    for row in settings.accounts:
        for each in row.jwt_issuers:
            place = str(each.jwks_url), each.algorithm
            read = keys.setdefault(place, Jwks(session, *place))
            scopes, limit = frozenset(map(Scope, each.scopes)), each.limit or POINTS
            found.append(
                Issuer(
                    each.issuer,
                    each.audience,
                    AccountSid(row.sid),
                    each.algorithm,
                    scopes,
                    limit,
                    read,
                )
            )
    return found


def _api_key(account_sid: AccountSid, key: ApiKeySettings) -> ApiKey:
    scopes = frozenset(Scope(scope) for scope in key.scopes)
    grants = None if key.rooms is None else frozenset(key.rooms)
    return ApiKey(key.sha256, Caller(account_sid, key.id, scopes, grants, key.limit or POINTS))


async def _listen(
    settings: Settings,
    listen: Listen,
    mode: Mode,
    authenticator: Authenticator,
    accounts: Mapping[AccountSid, Account],
    callers: CallerLimiter,
    redis_url: str,
    on_ready: Callable[[Addresses], None],
    stop: asyncio.Event,
) -> None:
    """Opens the ports, waits for `stop`, and closes them again."""
    face = GraphQLHttp(
        authenticator,
        accounts,
        callers,
        introspection=mode.introspection,
        allowed_origins=settings.gateway_allowed_origins,
        allow_loopback_origins=mode.allow_loopback_origins,
        deadline_s=settings.gateway_deadline_s,
        trusted=TrustedDocuments.of(settings.gateway_documents),
    )
    try:
        rpc = RpcServer(
            authenticator,
            accounts,
            listen.grpc_address,
            callers,
            limits=Limits(deadline_s=settings.gateway_deadline_s),
            has_reflection=mode.introspection,
            is_port_shared=listen.is_shared,
        )
    except RuntimeError:
        raise FailedPrecondition(
            f"cannot listen on {listen.grpc_address} for gRPC; free the port or choose another"
        ) from None
    runner = web.AppRunner(
        build(face, accounts),
        access_log=None,
        shutdown_timeout=HTTP_SHUTDOWN_S,
        handler_cancellation=True,
    )
    await runner.setup()
    assert runner.server is not None
    # From the protocol factory and not by a site, so that a faster protocol can stand in front of it.
    server = await asyncio.get_running_loop().create_server(
        runner.server, sock=listen.http, backlog=BACKLOG, start_serving=False
    )
    try:
        await server.start_serving()
        await rpc.start()
        on_ready(_addresses(listen, rpc.port, redis_url))
        await stop.wait()
    finally:
        server.close()
        for account in accounts.values():
            account.tail.close()
        await face.aclose()
        await rpc.stop()
        await runner.cleanup()


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _addresses(listen: Listen, grpc_port: int, redis_url: str) -> Addresses:
    authority = _authority(*listen.http.getsockname()[:2])
    graphql = f"http://{authority}/graphql"
    return Addresses(
        graphql=graphql,
        ws=f"ws://{authority}/graphql",
        sse=graphql,
        grpc=_authority(listen.grpc_host, grpc_port),
        callbacks=f"http://{authority}{CALLBACKS_PATH}",
        console=f"http://{authority}/",
        redis=redis_url,
    )
