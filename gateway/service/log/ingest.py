"""Receives Twilio's status callbacks: verifies, parses and logs each before it is
answered."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

import structlog

from gateway.core.errors import PermissionDenied
from gateway.service.log.timings import LogTimings
from gateway.store.eventlog import EventLog
from gateway.store.recheck_queue import RecheckQueue
from gateway.twilio import callbacks
from gateway.twilio.signature import is_valid

log = structlog.get_logger()

FORGED = "the signature is wrong: check the auth token and GATEWAY_PUBLIC_URL"


class IngestResult(StrEnum):
    LOGGED = "logged"
    REPEATED = "repeated"
    IGNORED = "ignored"
    EXPIRED = "expired"
    """Too old: it is unknown whether it was logged before. The reconciler checks its
    room instead."""


class Ingest:
    """The callbacks of one account.

    `url` is the callback address exactly as Twilio has it, without the fragment.
    `auth_tokens` are the primary one and, during a rotation, the secondary one.
    """

    def __init__(
        self,
        events: EventLog,
        recheck_queue: RecheckQueue,
        url: str,
        auth_tokens: Sequence[str],
        timings: LogTimings = LogTimings(),
    ) -> None:
        self._events = events
        self._recheck_queue = recheck_queue
        self._url = url
        # Always two, so that the time of a refusal does not reveal whether there is a
        # secondary token.
        self._auth_tokens = (*auth_tokens, *auth_tokens)[:2]
        self._timings = timings
        self._forged = 0
        self._forged_logged_at = float("-inf")

    def is_signed(
        self, fields: Sequence[tuple[str, str]], *, query: str, is_form: bool, signature: str | None
    ) -> bool:
        """Whether one of the account's auth tokens signed the callback."""
        url = f"{self._url}?{query}" if query else self._url
        return is_valid(self._auth_tokens, url, fields if is_form else (), signature)

    async def receive(
        self, fields: Sequence[tuple[str, str]], *, query: str, is_form: bool, signature: str | None
    ) -> IngestResult:
        """Logs the event of a callback once.

        When this returns, the event is in the log, or need not be. `query` is the URL's
        query as it was received. `fields` are those of the form or, without a form, of
        the query.

        Raises PermissionDenied for a wrong signature, InvalidArgument for a callback
        that cannot be parsed, and UpstreamUnavailable if the log cannot be written. The
        room of an ambiguous callback is checked instead.
        """
        if not self.is_signed(fields, query=query, is_form=is_form, signature=signature):
            self._log_forged()
            raise PermissionDenied(FORGED)
        try:
            callback = callbacks.parse(fields, datetime.now(UTC), query, is_form=is_form)
        except callbacks.Ambiguous as exc:
            # What really happened is in Twilio's REST API.
            log.warning("callback.ambiguous", room_sid=exc.room_sid)
            await self._recheck_queue.add(exc.room_sid)
            raise
        if isinstance(callback, callbacks.Ignored):
            return IngestResult.IGNORED
        if callback.age is callbacks.Age.EXPIRED:
            log.warning("callback.expired", room_sid=callback.event.room_sid)
            await self._recheck_queue.add(callback.event.room_sid)
            return IngestResult.EXPIRED
        appended = await self._events.append(
            callback.event, callback.dedupe, may_repeat=callback.may_repeat
        )
        return IngestResult.LOGGED if appended.is_new else IngestResult.REPEATED

    def _log_forged(self) -> None:
        self._forged += 1
        now = time.monotonic()
        if now - self._forged_logged_at > self._timings.forged_log_s:
            log.warning("callback.forged", account_sid=self._events.account_sid, count=self._forged)
            self._forged, self._forged_logged_at = 0, now
