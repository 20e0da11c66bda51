import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import HttpUrl

from gateway.core.errors import FailedPrecondition, NotFound, OutcomeUnknown, UpstreamUnavailable
from gateway.core.event_objects import room_of
from gateway.core.events import RoomChangeKind, RoomEventSource, RoomEventType
from gateway.core.participants import (
    NewSubscribeRules,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    SubscribeRule,
)
from gateway.core.recordings import NewRecordingRules, RecordingRule
from gateway.core.rooms import Room, RoomSid, RoomStatus, RoomType
from gateway.core.rules import RuleType
from gateway.core.sids import ParticipantSid
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from gateway.service.flights.deadlines import within
from gateway.service.writes.mutations import WriteTimings
from gateway.store.connection import Connections
from gateway.store.eventlog import Logged, readable
from gateway.store.keys import Keys
from gateway.twilio.wire.participants import disconnect_participant
from gateway.twilio.wire.transcriptions import create_transcription
from tests.service.conftest import ACCOUNT, ADMIN, Confined, Site, event, ref, wait_until

GONE, HERE = ParticipantStatus.DISCONNECTED, ParticipantStatus.CONNECTED


async def identities(account: Account, room: RoomSid) -> list[str | None]:
    result = await account.participants.page(ADMIN, ref(room), ParticipantFilter(), 50, None)
    return [participant.identity for _, participant in result.value.items]


async def mutations_logged(site: Site) -> list[Logged]:
    return readable(await site.log.read_last(10))


async def test_change_is_logged_with_the_response_before_it_is_returned(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    participant = site.join(room, "ada")
    answer = await account.mutations.execute(
        disconnect_participant(room, ParticipantSid(participant.sid)),
        room,
        RoomChangeKind.PARTICIPANT,
    )
    assert (answer.sid, answer.status) == (participant.sid, GONE)
    [logged] = await mutations_logged(site)
    event = logged.event
    assert (event.type, event.source, event.room_sid) == (
        RoomEventType.ROOM_CHANGED,
        RoomEventSource.MUTATION,
        room,
    )
    assert (event.change, event.participant) == (RoomChangeKind.PARTICIPANT, answer)


async def test_change_tells_the_name_type_and_status_of_its_room(site: Site) -> None:
    """Twilio's response does not, but the log has other events of the room."""
    account, room = await site.replica(), site.make_at_twilio()
    facts = {"room_name": "standup", "room_type": RoomType.GROUP}
    rules = NewRecordingRules((RecordingRule(type=RuleType.EXCLUDE, all=True),))

    async def shown_after_a_change() -> Room:
        await account.recordings.update_rules(ADMIN, ref(room), rules)
        [*_, logged] = await mutations_logged(site)
        return room_of(logged.event)

    await site.append(event(RoomEventType.ROOM_CREATED, room, **facts))
    shown = await shown_after_a_change()
    assert (shown.unique_name, shown.type) == ("standup", RoomType.GROUP)
    assert shown.status is RoomStatus.IN_PROGRESS
    await site.append(event(RoomEventType.ROOM_ENDED, room, room_duration=60, **facts))
    shown = await shown_after_a_change()
    assert (shown.status, shown.duration) == (RoomStatus.COMPLETED, 60)


async def test_change_in_a_room_that_the_log_does_not_know_says_so(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await account.transcriptions.create(ADMIN, ref(room), None)
    [logged] = await mutations_logged(site)
    assert room_of(logged.event).status is RoomStatus.UNKNOWN


async def test_change_is_logged_though_the_log_of_its_room_is_damaged(
    site: Site, connections: Connections
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await connections.commands.set(Keys(ACCOUNT).room_log(room), "not a stream")
    await account.transcriptions.create(ADMIN, ref(room), None)
    assert len(await mutations_logged(site)) == 1


async def test_i11_read_after_a_change_shows_it_on_every_replica(
    site: Site,
) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    participant = site.join(room, "ada")
    for account in (replica_a, replica_b):
        assert await identities(account, room) == ["ada"]
    # Without its tail, this replica learns of the change from the change itself.
    site.tails[0].cancel()
    await asyncio.wait(site.tails[:1])
    replica_a.tail._room_memory.confirm_caught_up()
    await replica_a.mutations.execute(
        disconnect_participant(room, ParticipantSid(participant.sid)),
        room,
        RoomChangeKind.PARTICIPANT,
    )
    assert await identities(replica_a, room) == []
    await site.wait_until_read_by(replica_b, (await site.log.open()).position.n)
    assert await identities(replica_b, room) == []


async def test_refused_change_is_not_logged(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    with pytest.raises(NotFound):
        await account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of("PA" + "0" * 32))
    site.end_at_twilio(room)
    with pytest.raises(FailedPrecondition):
        await account.mutations.execute(
            create_transcription(room, None), room, RoomChangeKind.TRANSCRIPTION
        )
    assert await mutations_logged(site) == []


async def test_change_with_an_unknown_outcome_invalidates_the_cache(site: Site) -> None:
    """The caller checks whether it was made, and must not get the cached state."""
    replica_a, replica_b = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    for account in (replica_a, replica_b):
        assert (await account.transcriptions.page(ADMIN, ref(room), 10, None)).value.items == ()
    site.sandbox.faults.add(Fault(Match("POST"), hang_up="after"))
    with pytest.raises((OutcomeUnknown, UpstreamUnavailable)):
        await replica_a.transcriptions.create(ADMIN, ref(room), None)
    [logged] = await mutations_logged(site)
    assert logged.event.change is RoomChangeKind.TRANSCRIPTION
    assert logged.event.changed_sid is None, "the response would have said it"
    await site.wait_until_read_by(replica_b, logged.position.n)
    for account in (replica_a, replica_b):
        assert len((await account.transcriptions.page(ADMIN, ref(room), 10, None)).value.items) == 1


async def test_change_that_was_not_sent_is_not_logged(site: Site) -> None:
    """Twilio cannot be reached, so the cache stays valid."""
    room = site.make_at_twilio()
    account = await site.replica(twilio_video_base_url=HttpUrl("http://127.0.0.1:1"))
    with pytest.raises(UpstreamUnavailable):
        await account.rooms.complete(ADMIN, ref(room))
    assert await mutations_logged(site) == []


async def test_i15_change_that_waits_for_a_permit_is_not_sent_when_its_caller_leaves(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    participant = site.join(room, "ada")
    permits: list[asyncio.Event] = []

    @asynccontextmanager
    async def long_permit(*_: object) -> AsyncIterator[None]:
        permits.append(asyncio.Event())
        await permits[-1].wait()
        yield

    account.upstream._permit = long_permit  # type: ignore[assignment, method-assign]
    leaving = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(participant.sid))
    )
    await wait_until(lambda: len(permits) == 1)
    leaving.cancel()
    await asyncio.wait([leaving])
    permits[0].set()
    await account.mutations.aclose()
    assert (site.gate.calls, await mutations_logged(site)) == ([], [])


async def test_i15_change_in_flight_at_the_deadline_is_recorded_later(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    participant = site.join(room, "ada")
    site.gate.close()
    with pytest.raises(OutcomeUnknown):
        async with within(1.0):
            await account.participants.disconnect(
                ADMIN, ref(room), ParticipantRef.of(participant.sid)
            )
    assert (site.gate.waiting, await mutations_logged(site)) == (1, [])
    position = account.tail.position
    site.gate.open()
    await wait_until(lambda: account.tail.position != position)
    assert len(await mutations_logged(site)) == 1


async def test_change_runs_to_its_end_when_its_caller_leaves(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    participant = site.join(room, "ada")
    assert await identities(account, room) == ["ada"]
    site.gate.close()
    leaving = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(participant.sid))
    )
    await wait_until(lambda: site.gate.waiting == 1)
    leaving.cancel()
    await asyncio.wait([leaving])
    position = account.tail.position
    site.gate.open()
    await wait_until(lambda: account.tail.position != position)
    assert await identities(account, room) == []


async def test_change_that_cannot_be_logged_is_returned_and_read_on_this_replica(
    confined: Confined, site: Site
) -> None:
    """Twilio made the change, so an error or a cached read would be wrong."""
    account, room = await site.replica(confined.connections), site.make_at_twilio()
    participant = site.join(room, "ada")
    assert await identities(account, room) == ["ada"]
    await confined.keep("%R~*:log*", "~*:rate:*", "~*:v", "~*:end", "~*:cache:*")
    answer = await account.participants.disconnect(
        ADMIN, ref(room), ParticipantRef.of(participant.sid)
    )
    assert answer.status is GONE
    assert await mutations_logged(site) == []
    for _ in range(2):
        assert await identities(account, room) == []


async def test_shutdown_waits_for_a_change_in_flight(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    participant = site.join(room, "ada")
    site.gate.close()
    change = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(participant.sid))
    )
    await wait_until(lambda: site.gate.waiting == 1)
    stop = site.tasks.create_task(account.aclose())
    site.gate.open()
    await stop
    assert (await change).status is GONE
    assert len(await mutations_logged(site)) == 1


async def test_shutdown_cancels_a_change_that_takes_too_long(site: Site) -> None:
    site.write_timings = WriteTimings(grace_s=0.01)
    account, room = await site.replica(), site.make_at_twilio()
    participant = site.join(room, "ada")
    site.gate.close()
    change = site.tasks.create_task(
        account.participants.disconnect(ADMIN, ref(room), ParticipantRef.of(participant.sid))
    )
    await wait_until(lambda: site.gate.waiting == 1)
    await account.aclose()
    assert change.cancelled() or (await asyncio.wait([change]) and change.cancelled())


async def test_repeated_change_is_logged_each_time(site: Site, connections: Connections) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    participant = site.join(room, "ada")
    rules = NewSubscribeRules((SubscribeRule(type=RuleType.EXCLUDE, all=True),))
    for _ in range(2):
        await account.participants.update_subscribe_rules(
            ADMIN, ref(room), ParticipantRef.of(participant.sid), rules
        )
    assert await connections.commands.xlen(Keys(ACCOUNT).room_log(room)) == 2
