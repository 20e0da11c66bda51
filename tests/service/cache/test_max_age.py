import asyncio
from datetime import UTC, datetime

import pytest

from gateway.core.participants import ParticipantFilter
from gateway.core.rooms import RoomFilter
from gateway.sandbox.faults.injector import Fault
from gateway.service.cache.max_age import collect_max_age, limit_max_age
from tests.service.conftest import ANYBODY, Site, later, ref, sid


async def test_the_part_that_is_fresh_for_the_shortest_time_counts_whoever_reads_it() -> None:
    async def read(seconds: float) -> None:
        limit_max_age(seconds)

    with collect_max_age() as max_age:
        assert max_age.fresh_s is None
        await asyncio.gather(read(5), read(3), read(4))
    assert max_age.fresh_s == 3
    limit_max_age(1)
    assert max_age.fresh_s == 3


def test_what_is_stale_is_fresh_for_no_time_at_all() -> None:
    with collect_max_age() as max_age:
        limit_max_age(-7)
    assert max_age.fresh_s == 0


async def test_each_read_tells_how_long_it_is_fresh(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    asked = {
        "room": lambda: account.rooms.room(ANYBODY, ref("daily")),
        "people": lambda: account.participants.page(
            ANYBODY, ref(room), ParticipantFilter(), 50, None
        ),
        "list": lambda: account.rooms.rooms(ANYBODY, RoomFilter(), 50, None),
        "recordings": lambda: account.recordings.rules(ANYBODY, ref(room)),
        "events": lambda: account.feed.timeline(ANYBODY, ref(room), None, 50, None),
        "nothing": lambda: account.rooms.room(ANYBODY, ref(sid(7))),
    }
    found = {}
    for what, ask in asked.items():
        with collect_max_age() as max_age:
            await ask()
        assert max_age.fresh_s is not None
        found[what] = -(-max_age.fresh_s // 1)
    assert found == {"room": 5, "people": 5, "list": 1, "recordings": 30, "events": 0, "nothing": 0}
    later(monkeypatch, 600)
    site.sandbox.faults.add(Fault(status=503))
    with collect_max_age() as max_age:
        seen = await account.rooms.room(ANYBODY, ref(room))
    assert seen is not None
    assert seen.freshness.fetched_at < datetime.now(UTC)
    assert max_age.fresh_s == 0
