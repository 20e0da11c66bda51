"""QuotaService over a real channel, to a gateway process."""

import time

from gateway.rpc.v1 import quota_pb2
from tests.rpc.client import Clients


async def test_get_quota(clients: Clients) -> None:
    quota = (await clients.quota.GetQuota()).quota

    assert quota.source == quota_pb2.QUOTA_SOURCE_SHARED
    assert quota.replicas == 1
    assert 4 <= quota.concurrency_limit <= 100, "refusals in other tests lower it"
    assert 0 <= quota.in_flight <= 100
    assert [item.request_class for item in quota.classes] == sorted(
        quota_pb2.RequestClass.values()
    )[1:]
    for item in quota.classes:
        assert 0 <= item.remaining <= item.burst
        assert item.HasField("retry_after") == (item.remaining == 0)
        assert abs(item.reset_time.seconds - time.time()) < 10


async def test_read_mask_selects_fields(clients: Clients) -> None:
    quota = (await clients.quota.GetQuota(read_mask={"paths": ["replicas"]})).quota

    assert (quota.replicas, len(quota.classes)) == (1, 0)
