import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import HttpUrl

from gateway.core.errors import FailedPrecondition, NotFound, OutcomeUnknown, UpstreamUnavailable
from gateway.core.events import Changed, EventSource, RoomEventType
from gateway.core.participants import (
    NewSubscribeRules,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    SubscribeRule,
)
from gateway.core.rooms import RoomSid
from gateway.core.rules import RuleType
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from gateway.service.flights.deadlines import within
from gateway.service.writes import mutations as changes_module
from gateway.store.connection import Connections
from gateway.store.eventlog import Logged, readable
from gateway.store.keys import Keys
from gateway.twilio.wire.participants import disconnect_participant
from gateway.twilio.wire.transcriptions import create_transcription
from tests.service.conftest import ACCOUNT, ADMIN, Confined, Site, ref, wait_until

GONE, HERE = ParticipantStatus.DISCONNECTED, ParticipantStatus.CONNECTED


async def identities(account: Account, room: RoomSid) -> list[str | None]:
    seen = await account.participants.page(ADMIN, ref(room), ParticipantFilter(), 50, None)
    return [each.identity for _, each in seen.value.items]


async def told(site: Site) -> list[Logged]:
    return readable(await site.log.read_last(10))


async def test_a_change_is_logged_with_twilios_answer_before_the_caller_hears_of_it(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    who = site.join(room, "ada")
    answer = await account.mutations.make(
        disconnect_participant(room, who.sid), room, Changed.PARTICIPANT
    )
    assert (answer.sid, answer.status) == (who.sid, GONE)
    [logged] = await told(site)
    event = logged.event
    assert (event.type, event.source, event.room_sid) == (
        RoomEventType.ROOM_CHANGED,
        EventSource.MUTATION,
        room,
    )
    assert (event.changed, event.participant) == (Changed.PARTICIPANT, answer)


async def test_i11_a_read_after_a_change_shows_it_here_at_once_and_there_when_it_has_heard(
    site: Site,
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    who = site.join(room, "ada")
    for account in (here, there):
        assert await identities(account, room) == ["ada"]
    # Nothing but the change itself tells this replica.
    site.tails[0].cancel()
    await asyncio.wait(site.tails[:1])
    here.tail._memory.confirm_caught_up()
    await here.mutations.make(disconnect_participant(room, who.sid), room, Changed.PARTICIPANT)
    assert await identities(here, room) == []
    await site.wait_until_read_by(there, (await site.log.open()).position.n)
    assert await identities(there, room) == []


async def test_what_twilio_refuses_is_no_change(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    with pytest.raises(NotFound):
        await account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of("PA" + "0" * 32))
    site.end_at_twilio(room)
    with pytest.raises(FailedPrecondition):
        await account.mutations.make(create_transcription(room, None), room, Changed.TRANSCRIPTION)
    assert await told(site) == []


async def test_a_change_whose_outcome_is_unknown_hides_what_was_known_before(site: Site) -> None:
    """Whoever looks whether it was done must not be shown a cached no."""
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    for account in (here, there):
        assert (await account.transcriptions.page(ADMIN, ref(room), 10, None)).value.items == ()
    site.sandbox.faults.add(Fault(Match("POST"), hang_up="after"))
    with pytest.raises((OutcomeUnknown, UpstreamUnavailable)):
        await here.transcriptions.create(ADMIN, ref(room), None)
    [logged] = await told(site)
    assert logged.event.changed is Changed.TRANSCRIPTION
    await site.wait_until_read_by(there, logged.position.n)
    for account in (here, there):
        assert len((await account.transcriptions.page(ADMIN, ref(room), 10, None)).value.items) == 1


async def test_a_change_that_was_never_sent_is_no_change(site: Site) -> None:
    """Twilio cannot be reached: what is known stays known, and nobody is told of anything."""
    room = site.make_at_twilio()
    account = await site.replica(twilio_video_base_url=HttpUrl("http://127.0.0.1:1"))
    with pytest.raises(UpstreamUnavailable):
        await account.rooms.complete(ADMIN, ref(room))
    assert await told(site) == []


async def test_i15_a_change_that_waits_for_its_turn_is_not_sent_when_its_caller_has_left(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    who = site.join(room, "ada")
    turns: list[asyncio.Event] = []

    @asynccontextmanager
    async def long_turn(*_: object) -> AsyncIterator[None]:
        turns.append(asyncio.Event())
        await turns[-1].wait()
        yield

    account.upstream._permit = long_turn  # type: ignore[method-assign]
    leaving = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(who.sid))
    )
    await wait_until(lambda: len(turns) == 1)
    leaving.cancel()
    await asyncio.wait([leaving])
    turns[0].set()
    await account.mutations.aclose()
    assert (site.gate.calls, await told(site)) == ([], [])


async def test_i15_a_change_on_its_way_when_time_is_up_is_answered_and_recorded_later(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    who = site.join(room, "ada")
    site.gate.close()
    with pytest.raises(OutcomeUnknown):
        async with within(0.2):
            await account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(who.sid))
    assert (site.gate.waiting, await told(site)) == (1, [])
    position = account.tail.position
    site.gate.open()
    await wait_until(lambda: account.tail.position != position)
    assert len(await told(site)) == 1


async def test_a_caller_who_leaves_does_not_stop_a_change(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    who = site.join(room, "ada")
    assert await identities(account, room) == ["ada"]
    site.gate.close()
    leaving = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(who.sid))
    )
    await wait_until(lambda: site.gate.waiting == 1)
    leaving.cancel()
    await asyncio.wait([leaving])
    position = account.tail.position
    site.gate.open()
    await wait_until(lambda: account.tail.position != position)
    assert await identities(account, room) == []


async def test_a_change_that_cannot_be_logged_is_answered_and_shown_here(
    confined: Confined, site: Site
) -> None:
    """Twilio has done it: an error would say otherwise, and so would an answer from before."""
    account, room = await site.replica(confined.connections), site.make_at_twilio()
    who = site.join(room, "ada")
    assert await identities(account, room) == ["ada"]
    await confined.keep("%R~*:log*", "~*:rate:*", "~*:v", "~*:end", "~*:cache:*")
    answer = await account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(who.sid))
    assert answer.status is GONE
    assert await told(site) == []
    for _ in range(2):
        assert await identities(account, room) == []


async def test_a_stop_gives_a_change_time_to_be_finished_and_recorded(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    who = site.join(room, "ada")
    site.gate.close()
    change = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(who.sid))
    )
    await wait_until(lambda: site.gate.waiting == 1)
    stop = site.tasks.create_task(account.aclose())
    site.gate.open()
    await stop
    assert (await change).status is GONE
    assert len(await told(site)) == 1


async def test_a_stop_does_not_wait_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "GRACE_S", 0.01)
    account, room = await site.replica(), site.make_at_twilio()
    who = site.join(room, "ada")
    site.gate.close()
    change = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(who.sid))
    )
    await wait_until(lambda: site.gate.waiting == 1)
    await account.aclose()
    assert change.cancelled() or (await asyncio.wait([change]) and change.cancelled())


async def test_a_repeated_change_is_logged_each_time(site: Site, connections: Connections) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    who = site.join(room, "ada")
    rules = NewSubscribeRules((SubscribeRule(type=RuleType.EXCLUDE, all=True),))
    for _ in range(2):
        await account.participants.update_subscribe_rules(
            ADMIN, ref(room), ParticipantRef.of(who.sid), rules
        )
    assert await connections.commands.xlen(Keys(ACCOUNT).room_log(room)) == 2
