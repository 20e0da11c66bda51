from gateway.core.limits.fairness import Priority
from gateway.core.limits.local_quota import FULL_RETRY_US, LocalQuota
from gateway.core.limits.quota import Concurrency, QuotaGrant, RequestKind
from gateway.core.limits.rate_limit import TwilioQuota

NOON_US = 1_800_000_000_000_000
SECOND_US = 1_000_000
QUOTAS: dict[RequestKind, TwilioQuota] = {"read": TwilioQuota.of(80), "write": TwilioQuota.of(20)}


def local_quota() -> LocalQuota:
    return LocalQuota(QUOTAS, Concurrency(at_most=100, at_least=4))


def take(
    quota: LocalQuota,
    wanted: int = 1,
    *,
    kind: RequestKind = "read",
    priority: Priority = Priority.READ,
    replicas: int = 1,
    in_flight: int = 0,
    now_us: int = NOON_US,
) -> QuotaGrant:
    return quota.take(kind, priority, wanted, replicas=replicas, in_flight=in_flight, now_us=now_us)


def test_permits_are_granted_one_at_a_time_at_the_replicas_own_rate() -> None:
    quota = local_quota()
    assert take(quota, 5, replicas=2).granted == 1
    interval_us = quota.rate("read", 2).interval_us
    refused = take(quota, replicas=2)
    assert (refused.granted, refused.wait_us) == (0, interval_us)
    assert take(quota, replicas=2, now_us=NOON_US + interval_us).granted == 1
    assert take(quota, kind="write", replicas=2).granted == 1


def test_without_wanted_permits_it_only_says_what_is_left() -> None:
    quota = local_quota()
    take(quota)
    for _ in range(2):
        grant = take(quota, 0, in_flight=1)
        assert (grant.granted, grant.wait_us, grant.is_full) == (0, 0, False)
        assert grant.full_in_us == quota.rate("read", 1).interval_us
        assert (grant.in_flight, grant.max_in_flight) == (1, 100)


def test_a_priority_has_its_share_of_the_replicas_requests_in_flight() -> None:
    quota = local_quota()
    full = take(quota, priority=Priority.LIST, replicas=4, in_flight=18)
    assert (full.is_full, full.granted, full.wait_us) == (True, 0, FULL_RETRY_US)
    assert full.max_in_flight == 25
    assert take(quota, priority=Priority.READ, replicas=4, in_flight=18).granted == 1


def test_a_429_pauses_its_kind_and_lowers_the_ceiling() -> None:
    quota = local_quota()
    quota.back_off("read", SECOND_US, in_flight=20, now_us=NOON_US)
    quota.back_off("read", 10, in_flight=20, now_us=NOON_US)
    paused = take(quota, now_us=NOON_US + 1)
    assert (paused.granted, paused.wait_us, paused.is_full) == (0, SECOND_US - 1, False)
    assert take(quota, kind="write", priority=Priority.CHANGE).granted == 1
    after = take(quota, now_us=NOON_US + SECOND_US)
    assert (after.granted, after.max_in_flight) == (1, 10)
