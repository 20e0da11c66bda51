"""Builds every part of the gateway from the settings, and starts none."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from gateway.core.callers import POINTS, Caller, Scope
from gateway.core.cursors import CursorCodec
from gateway.core.limits.quota import Concurrency
from gateway.core.limits.rate_limit import Rate, TwilioQuota
from gateway.core.rooms import AccountSid
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.gql.transport import limits as gql_limits
from gateway.gql.transport.http import GraphQLHttp
from gateway.http.origins import Origins
from gateway.rpc import limits as rpc_limits
from gateway.rpc.pipeline import Pipeline
from gateway.service.accounts import Account
from gateway.service.cache.fetch_lease import FetchLease
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.room_lists import RoomLists
from gateway.service.cache.rooms import RoomReads
from gateway.service.cache.timings import CacheTimings
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.jwks import Jwks
from gateway.service.callers.jwks import open_session as open_jwks_session
from gateway.service.callers.jwt_verifier import Issuer, JwtVerifier
from gateway.service.callers.points import CallerLimiter
from gateway.service.insights import Insights
from gateway.service.log.ingest import Ingest
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.log.timings import LogTimings
from gateway.service.participants import Participants
from gateway.service.persisted_queries import PersistedQueries
from gateway.service.presence import Presence
from gateway.service.quota import Quota
from gateway.service.reconcile.leader import Reconciler, ReconcileTimings
from gateway.service.recordings import Recordings
from gateway.service.rooms import Rooms
from gateway.service.streams.feed import Feed, stream_limit
from gateway.service.streams.live_view import LiveViews
from gateway.service.streams.timeline import Timeline
from gateway.service.streams.timings import StreamTimings
from gateway.service.tokens import Tokens
from gateway.service.transcriptions import Transcriptions
from gateway.service.upstream.timings import UpstreamTimings
from gateway.service.upstream.upstream import AccountQuota, Upstream
from gateway.service.writes.complete_room import RoomCompletion
from gateway.service.writes.create_room import RoomCreation
from gateway.service.writes.ensure_room import RoomEnsurer
from gateway.service.writes.mutations import Mutations, WriteTimings
from gateway.service.writes.once import Once
from gateway.service.writes.record_room import RoomRecorder
from gateway.settings.accounts import AccountSettings, ApiKeySettings
from gateway.settings.environment import Settings
from gateway.store.cache import ResponseCache, RoomIndex
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.store.idempotency import IdempotencyRecords
from gateway.store.leases import Leases
from gateway.store.limiter import Limiter
from gateway.store.persisted_queries import PersistedQueryTexts
from gateway.store.points import PointsBuckets
from gateway.store.presence import PresenceStore
from gateway.store.recheck_queue import RecheckQueue
from gateway.store.server_check import check_server
from gateway.twilio import callbacks
from gateway.twilio.client import TwilioVideo, open_session
from gateway.twilio.tokens import SigningKey
from gateway.web.callbacks import PATH as CALLBACKS_PATH

# The number of requests in flight at Twilio is halved when Twilio refuses some, down to
# this.
CONCURRENCY_FLOOR = 4
# A fifth of Twilio's read quota goes into comparing the event log with it. 0.19 leaves
# some of that fifth unused, as every budget does.
RECONCILE_SHARE = 0.19


@dataclass(frozen=True, slots=True)
class Mode:
    """What `dev` allows and `serve` does not."""

    introspection: bool = False
    allow_loopback_origins: bool = False


@dataclass(frozen=True, slots=True)
class AccountTimings:
    """The times and sizes of one account's parts. Tests pass smaller ones."""

    log: LogTimings = field(default_factory=LogTimings)
    streams: StreamTimings = field(default_factory=StreamTimings)
    upstream: UpstreamTimings = field(default_factory=UpstreamTimings)
    cache: CacheTimings = field(default_factory=CacheTimings)
    writes: WriteTimings = field(default_factory=WriteTimings)
    reconcile: ReconcileTimings = field(default_factory=ReconcileTimings)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that answers requests, built and not yet running.

    `issuer_keys` are the published keys of the JWT issuers. Each is listed once.
    """

    accounts: Mapping[AccountSid, Account]
    authenticator: Authenticator
    limiter: CallerLimiter
    issuer_keys: Collection[Jwks] = ()
    persisted_queries: PersistedQueries | None = None


@asynccontextmanager
async def build_gateway(settings: Settings, redis_url: str) -> AsyncIterator[Gateway]:
    """Yields everything that answers requests, and closes it afterwards.

    Raises FailedPrecondition when Redis refuses what the gateway needs, or may evict
    keys and the settings do not allow it, and UpstreamUnavailable when Redis gives no
    answer.
    """
    async with AsyncExitStack() as stack:
        connections = Connections(redis_url)
        stack.push_async_callback(connections.aclose)
        sids = [AccountSid(row.sid) for row in settings.accounts]
        await check_server(connections, sids, check_eviction=not settings.gateway_allow_eviction)
        streams = stream_limit()
        accounts: dict[AccountSid, Account] = {}
        for row in settings.accounts:
            # One session per account: calls that hang for one account use up no
            # connection of another.
            session = await stack.enter_async_context(open_session())
            accounts[AccountSid(row.sid)] = build_account(
                settings, row, connections, session, streams
            )
        issuers = _issuers(settings, await stack.enter_async_context(open_jwks_session()))
        issuer_keys = {issuer.keys for issuer in issuers}
        for keys in issuer_keys:
            stack.push_async_callback(keys.aclose)
        stack.push_async_callback(_close, accounts.values())
        yield Gateway(
            accounts=accounts,
            authenticator=Authenticator(_api_keys(settings), JwtVerifier(issuers)),
            limiter=CallerLimiter(PointsBuckets(connections)),
            issuer_keys=issuer_keys,
            persisted_queries=(
                PersistedQueries(PersistedQueryTexts(connections))
                if settings.gateway_persisted_queries
                else None
            ),
        )


async def _close(accounts: Collection[Account]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for account in accounts:
            tasks.create_task(account.aclose())


def build_origins(settings: Settings, mode: Mode) -> Origins:
    """Returns which web pages may use both faces."""
    return Origins(
        settings.gateway_allowed_origins,
        allow_loopback=mode.allow_loopback_origins,
        public_url=str(settings.gateway_public_url),
        request_headers=settings.gateway_allowed_headers,
    )


def build_graphql(
    gateway: Gateway, settings: Settings, mode: Mode, origins: Origins
) -> GraphQLHttp:
    """Returns the GraphQL face. Reads the trusted documents from disk."""
    return GraphQLHttp(
        gateway.authenticator,
        gateway.accounts,
        gateway.limiter,
        introspection=mode.introspection,
        origins=origins,
        timings=gql_limits.Timings(deadline_s=settings.gateway_deadline_s),
        trusted=TrustedDocuments.from_folder(settings.gateway_documents),
        persisted=gateway.persisted_queries,
    )


def build_pipeline(gateway: Gateway, settings: Settings) -> Pipeline:
    """Returns the stages that the calls of gRPC, Connect and gRPC-Web share."""
    return Pipeline(
        gateway.authenticator,
        gateway.limiter,
        timings=rpc_limits.Timings(deadline_s=settings.gateway_deadline_s),
    )


def build_account(
    settings: Settings,
    row: AccountSettings,
    connections: Connections,
    session: aiohttp.ClientSession,
    streams: ConnectionLimit,
    timings: AccountTimings = AccountTimings(),
) -> Account:
    """Returns the use cases of one account.

    Every object that holds data of the account is made here, for this account alone.
    Accounts share connections to Redis and the limit on streams, which hold no secrets
    and no data.
    """
    sid = AccountSid(row.sid)
    public_url = str(settings.gateway_public_url).rstrip("/")
    cursor_codec = CursorCodec(row.cursor_secrets, sid)
    events = EventLog(connections, sid)
    memory = RoomMemory(timings.log)
    tail = Tail(events, memory, cursor_codec, timings.log)
    video_url, insights_url = str(settings.twilio_video_base_url), settings.insights_base_url
    twilio = TwilioVideo(session, video_url, insights_url, sid, *row.rest_credentials)
    quota = account_quota(row, settings)
    upstream = Upstream(
        twilio,
        Limiter(connections, sid, quota.concurrency),
        quota,
        lambda: max(settings.gateway_replicas, tail.replicas),
        timings.upstream,
    )
    callback_url = callbacks.callback_url(public_url, CALLBACKS_PATH)
    mutations = Mutations(upstream, events, memory, sid, timings.writes)
    recheck_queue = RecheckQueue(connections, sid)
    presence_store = PresenceStore(connections, sid)
    leases = Leases(connections, sid)
    fetch_lease = FetchLease(leases, upstream.is_unavailable, timings.cache)
    cache, index = ResponseCache(connections, sid), RoomIndex(connections, sid)
    reads = ReadThrough(upstream, cache, memory, tail, fetch_lease, cursor_codec, timings.cache)
    room_reads = RoomReads(reads, index, events, memory, fetch_lease, callback_url)
    records = IdempotencyRecords(connections, sid)
    once = Once(mutations, records, timings.writes)
    recorder = RoomRecorder(mutations, room_reads, memory, tail)
    creation = RoomCreation(upstream, mutations, room_reads, once, recorder, callback_url)
    rooms = Rooms(
        room_reads,
        creation,
        RoomEnsurer(creation, mutations, room_reads, memory, fetch_lease, timings.writes),
        RoomCompletion(mutations, room_reads, recorder),
        once,
        RoomLists(reads, index, memory),
        cursor_codec,
        callback_url,
    )
    participants = Participants(rooms, reads, mutations, once)
    feed = Feed(events, tail, cursor_codec, rooms, streams, timings.streams)
    timeline = Timeline(events, tail, cursor_codec, rooms, timings.streams)
    return Account(
        sid=sid,
        upstream=upstream,
        rooms=rooms,
        participants=participants,
        presence=Presence(rooms, presence_store, memory, tail, cursor_codec, sid),
        recordings=Recordings(rooms, reads, mutations, upstream),
        transcriptions=Transcriptions(rooms, reads, mutations, once),
        insights=Insights(reads),
        tokens=Tokens(_signing_key(row), rooms),
        quota=Quota(upstream),
        feed=feed,
        timeline=timeline,
        live=LiveViews(rooms, participants, feed, timeline, tail, cursor_codec, timings.streams),
        ingest=Ingest(
            events, recheck_queue, public_url + CALLBACKS_PATH, row.auth_tokens, timings.log
        ),
        tail=tail,
        reads=reads,
        mutations=mutations,
        reconciler=Reconciler(
            upstream, events, tail, leases, recheck_queue, presence_store, sid, timings.reconcile
        ),
    )


def _signing_key(row: AccountSettings) -> SigningKey | None:
    if row.api_key_sid is None or row.api_key_secret is None:
        return None
    return SigningKey(
        account_sid=AccountSid(row.sid),
        sid=row.api_key_sid,
        secret=row.api_key_secret.get_secret_value(),
    )


def account_quota(row: AccountSettings, settings: Settings) -> AccountQuota:
    """Returns how many requests the gateway may send to Twilio for one account."""
    return AccountQuota(
        read=TwilioQuota.of(row.read_quota),
        write=TwilioQuota.of(row.write_quota),
        reconcile=Rate(row.read_quota * RECONCILE_SHARE, burst=1),
        concurrency=Concurrency(settings.gateway_concurrency, CONCURRENCY_FLOOR),
        max_wait_s=settings.gateway_quota_wait_s,
    )


def _api_keys(settings: Settings) -> list[ApiKey]:
    """Every configured API key. A key belongs to the account whose row lists it."""
    return [_api_key(AccountSid(row.sid), key) for row in settings.accounts for key in row.api_keys]


def _api_key(account_sid: AccountSid, key: ApiKeySettings) -> ApiKey:
    scopes = frozenset(map(Scope, key.scopes))
    grants = None if key.rooms is None else frozenset(key.rooms)
    return ApiKey(key.sha256, Caller(account_sid, key.id, scopes, grants, key.limit or POINTS))


def _issuers(settings: Settings, session: aiohttp.ClientSession) -> list[Issuer]:
    """Every configured JWT issuer. Rows with one URL and algorithm share keys."""
    key_sets: dict[tuple[str, str], Jwks] = {}
    issuers = []
    for account in settings.accounts:
        for row in account.jwt_issuers:
            source = str(row.jwks_url), row.algorithm
            issuers.append(
                Issuer(
                    row.issuer,
                    row.audience,
                    AccountSid(account.sid),
                    row.algorithm,
                    frozenset(map(Scope, row.scopes)),
                    row.limit or POINTS,
                    key_sets.setdefault(source, Jwks(session, *source)),
                )
            )
    return issuers
