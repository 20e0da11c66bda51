"""Makes the change of an idempotency key once, whichever replica a retry reaches."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from gateway.core.callers import Caller
from gateway.core.errors import (
    AlreadyExists,
    DeadlineExceeded,
    GatewayError,
    OutcomeUnknown,
    Reason,
    TwilioFault,
    UpstreamUnavailable,
)
from gateway.core.outcomes import KEY_REUSED, NAME_TAKEN
from gateway.core.sids import RoomSid, is_sid
from gateway.core.validation import check_idempotency_key
from gateway.service.writes.mutations import Mutations, WriteTimings
from gateway.store.idempotency import (
    Claimed,
    Done,
    IdempotencyKey,
    IdempotencyRecords,
    InProgress,
    OtherRequest,
)

log = structlog.get_logger()
T = TypeVar("T")

# Twilio dates what it creates by its own clock and in whole seconds.
CLOCK_SKEW: Final = timedelta(seconds=2)

# After these errors, Twilio may have made a change whose target is recorded.
_MAY_BE_DONE: Final = (UpstreamUnavailable, DeadlineExceeded)


def idempotency_key_of(
    caller: Caller, key: str | None, method: str, *request: object
) -> IdempotencyKey:
    """Returns the caller's key for a request, or a new one if the caller gave none.

    `method` and `request` are what two requests must have in common to be the same one.
    The keys of two callers never have the same digest. Raises InvalidArgument for a
    malformed key.
    """
    check_idempotency_key(key)
    text = secrets.token_urlsafe(16) if key is None else key
    digest, body = _digest([caller.id, text]), _digest([method, *request])
    return IdempotencyKey(text, digest, body, is_given=key is not None)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make the change of a key.

    `may_be_done`: an earlier attempt may have made it, not before `began_at`. `target`
    is what the first attempt aimed at, or None if it did not come so far.

    `pin` records the target, so that all retries aim at it too, and returns it. If
    another attempt has recorded one, it returns that one.
    """

    may_be_done: bool
    began_at: datetime
    target: str | None
    pin: Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """A change that is to be made once.

    `attempt` makes it. `repeat` returns its outcome once more, given `result_of` the
    first outcome. `is_retry_safe`: after an unknown outcome, another attempt finds out
    whether this one made the change.
    """

    attempt: Callable[[Claim], Awaitable[T]]
    result_of: Callable[[T], str]
    repeat: Callable[[str], Awaitable[T]]
    is_retry_safe: bool = True


class Conflict(AlreadyExists):
    """A room in progress has the name, or the key belongs to another request: `reason`
    tells which. `sid` is the room that it is about, or None if that is not known."""

    def __init__(
        self, reason: Reason, sid: RoomSid | None, twilio: TwilioFault | None = None
    ) -> None:
        text = NAME_TAKEN if reason is Reason.NAME_TAKEN else KEY_REUSED
        super().__init__(text, reason=reason, twilio=twilio)
        self.sid = sid


class _ClaimedByAnother(Exception):
    """Another attempt with the key has the claim."""


class Once:
    """Makes changes once per key.

    With a key that the caller gave, nothing is sent to Twilio unless Redis answers.
    Without one, Redis is needed only after an unknown outcome.
    """

    def __init__(
        self, mutations: Mutations, records: IdempotencyRecords, timings: WriteTimings
    ) -> None:
        self._mutations = mutations
        self._records = records
        self._timings = timings

    async def run(self, key: IdempotencyKey, change: Change[T]) -> T:
        """Makes the change and returns its outcome, or the outcome of an earlier call.

        Waits for another attempt with the key, until the caller's deadline. Raises
        Conflict if the key belongs to another request, and what the change and
        `Mutations.run_to_end` raise.
        """
        if not key.is_given:
            return await self._run_without_record(key, change)
        pause_s = self._timings.first_poll_s
        while True:
            try:
                return await self._mutations.run_to_end(lambda: self._run_with_record(key, change))
            except _ClaimedByAnother:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._timings.last_poll_s)
            except OutcomeUnknown as error:
                if not change.is_retry_safe:
                    raise
                raise _with_retry(error, key) from error

    async def _run_without_record(self, key: IdempotencyKey, change: Change[T]) -> T:
        """Records the key only for a retry after an unknown outcome."""
        target: str | None = None

        async def pin(found: str) -> str:
            nonlocal target
            target = found
            return found

        claim = Claim(may_be_done=False, began_at=datetime.now(UTC), target=None, pin=pin)
        try:
            return await self._mutations.run_to_end(lambda: change.attempt(claim))
        except OutcomeUnknown as error:
            if not change.is_retry_safe or not await self._record_doubt(key, claim, target):
                raise
            raise _with_retry(error, key) from error

    async def _run_with_record(self, key: IdempotencyKey, change: Change[T]) -> T:
        owner = secrets.token_hex(8)
        match await self._records.claim(key, owner):
            case InProgress():
                raise _ClaimedByAnother
            case OtherRequest(about):
                raise Conflict(Reason.IDEMPOTENCY_KEY_REUSED, _room_of(about))
            case Done(result):
                return await change.repeat(result)
            case Claimed() as claimed:
                return await self._attempt(key, owner, claimed, change)

    async def _attempt(
        self, key: IdempotencyKey, owner: str, claimed: Claimed, change: Change[T]
    ) -> T:
        """Makes the attempt and records how it ended.

        If recording fails, the next attempt with the key finds that the change may be
        made, and checks that first.
        """
        target = claimed.target

        async def pin(found: str) -> str:
            nonlocal target
            renewed = await self._records.claim(key, owner, found)
            if not isinstance(renewed, Claimed):
                raise _ClaimedByAnother
            target = renewed.target
            return found if target is None else target

        claim = Claim(claimed.may_be_done, claimed.first_claimed_at, target, pin)
        try:
            outcome = await change.attempt(claim)
        except GatewayError as failure:
            may_be_done = (
                claimed.may_be_done
                or isinstance(failure, OutcomeUnknown)
                or isinstance(failure.__cause__, OutcomeUnknown)
                or (target is not None and _may_be_done(failure))
            )
            await _try_to_record(self._records.release(key, owner, may_be_done=may_be_done))
            raise
        await _try_to_record(self._records.complete(key, owner, change.result_of(outcome)))
        return outcome

    async def _record_doubt(self, key: IdempotencyKey, claim: Claim, target: str | None) -> bool:
        """Records that the change may be made. Returns whether it is recorded."""
        owner = secrets.token_hex(8)
        try:
            await self._records.claim(key, owner, target, claim.began_at)
            await self._records.release(key, owner, may_be_done=True)
        except UpstreamUnavailable:
            return False
        return True


def _room_of(about: str | None) -> RoomSid | None:
    """Returns the room in a result or a target: its SID is the first word."""
    sid = (about or "").partition(" ")[0]
    return RoomSid(sid) if is_sid(RoomSid, sid) else None


def _may_be_done(failure: GatewayError) -> bool:
    return isinstance(failure, _MAY_BE_DONE) and not failure.is_unsent


def _with_retry(error: OutcomeUnknown, key: IdempotencyKey) -> OutcomeUnknown:
    """Returns the error with the key for a retry."""
    return OutcomeUnknown(
        "the request was sent to Twilio, and its outcome is not known: "
        "send it again with `retry_with` as its `idempotency_key`",
        twilio=error.twilio,
        retry_with=key.text,
    )


async def _try_to_record(outcome: Awaitable[None]) -> None:
    try:
        await outcome
    except UpstreamUnavailable as exc:
        log.error("idempotency.unrecorded", reason=exc.message)


def _digest(value: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()
