from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.core.caching import FreshnessSource
from gateway.core.events import RoomEventSource, RoomEventType
from gateway.core.participants import ParticipantFilter
from gateway.core.room_state.room_book import CheckIntervals
from gateway.core.rooms import RoomRef, RoomSid, RoomStatus
from gateway.sandbox.faults.injector import Fault, Match
from gateway.sandbox.world.model import Participant, TrackKind, TrackSettings
from gateway.service.accounts import Account
from gateway.store.cache import RoomIndex
from gateway.store.recheck_queue import RecheckQueue
from tests.service.conftest import ACCOUNT, ADMIN, Site, event, sid, wait_until, wait_until_async
from tests.service.reconciling import (
    INTERVALS,
    NEVER_S,
    TIMINGS,
    _without_rest_lag,
    logged,
    reconciling,
    repaired,
    replica,
    room_lists,
)

__all__ = ["_without_rest_lag"]  # a fixture


async def test_unknown_room_is_logged_once_with_everything_in_it(
    site: Site,
) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio("elsewhere")
    world.join(
        site.room_at_twilio(room),
        "Ada",
        (TrackSettings(TrackKind.AUDIO), TrackSettings(TrackKind.VIDEO)),
    )
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) >= 4)
        await room_lists(site)
    assert repaired(account) == [
        "room-created",
        "participant-connected",
        "track-added",
        "track-added",
    ]
    created, joined, added, _ = logged(account)
    assert (created.room_sid, created.room_name, created.room_status) == (
        room,
        "elsewhere",
        RoomStatus.IN_PROGRESS,
    )
    assert (joined.participant_identity, joined.participant_status) == ("Ada", "connected")
    assert (added.participant_sid, added.participant_identity) == (joined.participant_sid, "Ada")


async def test_changes_without_callbacks_are_logged(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    ada = world.join(
        site.room_at_twilio(room),
        "Ada",
        (TrackSettings(TrackKind.AUDIO), TrackSettings(TrackKind.VIDEO)),
    )
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) == 4)
        world.set_track_enabled(site.room_at_twilio(room), ada, ada.tracks[0], False)
        await wait_until(lambda: repaired(account)[4:] == ["track-disabled"])
        ada = person(site, room)
        world.unpublish(site.room_at_twilio(room), ada, ada.tracks[1])
        await wait_until(lambda: repaired(account)[5:] == ["track-removed"])
        world.leave(site.room_at_twilio(room), person(site, room))
        await wait_until(lambda: repaired(account)[6:] == ["participant-disconnected"])
        site.end_at_twilio(room)
        await wait_until(lambda: repaired(account)[7:] == ["room-ended"])
        await room_lists(site)
    assert len(repaired(account)) == 8
    left, ended = logged(account)[6:]
    assert (left.participant_sid, left.participant_status) == (ada.sid, "disconnected")
    assert left.participant_duration is not None
    assert (ended.room_status, ended.late) == (RoomStatus.COMPLETED, False)


async def test_participants_of_an_ended_room_are_logged_as_disconnected(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    world.join(site.room_at_twilio(room), "Ada", ())
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) == 2)
        site.end_at_twilio(room)
        await wait_until(lambda: len(repaired(account)) == 4)
        await room_lists(site)
    assert sorted(repaired(account)[2:]) == ["participant-disconnected", "room-ended"]


async def test_rooms_that_time_out_at_twilio_are_logged_as_ended(site: Site) -> None:
    account = await replica(site)
    rooms = {site.make_at_twilio() for _ in range(3)}
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) == 3)
        site.sandbox.clock.advance(5 * 60)
        await wait_until(lambda: len(repaired(account)) == 6)
    assert {event.room_sid for event in logged(account)[3:]} == rooms
    assert repaired(account)[3:] == ["room-ended"] * 3


async def test_reconnecting_participant_is_not_logged_as_disconnected(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    ada = world.join(site.room_at_twilio(room), "Ada", ())
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) == 2)
        world.set_reconnecting(site.room_at_twilio(room), ada, True)
        await room_lists(site)
        assert len(repaired(account)) == 2


async def test_i9_reconciled_end_is_final_and_its_late_callback_is_logged_too(
    site: Site,
) -> None:
    account = await replica(site)
    room = site.make_at_twilio("daily")
    async with reconciling(account):
        await wait_until(lambda: repaired(account) == ["room-created"])
        site.end_at_twilio(room)
        await wait_until(lambda: repaired(account) == ["room-created", "room-ended"])
        end = await RoomIndex(site.connections, ACCOUNT).ends([room])
        late = event(RoomEventType.ROOM_ENDED, room, room_status=RoomStatus.FAILED)
        await site.append(late)
        await room_lists(site)
    assert [logged_event.source for logged_event in logged(account)] == [
        RoomEventSource.RECONCILED
    ] * 2 + [RoomEventSource.CALLBACK]
    assert await RoomIndex(site.connections, ACCOUNT).ends([room]) == end
    seen = await account.rooms.room(ADMIN, RoomRef(room, None))
    assert seen is not None
    assert seen.value.status is RoomStatus.COMPLETED


async def test_room_completed_by_us_is_logged_as_ended_when_its_callback_is_lost(
    site: Site,
) -> None:
    account = await replica(site)
    async with reconciling(account):
        room = await site.create(account)
        await account.rooms.complete(ADMIN, RoomRef(room.sid, None))
        await wait_until(lambda: "room-ended" in repaired(account))


async def test_events_known_from_callbacks_are_not_logged_again(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    ada = world.join(site.room_at_twilio(room), "Ada", (TrackSettings(TrackKind.AUDIO),))
    participant = {"participant_sid": ada.sid, "participant_identity": "Ada"}
    await site.append(
        event(RoomEventType.ROOM_CREATED, room),
        event(RoomEventType.PARTICIPANT_CONNECTED, room, **participant),
        event(RoomEventType.TRACK_ADDED, room, **participant, track_sid=ada.tracks[0].sid),
    )
    async with reconciling(account):
        await room_lists(site)
        await wait_until(lambda: any(call.endswith("/PublishedTracks") for call in site.gate.calls))
        await room_lists(site)
    assert repaired(account) == []


async def test_room_of_this_gateway_is_not_created_again(site: Site) -> None:
    """Its callbacks are lost. The log has its creation from the response."""
    account = await replica(site)
    room = await site.create(account, "daily")
    site.join(room.sid, "Ada")
    async with reconciling(account):
        await wait_until(lambda: "participant-connected" in repaired(account))
        await room_lists(site)
    assert "room-created" not in repaired(account)


async def test_room_known_from_callbacks_is_checked(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    async with reconciling(account):
        await wait_until(lambda: account.reconciler.is_leader)
        await room_lists(site, 1)
        room = site.make_at_twilio()
        await site.append(event(RoomEventType.ROOM_CREATED, room))
        world.join(site.room_at_twilio(room), "Ada", ())
        await wait_until(lambda: "participant-connected" in repaired(account))


@pytest.mark.parametrize(
    "created",
    [{"sequence_number": 0}, {"source": RoomEventSource.MUTATION}],
    ids=["callback", "own create"],
)
async def test_room_with_missing_sequence_numbers_is_checked_first(
    site: Site, created: dict[str, Any]
) -> None:
    account = await replica(site, replace(TIMINGS, max_in_flight=1))
    rooms = [site.make_at_twilio() for _ in range(8)]
    await site.append(*(event(RoomEventType.ROOM_CREATED, room, **created) for room in rooms))
    await site.append(event(room_sid=rooms[5], sequence_number=2, participant_sid=f"PA{5:032x}"))
    async with reconciling(account):
        await room_lists(site)
    calls = [call for call in site.gate.calls if call.endswith("/Participants")]
    assert calls[0] == f"GET /v1/Rooms/{rooms[5]}/Participants"


async def test_new_missing_sequence_numbers_are_checked_before_the_next_round(
    site: Site,
) -> None:
    rare = replace(INTERVALS, participants_s=NEVER_S, tracks_s=NEVER_S)
    account, world = await replica(site, replace(TIMINGS, checks=rare)), site.sandbox.world
    room = site.make_at_twilio()
    async with reconciling(account):
        await wait_until(lambda: any(call.endswith("/Participants") for call in site.gate.calls))
        await room_lists(site)
        ada = world.join(site.room_at_twilio(room), "Ada", (TrackSettings(TrackKind.AUDIO),))
        world.leave(site.room_at_twilio(room), ada)
        world.join(site.room_at_twilio(room), "Grace", (TrackSettings(TrackKind.AUDIO),))
        await room_lists(site)
        assert repaired(account) == ["room-created"]
        await site.append(
            event(RoomEventType.TRACK_ADDED, room, sequence_number=0, participant_sid=f"PA{7:032x}")
        )
        await site.append(
            event(RoomEventType.TRACK_ADDED, room, sequence_number=6, participant_sid=f"PA{7:032x}")
        )
        await wait_until(lambda: "track-added" in repaired(account))
        await wait_until(lambda: "participant-disconnected" in repaired(account))
    # This includes the participant that joined and left without a callback.
    assert repaired(account).count("participant-connected") == 2


async def test_room_in_the_recheck_queue_is_checked(site: Site) -> None:
    rare = CheckIntervals(NEVER_S, NEVER_S, NEVER_S, rest_lag=timedelta(0))
    account = await replica(site, replace(TIMINGS, idle_s=0.05, checks=rare))
    async with reconciling(account):
        await wait_until(lambda: "GET /v1/Rooms" in site.gate.calls)
        room = site.make_at_twilio()
        await RecheckQueue(site.connections, ACCOUNT).add(room)
        await wait_until(lambda: repaired(account) == ["room-created"])


async def test_room_that_began_and_ended_without_events_is_not_logged_and_forgotten(
    site: Site,
) -> None:
    account = await replica(site, replace(TIMINGS, idle_s=0.05))
    room = site.make_at_twilio()
    site.end_at_twilio(room)
    async with reconciling(account):
        await RecheckQueue(site.connections, ACCOUNT).add(room)
        await wait_until(lambda: f"GET /v1/Rooms/{room}" in site.gate.calls)
        await room_lists(site, 1)
        calls = [call for call in site.gate.calls if room in call]
        await room_lists(site)
    assert repaired(account) == []
    assert [call for call in site.gate.calls if room in call] == calls


async def test_room_unknown_to_twilio_is_requested_once(site: Site) -> None:
    account = await replica(site)
    async with reconciling(account):
        await site.append(event(RoomEventType.ROOM_CREATED, sid(7)))
        await wait_until(lambda: f"GET /v1/Rooms/{sid(7)}" in site.gate.calls)
        await room_lists(site)
    assert site.gate.calls.count(f"GET /v1/Rooms/{sid(7)}") == 1


async def test_list_of_several_pages_is_read_to_its_end(site: Site) -> None:
    account = await replica(site, replace(TIMINGS, list_page_size=2))
    rooms = {site.make_at_twilio() for _ in range(5)}
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) == 5)
        await room_lists(site, 6)
    assert {event.room_sid for event in logged(account)} == rooms
    assert repaired(account) == ["room-created"] * 5, "a page is not the whole list"


async def test_reconciled_events_do_not_make_a_room_watched(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    world.join(site.room_at_twilio(room), "Ada", ())
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) == 2)
    ref = RoomRef(room, None)
    people = await account.participants.page(ADMIN, ref, ParticipantFilter(), 10, None)
    assert people.freshness.source is FreshnessSource.POLLED


async def test_p7_reconciler_uses_at_most_a_fifth_of_the_read_quota(site: Site) -> None:
    account = await replica(site, gateway_read_quota=80)
    for _ in range(30):
        site.make_at_twilio()
    site.sandbox.call_log.clear()
    async with reconciling(account):
        await wait_until(lambda: len(site.sandbox.call_log.calls()) >= 33)
    # One to begin with, and 16 a second after that.
    assert 12 <= site.sandbox.call_log.peak()["read"] <= 17


def person(site: Site, room: RoomSid) -> Participant:
    return next(iter(site.room_at_twilio(room).connected()))


async def test_room_that_ended_is_not_requested_again(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    world.join(site.room_at_twilio(room), "Ada", (TrackSettings(TrackKind.AUDIO),))
    async with reconciling(account):
        await wait_until(lambda: len(repaired(account)) == 3)
        site.end_at_twilio(room)
        await wait_until(lambda: len(repaired(account)) == 5)
        await room_lists(site)
        calls = [call for call in site.gate.calls if room in call]
        await room_lists(site)
    assert [call for call in site.gate.calls if room in call] == calls


async def test_room_list_is_requested_again_after_a_404(site: Site) -> None:
    account = await replica(site)
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET", path="/v1/Rooms$")))
    async with reconciling(account):
        await room_lists(site)
        site.calm()
        site.make_at_twilio()
        await wait_until(lambda: repaired(account) == ["room-created"])


async def present(account: Account, room: RoomSid) -> list[str] | None:
    """The identities of the participants in the room, as the log has them."""
    found = await account.presence.of_room(ADMIN, RoomRef(room, None))
    if found is None:
        return None
    return sorted(stay.participant.identity or "" for stay in found.participants)


async def test_who_is_in_a_room_made_elsewhere_is_known_from_a_snapshot(site: Site) -> None:
    account = await replica(site)
    room = site.make_at_twilio()
    site.join(room, "Ada", "audio")
    assert await present(account, room) is None
    async with reconciling(account):
        await wait_until_async(lambda: is_present(account, room, "Ada"))
        site.join(room, "Bob")
        await wait_until_async(lambda: is_present(account, room, "Ada", "Bob"))
        site.leave(room, "Ada")
        await wait_until_async(lambda: is_present(account, room, "Bob"))
        other = await replica(site)
        assert await present(other, room) == ["Bob"]
        site.end_at_twilio(room)
        await wait_until_async(lambda: is_present(account, room))


async def test_who_is_in_a_room_whose_callback_was_lost_is_known_again(site: Site) -> None:
    account = await replica(site)
    room = site.make_at_twilio()
    ada = site.join(room, "Ada", "audio")
    await site.append(
        event(RoomEventType.ROOM_CREATED, room, sequence_number=0),
        event(
            RoomEventType.PARTICIPANT_CONNECTED,
            room,
            participant_sid=ada.sid,
            participant_identity="Ada",
            sequence_number=2,
        ),
    )
    assert await present(account, room) is None
    async with reconciling(account):
        await wait_until_async(lambda: is_present(account, room, "Ada"))


async def is_present(account: Account, room: RoomSid, *identities: str) -> bool:
    return await present(account, room) == list(identities)
