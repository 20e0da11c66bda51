import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from gateway.core.caching import (
    MISSING_NAME_S,
    MISSING_SID_S,
    PEOPLE,
    Fence,
    FreshnessSource,
    ReadResult,
)
from gateway.core.errors import InvalidArgument, NotFound, UpstreamUnavailable
from gateway.core.events import RoomEventType
from gateway.core.participants import Participant, ParticipantFilter, ParticipantStatus
from gateway.core.rooms import RoomSid
from gateway.core.sids import ParticipantSid
from gateway.sandbox.faults.injector import Fault
from gateway.service.accounts import Account
from gateway.service.cache.memory import ResponseMemory
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.service.cache.timings import CacheTimings
from gateway.service.log.timings import LogTimings
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.twilio.wire import participants
from gateway.twilio.wire.resource import Listed
from tests.service.conftest import ACCOUNT, Confined, Site, event, eventually, later, sid, until

KIND = ResourceKind[Participant](Participant, Fence.PEOPLE, PEOPLE)
LIST = ResourceKind[Listed[Participant]](Listed[Participant], Fence.PEOPLE, PEOPLE)
CONNECTED = RoomEventType.PARTICIPANT_CONNECTED
SILENT = Fault(status=503)
DETACHED = ParticipantSid("PA" + "0" * 32)


def by_sid(room: RoomSid, who: str) -> CachedQuery[Participant]:
    return CachedQuery(KIND, room, participants.fetch_participant(room, ParticipantSid(who)))


def by_identity(room: RoomSid, identity: str) -> CachedQuery[Participant]:
    return CachedQuery(KIND, room, participants.find_participant(room, identity), identity)


def listing(room: RoomSid, **wanted: str) -> Listing[Participant]:
    chosen = ParticipantFilter(**wanted)  # type: ignore[arg-type]
    return Listing(LIST, room, chosen, partial(participants.list_participants, room, chosen))


async def identities(account: Account, room: RoomSid) -> list[str | None]:
    seen = await account.reads.page(listing(room), 50, None)
    return [each.identity for _, each in seen.value.items]


async def fresh(account: Account, ask: CachedQuery[Participant]) -> bool:
    seen = await account.reads.one(ask)
    return not seen.freshness.is_stale


async def test_a_second_read_asks_nobody_and_another_replica_finds_it_in_redis(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.join(room, "ada")
    for account in (here, here, there, there):
        assert await identities(account, room) == ["ada"]
    assert len(site.gate.calls) == 1


async def test_all_who_ask_at_the_same_time_share_one_call(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await asyncio.gather(*(identities(account, room) for _ in range(20)))
    assert len(site.gate.calls) == 1


async def test_an_event_makes_old_what_depends_on_it_on_every_replica(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room, other = site.make_at_twilio(), site.make_at_twilio()
    for account in (here, there):
        assert (await identities(account, room), await identities(account, other)) == ([], [])
    site.join(room, "ada")
    await site.tell(event(CONNECTED, room))
    for account in (here, there):
        assert (await identities(account, room), await identities(account, other)) == (["ada"], [])
    await site.tell(event(RoomEventType.RECORDING_STARTED, room))
    asked = len(site.gate.calls)
    assert await identities(here, room) == ["ada"]
    assert len(site.gate.calls) == asked


async def test_a_fetch_that_began_before_an_event_is_kept_by_nobody(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        before = group.create_task(identities(here, room))
        await until(lambda: site.gate.waiting == 1)
        await site.tell(event(CONNECTED, room))
        # Woken by the event: it must not join the read that began before it.
        after = group.create_task(identities(here, room))
        await until(lambda: site.gate.waiting == 2)
        site.join(room, "ada")
        site.gate.open()
    assert before.result() is not None
    assert after.result() == ["ada"]
    for account in (here, there):
        assert await identities(account, room) == ["ada"]


async def test_the_answer_of_a_fetch_that_an_event_overtook_is_not_shown_twice(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(identities(account, room))
        await until(lambda: site.gate.waiting == 1)
        await site.tell(event(CONNECTED, room))
        site.gate.open()
    asked = len(site.gate.calls)
    await identities(account, room)
    assert len(site.gate.calls) == asked + 1


async def test_memory_hears_of_an_event_that_redis_has_forgotten(
    site: Site, connections: Connections
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    assert await identities(account, room) == []
    site.join(room, "ada")
    await site.tell(event(CONNECTED, room))
    await connections.commands.delete(Keys(ACCOUNT).versions(room))
    assert await identities(account, room) == ["ada"]


async def test_redis_knows_of_an_event_that_this_replica_has_not_heard_of(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    assert await identities(here, room) == []
    site.tails[1].cancel()
    await asyncio.wait(site.tails[1:])
    site.join(room, "ada")
    await site.log.append(event(CONNECTED, room), "unheard")
    assert await identities(there, room) == ["ada"]


async def test_a_stale_answer_is_served_and_fetched_anew_behind_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    assert await identities(account, room) == []
    site.join(room, "ada")
    later(monkeypatch, PEOPLE.fresh_s + 1)
    site.gate.close()
    assert await identities(account, room) == []
    assert await identities(account, room) == []
    await until(lambda: site.gate.waiting == 1)
    site.gate.open()

    async def is_new() -> bool:
        return await identities(account, room) == ["ada"]

    await eventually(is_new)
    assert len(site.gate.calls) == 2


async def test_what_was_fetched_right_after_an_event_is_asked_for_again_a_second_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await site.tell(event(CONNECTED, room))
    # Twilio's REST lags its own callback.
    assert await identities(account, room) == []
    site.join(room, "ada")
    later(monkeypatch, 1.1)
    assert await identities(account, room) == ["ada"]


async def test_twilios_silence_is_filled_from_memory_or_redis_and_flagged(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    ask = by_sid(room, site.join(room, "ada").sid)
    assert await fresh(here, ask)
    later(monkeypatch, PEOPLE.stale_s + 1)
    site.sandbox.faults.add(SILENT)
    for account in (here, there):
        assert not await fresh(account, ask)
    later(monkeypatch, PEOPLE.error_s)
    for account in (here, there):
        with pytest.raises(UpstreamUnavailable):
            await account.reads.one(ask)


async def test_an_answer_that_an_event_made_old_is_shown_for_want_of_another_flagged(
    site: Site,
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    ask = by_sid(room, site.join(room, "ada").sid)
    assert await fresh(here, ask)
    await site.tell(event(CONNECTED, room))
    site.sandbox.faults.add(SILENT)
    for account in (here, there):
        assert not await fresh(account, ask)


async def test_an_answer_that_redis_does_not_take_is_given_all_the_same(
    confined: Confined, site: Site
) -> None:
    account, room = await site.replica(confined.connections), site.make_at_twilio()
    ask = by_sid(room, site.join(room, "ada").sid)
    await confined.keep("~*:log*", "~*:rate:*", "~*:v", "~*:end", "~*:seen:*", "%R~*:cache:*")
    assert await fresh(account, ask)
    assert await fresh(account, ask)
    assert len(site.gate.calls) == 1
    assert await site.connections.commands.exists(Keys(ACCOUNT).cached(ask.key.name)) == 0


async def test_without_redis_memory_answers_flagged_and_what_is_not_there_is_asked_for(
    site: Site,
) -> None:
    site.log_timings = LogTimings()
    account, room = await site.replica(), site.make_at_twilio()
    ask, cold = (by_sid(room, site.join(room, who).sid) for who in ("ada", "bob"))
    assert await fresh(account, ask)
    site.tails[0].cancel()
    await asyncio.wait(site.tails)
    site.tails.clear()
    account.reads._cache._connections = Connections("redis://127.0.0.1:1")
    # Until memory is no proof any more, it answers as if nothing were wrong.

    async def is_flagged() -> bool:
        return not await fresh(account, ask)

    await eventually(is_flagged)
    assert len(site.gate.calls) == 1
    await account.reads.warm([listing(room)], 50)
    assert not await fresh(account, cold)
    assert len(site.gate.calls) == 2
    await account.reads._cache._connections.aclose()


@pytest.mark.parametrize(
    ("ask", "kept_s"),
    [
        (partial(by_sid, who=DETACHED), MISSING_SID_S),
        (partial(by_identity, identity="ada"), MISSING_NAME_S),
    ],
)
async def test_what_is_not_there_is_known_for_a_moment(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[RoomSid], CachedQuery[Participant]],
    kept_s: float,
) -> None:
    here, there = await site.replica(), await site.replica()
    question = ask(site.make_at_twilio())
    for account in (here, here, there):
        assert await account.reads.one_or_none(question) is None
        with pytest.raises(NotFound):
            await account.reads.one(question)
    assert len(site.gate.calls) == 1
    later(monkeypatch, kept_s)
    assert await here.reads.one_or_none(question) is None
    assert len(site.gate.calls) == 2


async def test_what_is_not_there_is_not_remembered_right_after_an_event(site: Site) -> None:
    """Twilio's REST answers 404 for a while for what its own callback told of."""
    account, room = await site.replica(), site.make_at_twilio()
    await site.tell(event(CONNECTED, room))
    assert await account.reads.one_or_none(by_identity(room, "ada")) is None
    site.join(room, "ada")
    assert await account.reads.one_or_none(by_identity(room, "ada")) is not None


async def test_one_request_has_an_answer_for_each_name_and_as_a_list(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    found = by_identity(room, "ada")
    listed = CachedQuery(
        LIST,
        room,
        participants.list_participants(room, ParticipantFilter(identity="ada"), 20, None),
    )
    assert (found.request.path, found.request.query) == (listed.request.path, listed.request.query)
    for _ in range(2):
        assert isinstance((await account.reads.one(listed)).value, Listed)
        assert isinstance((await account.reads.one(found)).value, Participant)


async def test_what_a_change_is_aimed_at_comes_straight_from_twilio(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    ask = by_identity(room, "ada")
    first = await account.reads.one(ask)
    # Joining again under the same identity ends the first stay. Nobody tells: the room has no callback.
    again = site.join(room, "ada")
    found = await account.reads.from_twilio(ask)
    assert found is not None
    assert found.value.sid == again.sid != first.value.sid
    assert (await account.reads.one(ask)).value.sid == again.sid


async def test_memory_holds_so_many_bytes_of_what_was_asked_for_last(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, room = await site.replica(), site.make_at_twilio()
    asks = [by_sid(room, site.join(room, f"number {number}").sid) for number in range(4)]
    await first.reads.one(asks[0])
    limit = first.reads._memory.size * 3 + 30
    account = await site.replica()
    account.reads._memory = ResponseMemory(account.reads._log, CacheTimings(memory_bytes=limit))
    for ask in (asks[0], asks[1], asks[2], asks[0], asks[3]):
        await account.reads.one(ask)
    kept = account.reads._memory
    assert kept.keys() == [ask.key.name for ask in (asks[2], asks[0], asks[3])]
    assert 0 < kept.size <= limit


async def test_redis_keeps_lists_only_as_long_as_they_are_shown_without_need(
    site: Site, connections: Connections
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    one = by_sid(room, site.join(room, "ada").sid)
    await account.reads.one(one)
    many = listing(room).page_query(50, None)
    await account.reads.one(many)
    lives = [
        await connections.commands.pttl(Keys(ACCOUNT).cached(ask.key.name)) for ask in (one, many)
    ]
    assert PEOPLE.stale_s * 1000 < lives[0] <= PEOPLE.error_s * 1000
    assert 0 < lives[1] <= PEOPLE.stale_s * 1000


async def test_warm_lists_are_read_from_redis_in_one_go(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    rooms = [site.make_at_twilio() for _ in range(3)]
    for room in rooms[:2]:
        await identities(here, room)
    site.gate.calls.clear()
    await there.reads.warm([listing(room) for room in rooms], 50)
    assert site.gate.calls == []
    assert len(there.reads._memory.keys()) == 2


async def test_pages_follow_each_other_and_a_cursor_stays_with_its_list(site: Site) -> None:
    account, room, other = await site.replica(), site.make_at_twilio(), site.make_at_twilio()
    for number in range(5):
        site.join(room, f"number {number}")
    read, after, has_next = list[str | None](), None, True
    while has_next:
        page = (await account.reads.page(listing(room), 2, after)).value
        read += [each.identity for _, each in page.items]
        after, has_next = page.end_cursor, page.has_next_page
    assert read == [f"number {number}" for number in (4, 3, 2, 1, 0)]
    for foreign in (
        listing(other),
        listing(room, identity="ada"),
        listing(room, status=ParticipantStatus.CONNECTED),
    ):
        with pytest.raises(InvalidArgument):
            await account.reads.page(foreign, 2, after)


async def test_a_list_of_a_room_that_is_not_there_is_not_found(site: Site) -> None:
    account = await site.replica()
    for _ in range(2):
        with pytest.raises(NotFound):
            await account.reads.page(listing(sid(99)), 2, None)
    assert len(site.gate.calls) == 1


async def test_a_call_that_all_have_left_is_cancelled(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.gate.close()
    readers = [site.tasks.create_task(identities(account, room)) for _ in range(2)]
    await until(lambda: site.gate.waiting == 1)
    readers[0].cancel()
    await asyncio.wait(readers[:1])
    assert site.gate.left == 0
    readers[1].cancel()
    await until(lambda: site.gate.left == 1)


async def test_a_stop_ends_what_is_under_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await identities(account, room)
    later(monkeypatch, PEOPLE.fresh_s + 1)
    site.gate.close()
    await identities(account, room)
    await until(lambda: site.gate.waiting == 1)
    await account.reads.aclose()
    await until(lambda: site.gate.left == 1)


async def test_an_answer_says_how_it_was_come_by(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ask = by_sid(room, site.join(room, "ada").sid)
    seen: ReadResult[Participant] = await account.reads.one(ask)
    assert (seen.freshness.source, seen.freshness.is_stale) == (FreshnessSource.POLLED, False)
    assert seen.as_of is not None
    await site.tell(event(CONNECTED, room))
    assert (await account.reads.one(ask)).freshness == replace(
        (await account.reads.one(ask)).freshness, source=FreshnessSource.CALLBACKS
    )
