"""All use cases of one Twilio account. No part of it is shared with another account."""

from dataclasses import dataclass

from gateway.core.rooms import AccountSid
from gateway.service.cache.read_through import ReadThrough
from gateway.service.insights import Insights
from gateway.service.log.ingest import Ingest
from gateway.service.log.tail import Tail
from gateway.service.participants import Participants
from gateway.service.presence import Presence
from gateway.service.quota import Quota
from gateway.service.reconcile.leader import Reconciler
from gateway.service.recordings import Recordings
from gateway.service.rooms import Rooms
from gateway.service.streams.feed import Feed
from gateway.service.streams.live_view import LiveViews
from gateway.service.streams.timeline import Timeline
from gateway.service.tokens import Tokens
from gateway.service.transcriptions import Transcriptions
from gateway.service.upstream.upstream import Upstream
from gateway.service.writes.mutations import Mutations


@dataclass(frozen=True, slots=True)
class Account:
    """The use cases of one account, and the background parts that they need."""

    sid: AccountSid
    upstream: Upstream
    rooms: Rooms
    participants: Participants
    presence: Presence
    recordings: Recordings
    transcriptions: Transcriptions
    insights: Insights
    tokens: Tokens
    quota: Quota
    feed: Feed
    timeline: Timeline
    live: LiveViews
    ingest: Ingest
    tail: Tail
    reads: ReadThrough
    mutations: Mutations
    reconciler: Reconciler

    async def aclose(self) -> None:
        """Cancels reads, and waits for mutations in flight (see `Mutations.aclose`)."""
        await self.rooms.aclose()
        await self.reads.aclose()
        await self.mutations.aclose()
        await self.upstream.aclose()
