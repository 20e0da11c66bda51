from dataclasses import replace

import pytest

from gateway.core.errors import PermissionDenied
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import QuotaSource
from gateway.service import call_context
from gateway.service.call_context import CallContext, MaxAge
from tests.service.conftest import ADMIN, Site


async def test_the_status_names_every_class_and_takes_nothing(site: Site) -> None:
    account = await site.replica()
    for _ in range(3):
        status = await account.quota.status(ADMIN)
    assert (status.source, status.replicas, status.in_flight) == (QuotaSource.SHARED, 1, 0)
    assert [quota.request_class for quota in status.classes] == list(Priority)
    assert all(quota.remaining == quota.burst for quota in status.classes)
    assert site.gate.calls == []


async def test_the_status_must_not_be_kept(site: Site) -> None:
    account, max_age = await site.replica(), MaxAge()
    with call_context.entered(CallContext(max_age=max_age)):
        await account.quota.status(ADMIN)
    assert max_age.fresh_s == 0


async def test_the_status_needs_the_scope_to_read_rooms(site: Site) -> None:
    account = await site.replica()
    with pytest.raises(PermissionDenied):
        await account.quota.status(replace(ADMIN, scopes=frozenset()))
