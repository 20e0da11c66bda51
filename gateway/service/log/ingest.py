"""Taking Twilio's status callbacks in: verified, read, logged, and only then answered."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

import structlog

from gateway.core.errors import PermissionDenied
from gateway.store.eventlog import EventLog
from gateway.store.recheck_queue import RecheckQueue
from gateway.twilio import callbacks
from gateway.twilio.signature import is_valid

log = structlog.get_logger()

FORGED = "the signature does not hold; check the auth token and GATEWAY_PUBLIC_URL"
# Anybody can send what is forged: one line in so many seconds says it, and tells how many there were.
FORGED_S = 10.0


class IngestResult(StrEnum):
    LOGGED = "logged"
    REPEATED = "repeated"
    IGNORED = "ignored"
    EXPIRED = "expired"
    """So old that nobody can tell whether it was logged before: its room is to be looked at instead."""


class Ingest:
    """`url`: our callback address exactly as Twilio was given it, without the fragment. `auth_tokens`: the primary one and,
    during a rotation, the secondary."""

    def __init__(
        self, events: EventLog, recheck_queue: RecheckQueue, url: str, auth_tokens: Sequence[str]
    ) -> None:
        self._events = events
        self._recheck_queue = recheck_queue
        self._url = url
        # Always two, so that the time a refusal takes does not tell whether there is a secondary one.
        self._auth_tokens = (*auth_tokens, *auth_tokens)[:2]
        self._forged = 0
        self._told_at = float("-inf")

    def is_signed(
        self, fields: Sequence[tuple[str, str]], *, query: str, is_form: bool, signature: str | None
    ) -> bool:
        """Whether this account's token signed it."""
        url = f"{self._url}?{query}" if query else self._url
        return is_valid(self._auth_tokens, url, fields if is_form else (), signature)

    async def take(
        self, fields: Sequence[tuple[str, str]], *, query: str, is_form: bool, signature: str | None
    ) -> IngestResult:
        """Logs the event that a callback tells, once. When this returns, the event is in the log or never needs to be.

        `query` is the URL's query as it came, `fields` what the form (or, without a form, the query) says. Raises
        PermissionDenied for a signature that does not hold, InvalidArgument for a callback that cannot be read,
        UpstreamUnavailable when the log cannot be written.
        """
        if not self.is_signed(fields, query=query, is_form=is_form, signature=signature):
            self._note_forged()
            raise PermissionDenied(FORGED)
        callback = callbacks.parse(fields, datetime.now(UTC))
        if isinstance(callback, callbacks.Ignored):
            return IngestResult.IGNORED
        if callback.age is callbacks.Age.EXPIRED:
            log.warning("callback.expired", room_sid=callback.event.room_sid)
            await self._recheck_queue.add(callback.event.room_sid)
            return IngestResult.EXPIRED
        appended = await self._events.append(callback.event, callback.dedupe)
        return IngestResult.LOGGED if appended.is_new else IngestResult.REPEATED

    def _note_forged(self) -> None:
        self._forged += 1
        now = time.monotonic()
        if now - self._told_at > FORGED_S:
            log.warning("callback.forged", account_sid=self._events.account_sid, count=self._forged)
            self._forged, self._told_at = 0, now
