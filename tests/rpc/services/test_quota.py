"""QuotaService from outside: a real channel to the gateway as a user runs it."""

import time

from gateway.rooms.v1 import quota_pb2
from tests.rpc.client import Clients


async def test_what_is_left_is_told_by_class(clients: Clients) -> None:
    quota = (await clients.quota.GetQuota()).quota

    assert quota.source == quota_pb2.QUOTA_SOURCE_SHARED
    assert quota.replicas == 1
    assert 4 <= quota.concurrency_limit <= 100, "what other tests had refused has lowered it"
    assert 0 <= quota.under_way <= 100
    assert [each.request_class for each in quota.classes] == sorted(
        quota_pb2.RequestClass.values()
    )[1:]
    for each in quota.classes:
        assert 0 <= each.remaining <= each.burst
        assert each.HasField("retry_after_ms") == (each.remaining == 0)
        assert abs(each.reset_at.seconds - time.time()) < 10


async def test_a_mask_chooses_what_is_told(clients: Clients) -> None:
    quota = (await clients.quota.GetQuota(read_mask={"paths": ["replicas"]})).quota

    assert (quota.replicas, len(quota.classes)) == (1, 0)
