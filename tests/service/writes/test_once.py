import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.errors import (
    FailedPrecondition,
    InvalidArgument,
    OutcomeUnknown,
    UpstreamUnavailable,
)
from gateway.service.flights.deadlines import within
from gateway.service.writes.mutations import WriteTimings
from gateway.service.writes.once import Change, Claim, Conflict, Once, idempotency_key_of
from gateway.store.idempotency import IdempotencyKey, IdempotencyRecords
from tests.service.conftest import ACCOUNT, ADMIN, Confined, Site

KEY = idempotency_key_of(ADMIN, "a key", "method", "request")
NO_KEY = idempotency_key_of(ADMIN, None, "method", "request")


@pytest.fixture
async def once(site: Site) -> Once:
    account = await site.replica()
    records = IdempotencyRecords(site.connections, ACCOUNT)
    return Once(account.mutations, records, WriteTimings())


@dataclass
class Work:
    """A change that ends as a test says, and the claims with which it was attempted."""

    outcomes: list[str | Exception]
    target: str | None = None
    is_retry_safe: bool = True
    claims: list[Claim] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    @property
    def change(self) -> Change[str]:
        return Change(
            self._attempt,
            lambda outcome: f"result {outcome}",
            self._repeat,
            is_retry_safe=self.is_retry_safe,
        )

    async def _attempt(self, claim: Claim) -> str:
        self.claims.append(claim)
        if self.target is not None:
            await claim.pin(self.target)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _repeat(self, result: str) -> str:
        self.repeated.append(result)
        return f"again {result}"


async def test_change_is_made_once_per_key(once: Once) -> None:
    work = Work(["done"])
    assert await once.run(KEY, work.change) == "done"
    assert await once.run(KEY, work.change) == "again result done"
    assert (len(work.claims), work.repeated) == (1, ["result done"])


async def test_change_without_a_key_is_made_each_time(once: Once) -> None:
    work = Work(["one", "two"])
    assert [await once.run(NO_KEY, work.change) for _ in range(2)] == ["one", "two"]


@pytest.mark.parametrize(
    ("failure", "target", "may_be_done"),
    [
        (FailedPrecondition("refused"), None, False),
        (FailedPrecondition("refused"), "RM1", False),
        (UpstreamUnavailable("503"), None, False),
        (UpstreamUnavailable("503"), "RM1", True),
        (UpstreamUnavailable("breaker", is_unsent=True), "RM1", False),
        (OutcomeUnknown("reset"), None, True),
        (OutcomeUnknown("reset"), "RM1", True),
    ],
)
async def test_next_attempt_knows_what_the_failed_one_left(
    once: Once, failure: Exception, target: str | None, may_be_done: bool
) -> None:
    work = Work([failure, "done"], target)
    with pytest.raises(type(failure)):
        await once.run(KEY, work.change)
    assert await once.run(KEY, work.change) == "done"
    [_, second] = work.claims
    assert (second.may_be_done, second.target) == (may_be_done, target)


async def test_target_of_the_first_attempt_counts(once: Once) -> None:
    work = Work([FailedPrecondition("refused")], "RM1")
    with pytest.raises(FailedPrecondition):
        await once.run(KEY, work.change)

    async def attempt(claim: Claim) -> str:
        return await claim.pin("RM2")

    assert await once.run(KEY, Change(attempt, str, work.change.repeat)) == "RM1"


async def test_key_of_another_request_is_refused(once: Once) -> None:
    work = Work(["done"])
    await once.run(KEY, work.change)
    for other in (
        idempotency_key_of(ADMIN, "a key", "method", "another request"),
        idempotency_key_of(ADMIN, "a key", "another method", "request"),
    ):
        with pytest.raises(Conflict, match="another request"):
            await once.run(other, work.change)


async def test_unknown_outcome_tells_the_key_that_was_sent(once: Once) -> None:
    work = Work([OutcomeUnknown("lost"), "done"])
    with pytest.raises(OutcomeUnknown) as unknown:
        await once.run(KEY, work.change)
    assert unknown.value.retry_with == "a key"


async def test_unknown_outcome_without_a_key_tells_one_for_a_retry(once: Once) -> None:
    work = Work([OutcomeUnknown("lost"), "done"], "RM1")
    before = datetime.now(UTC) - timedelta(milliseconds=1)  # the record has milliseconds
    with pytest.raises(OutcomeUnknown) as unknown:
        await once.run(NO_KEY, work.change)
    key = unknown.value.retry_with
    assert key is not None
    assert await once.run(as_given(key), work.change) == "done"
    retry = work.claims[1]
    assert (retry.may_be_done, retry.target) == (True, "RM1")
    assert before <= retry.began_at <= work.claims[0].began_at


async def test_unknown_outcome_tells_no_key_if_a_retry_is_not_safe(once: Once) -> None:
    for key in (KEY, NO_KEY):
        work = Work([OutcomeUnknown("lost")], is_retry_safe=False)
        with pytest.raises(OutcomeUnknown) as unknown:
            await once.run(key, work.change)
        assert unknown.value.retry_with is None


async def test_unknown_outcome_tells_no_key_that_redis_does_not_know(
    confined: Confined, site: Site
) -> None:
    account = await site.replica(confined.connections)
    once = Once(
        account.mutations, IdempotencyRecords(confined.connections, ACCOUNT), WriteTimings()
    )
    await confined.keep("~nothing")
    work = Work([OutcomeUnknown("lost")])
    with pytest.raises(OutcomeUnknown) as unknown:
        await once.run(NO_KEY, work.change)
    assert unknown.value.retry_with is None
    with pytest.raises(UpstreamUnavailable):
        await once.run(KEY, work.change)
    assert len(work.claims) == 1
    await confined.keep("~*")


async def test_change_that_outlasts_the_deadline_is_finished(once: Once) -> None:
    may_end = asyncio.Event()
    work = Work(["done"])

    async def attempt(claim: Claim) -> str:
        await may_end.wait()
        return await work.change.attempt(claim)

    with pytest.raises(OutcomeUnknown) as unknown:
        async with within(0.2):
            await once.run(KEY, Change(attempt, str, work.change.repeat))
    assert unknown.value.retry_with == "a key"
    may_end.set()
    assert await once.run(KEY, work.change) == "again done"


@pytest.mark.parametrize("key", ["", "x" * 129, "a\nb"])
def test_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidArgument, match="idempotency_key"):
        idempotency_key_of(ADMIN, key, "method")


def as_given(text: str) -> IdempotencyKey:
    return idempotency_key_of(ADMIN, text, "method", "request")
