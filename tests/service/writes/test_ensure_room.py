import asyncio
import math
import random
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from gateway.core.errors import (
    DeadlineExceeded,
    GatewayError,
    InvalidArgument,
    PermissionDenied,
    QuotaExceeded,
    UpstreamUnavailable,
)
from gateway.core.events import RoomEventSource, RoomEventType, creation_key
from gateway.core.rooms import NewRoom, RoomSid, RoomStatus
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from gateway.service.flights.deadlines import within
from gateway.service.rooms import CreatedRoom
from gateway.service.writes.mutations import WriteTimings
from gateway.store.eventlog import readable
from gateway.store.keys import Keys
from tests.conftest import Figure
from tests.service.conftest import (
    ACCOUNT,
    ADMIN,
    Confined,
    Site,
    event,
    ref,
    restricted,
    status,
    wait_until,
)

ENDED = RoomEventType.ROOM_ENDED
DAILY = NewRoom(unique_name="daily", max_participants=7)
IS_CREATE = Match("POST", "/v1/Rooms$")


async def ensure(account: Account, name: str = "daily", **settings: Any) -> CreatedRoom:
    return await account.rooms.ensure(ADMIN, NewRoom(unique_name=name, **settings))


async def race(accounts: list[Account], name: str, callers: int) -> list[CreatedRoom]:
    """Calls from many callers at once, one after the other on each replica."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(ensure(accounts[n % len(accounts)], name)) for n in range(callers)
        ]
    return [task.result() for task in tasks]


def in_progress_at_twilio(site: Site, name: str = "daily") -> list[RoomSid]:
    return [
        RoomSid(room.sid)
        for room in site.rooms_at_twilio()
        if room.name == name and room.is_in_progress
    ]


async def test_first_call_creates_the_room_and_the_next_ones_find_it(site: Site) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    first = await ensure(replica_a, max_participants=7)
    assert (first.is_new, first.room.value.max_participants) == (True, 7)
    await site.wait_until_read((await site.log.open()).position.n)
    calls = len(site.gate.calls)
    for account in (replica_a, replica_b):
        # Settings apply to a new room only.
        again = await ensure(account, max_participants=3)
        assert (again.is_new, again.room.value.sid) == (False, first.room.value.sid)
        assert again.room.value.max_participants == 7
    assert len(site.gate.calls) == calls


async def test_room_is_looked_up_once_when_its_name_was_not_used_for_a_while(site: Site) -> None:
    account = await site.replica()
    first = await ensure(account)
    await site.connections.commands.delete(Keys(ACCOUNT).name("daily"))
    before = len(site.gate.calls)
    for _ in range(2):
        again = await ensure(account)
        assert (again.is_new, again.room.value.sid) == (False, first.room.value.sid)
    assert site.gate.calls[before:] == ["GET /v1/Rooms"]


async def test_callers_that_race_on_three_replicas_get_one_room_with_two_calls(site: Site) -> None:
    accounts = [await site.replica() for _ in range(3)]
    for number in range(20):
        name = f"room {number}"
        before = len(site.gate.calls)
        results = await race(accounts, name, 4)
        assert len({result.room.value.sid for result in results}) == 1
        assert [result.is_new for result in results].count(True) == 1
        assert site.gate.calls[before:] == ["GET /v1/Rooms", "POST /v1/Rooms"]
        assert len(in_progress_at_twilio(site, name)) == 1


async def test_room_of_another_backend_is_found_and_not_created(site: Site) -> None:
    accounts = [await site.replica() for _ in range(3)]
    theirs = site.make_at_twilio("daily")
    results = await race(accounts, "daily", 6)
    assert {result.room.value.sid for result in results} == {theirs}
    assert not any(result.is_new for result in results)
    # Its end is not reported here, so each replica may have to ask for itself.
    assert set(site.gate.calls) == {"GET /v1/Rooms"}
    assert len(site.gate.calls) <= 3


async def test_room_of_another_backend_that_ended_without_a_report_is_not_returned(
    site: Site,
) -> None:
    account = await site.replica()
    theirs = site.make_at_twilio("daily")
    assert (await ensure(account)).room.value.sid == theirs
    site.end_at_twilio(theirs)
    result = await ensure(account)
    assert result.is_new
    assert result.room.value.sid != theirs


async def test_room_whose_end_is_known_is_not_returned_though_twilio_still_lists_it(
    site: Site,
) -> None:
    account = await site.replica()
    first = await ensure(account)
    site.end_at_twilio(first.room.value.sid)
    await site.append(event(ENDED, first.room.value.sid, room_name="daily"))
    site.sandbox.faults.add(Fault(match=Match("GET"), rest_lag_ms=60_000))
    second = await ensure(account)
    assert second.is_new
    assert second.room.value.sid != first.room.value.sid


async def test_room_that_ends_between_look_up_and_return_is_not_returned(site: Site) -> None:
    account = await site.replica()
    theirs = site.make_at_twilio("daily")
    site.gate.hold_responses()
    async with asyncio.TaskGroup() as group:
        ensuring = group.create_task(ensure(account))
        await wait_until(lambda: site.gate.waiting_to_respond == 1)
        site.end_at_twilio(theirs)
        await site.append(event(ENDED, theirs, room_name="daily"))
        site.gate.open()
    assert ensuring.result().is_new
    assert in_progress_at_twilio(site) == [ensuring.result().room.value.sid]


async def test_name_that_another_backend_takes_first_is_adopted(site: Site) -> None:
    account = await site.replica()
    site.gate.hold_responses()
    async with asyncio.TaskGroup() as group:
        ensuring = group.create_task(ensure(account))
        await wait_until(lambda: site.gate.waiting_to_respond == 1)
        theirs = site.make_at_twilio("daily")
        site.gate.open()
    assert ensuring.result().room.value.sid == theirs
    assert not ensuring.result().is_new
    assert site.gate.calls == ["GET /v1/Rooms", "POST /v1/Rooms", "GET /v1/Rooms"]


async def test_taken_name_is_looked_up_until_twilio_shows_the_room(site: Site) -> None:
    site.write_timings = WriteTimings(first_search_s=0.02, last_search_s=0.1)
    account = await site.replica()
    theirs = site.make_at_twilio("daily")
    site.sandbox.faults.add(Fault(match=Match("GET"), rest_lag_ms=60_000))
    async with asyncio.TaskGroup() as group:
        ensuring = group.create_task(ensure(account))
        await wait_until(lambda: site.posts() == 3)
        site.calm()
    assert (ensuring.result().room.value.sid, ensuring.result().is_new) == (theirs, False)


async def test_taken_name_that_twilio_does_not_show_ends_with_the_deadline(site: Site) -> None:
    site.write_timings = WriteTimings(first_search_s=0.02, last_search_s=0.1)
    account = await site.replica()
    site.make_at_twilio("daily")
    site.sandbox.faults.add(Fault(match=Match("GET"), rest_lag_ms=60_000))
    # On a busy machine, the last permit may come too late.
    with pytest.raises((DeadlineExceeded, QuotaExceeded)):
        async with within(0.3):
            await ensure(account)


LOST: dict[str, Fault] = {
    "reset-after": Fault(match=IS_CREATE, hang_up="after"),
    "500-after": Fault(match=IS_CREATE, status=500, is_processed=True),
    "unreadable": Fault(match=IS_CREATE, malformed=True),
}


@pytest.mark.parametrize("how", LOST)
async def test_room_is_found_after_a_lost_response_to_its_create(site: Site, how: str) -> None:
    accounts = [await site.replica() for _ in range(3)]
    site.sandbox.faults.add(LOST[how])
    results = await race(accounts, "daily", 6)
    assert {result.room.value.sid for result in results} == set(in_progress_at_twilio(site))
    assert [result.is_new for result in results].count(True) == 1
    assert Counter(site.gate.calls) == {"GET /v1/Rooms": 2, "POST /v1/Rooms": 1}
    logged = readable(await site.log.read(0, 10))
    assert [(each.event.type, each.event.source) for each in logged] == [
        (RoomEventType.ROOM_CREATED, RoomEventSource.MUTATION)
    ]


@pytest.mark.parametrize("how", ["before", "after"])
async def test_call_may_be_repeated_when_the_outcome_stays_unknown(site: Site, how: str) -> None:
    account = await site.replica()
    site.sandbox.faults.add(
        Fault(match=IS_CREATE, hang_up="before" if how == "before" else "after")
    )
    site.sandbox.faults.add(Fault(match=Match("GET"), rest_lag_ms=60_000))
    with pytest.raises(UpstreamUnavailable) as unknown:
        await ensure(account)
    assert unknown.value.is_retryable
    assert site.posts() == 1, "failures of Twilio are not answered with more creates"
    site.calm()
    assert (await ensure(account)).is_new is (how == "before")
    assert len(in_progress_at_twilio(site)) == 1


async def test_create_is_finished_and_logged_when_its_callers_leave(site: Site) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    site.gate.hold_responses()
    ensuring = site.tasks.create_task(asyncio.wait([site.tasks.create_task(ensure(replica_a))]))
    await wait_until(lambda: site.gate.waiting_to_respond == 1)
    site.gate.open()
    site.gate.hold_responses()
    await wait_until(lambda: len(in_progress_at_twilio(site)) == 1)
    ensuring.cancel()
    site.gate.open()
    other = await ensure(replica_b)
    assert [other.room.value.sid] == in_progress_at_twilio(site)


async def test_callback_of_the_new_room_does_not_cause_a_call(site: Site) -> None:
    """It may arrive before the response. The other replicas then know the name, and not
    yet the room."""
    replica_a, replica_b = await site.replica(), await site.replica()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ensure(replica_a))
        await wait_until(lambda: site.gate.calls == ["GET /v1/Rooms", "POST /v1/Rooms"])
        site.gate.hold_responses()
        await wait_until(lambda: len(in_progress_at_twilio(site)) == 1)
        [sid] = in_progress_at_twilio(site)
        created = event(RoomEventType.ROOM_CREATED, sid, room_name="daily")
        await site.log.append(created, creation_key(sid))
        second = group.create_task(ensure(replica_b))
        site.gate.open()
    assert (first.result().is_new, second.result().is_new) == (True, False)
    assert site.gate.calls == ["GET /v1/Rooms", "POST /v1/Rooms"]


async def test_callers_with_settings_that_twilio_refuses_do_not_fail_the_others(
    site: Site,
) -> None:
    account = await site.replica()
    async with asyncio.TaskGroup() as group:
        bad = group.create_task(_outcome(ensure(account, media_region="nowhere")))
        good = group.create_task(ensure(account))
    assert good.result().is_new
    outcome = bad.result()
    assert isinstance(outcome, InvalidArgument) or outcome == good.result().room.value.sid


async def _outcome(ensuring: Any) -> GatewayError | str:
    try:
        return (await ensuring).room.value.sid  # type: ignore[no-any-return]
    except GatewayError as error:
        return error


async def test_restricted_caller_may_ensure_its_named_rooms_only(site: Site) -> None:
    account = await site.replica()
    theirs = site.make_at_twilio("weekly")
    caller = restricted("daily", theirs)
    assert (await account.rooms.ensure(caller, DAILY)).is_new
    calls = len(site.gate.calls)
    for name in ("weekly", "other"):
        with pytest.raises(PermissionDenied):
            await account.rooms.ensure(caller, NewRoom(unique_name=name))
    assert len(site.gate.calls) == calls


async def test_name_is_required(site: Site) -> None:
    account = await site.replica()
    with pytest.raises(InvalidArgument, match="unique_name"):
        await account.rooms.ensure(ADMIN, NewRoom())


async def test_nothing_is_created_without_redis(confined: Confined, site: Site) -> None:
    account = await site.replica(confined.connections)
    await confined.keep(f"~rg:{{{ACCOUNT}}}:[^n]*")
    with pytest.raises(UpstreamUnavailable):
        await ensure(account)
    assert site.posts() == 0
    await confined.keep("~*")
    assert (await ensure(account)).is_new
    assert await status(account, "daily") is RoomStatus.IN_PROGRESS
    assert await account.rooms.room(ADMIN, ref("daily")) is not None


@pytest.mark.long
async def test_racing_calls_never_return_a_room_that_had_ended(site: Site, figure: Figure) -> None:
    """Callers on three replicas ensure, end and give up at random."""
    accounts, seed = [await site.replica() for _ in range(3)], random.randrange(2**32)
    rng, names = random.Random(seed), ["daily", "weekly"]
    ended_at: dict[str, float] = {}
    returned: list[tuple[str, float, bool]] = []

    async def act() -> None:
        account, name = rng.choice(accounts), rng.choice(names)
        started_at, action = time.monotonic(), rng.random()
        if action < 0.15:
            with suppress(GatewayError):
                room = (await account.rooms.complete(ADMIN, ref(name))).value
                ended_at.setdefault(room.sid, time.monotonic())
        elif action < 0.25:
            with suppress(TimeoutError):
                async with asyncio.timeout(rng.uniform(0, 0.01)):
                    await ensure(account, name)
        else:
            result = await ensure(account, name)
            returned.append((result.room.value.sid, started_at, result.is_new))

    async def work() -> None:
        for _ in range(100):
            with suppress(QuotaExceeded):
                await act()

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(work())
    late = [sid for sid, at, _ in returned if ended_at.get(sid, math.inf) < at]
    news = Counter(sid for sid, _, is_new in returned if is_new)
    figure(
        f"{len(returned)} calls of ensureRoom beside {len(ended_at)} ends, 2 names, 3 replicas",
        f"{len(late)} returned a room whose end had been returned before; {len(news)} rooms were "
        f"created for a caller, {sum(count > 1 for count in news.values())} for two",
        seed,
    )
    assert late == []
    assert max(news.values()) == 1
    assert len(returned) > 300
