import pytest

from gateway.core.caching import FreshnessSource
from gateway.core.events import EventSource, RoomEventType
from gateway.core.participants import ParticipantFilter
from gateway.core.rooms import RoomRef, RoomSid, RoomStatus
from gateway.core.sids import TrackSid
from gateway.sandbox.world.model import Participant, TrackKind, TrackSettings
from gateway.service.reconcile import term as repair
from gateway.store.cache import RoomCache
from gateway.store.recheck_queue import RecheckQueue
from tests.service.conftest import ACCOUNT, ANYBODY, Site, event, sid, until
from tests.service.reconciling import found, in_a_hurry, logged, reconciling, replica, rounds

__all__ = ["in_a_hurry"]  # a fixture

pytestmark = pytest.mark.usefixtures("in_a_hurry")


async def test_a_room_that_was_never_heard_of_is_told_with_all_that_is_in_it_once(
    site: Site,
) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio("elsewhere")
    world.join(
        world.find_room(room),
        "Ada",
        (TrackSettings(TrackKind.AUDIO), TrackSettings(TrackKind.VIDEO)),
    )
    async with reconciling(account):
        await until(lambda: len(found(account)) >= 4)
        await rounds(site)
    assert found(account) == ["room-created", "participant-connected", "track-added", "track-added"]
    created, joined, added, _ = logged(account)
    assert (created.room_sid, created.room_name, created.room_status) == (
        room,
        "elsewhere",
        RoomStatus.IN_PROGRESS,
    )
    assert (joined.participant_identity, joined.participant_status) == ("Ada", "connected")
    assert (added.participant_sid, added.participant_identity) == (joined.participant_sid, "Ada")


async def test_what_changes_at_twilio_unheard_is_told(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    ada = world.join(
        world.find_room(room),
        "Ada",
        (TrackSettings(TrackKind.AUDIO), TrackSettings(TrackKind.VIDEO)),
    )
    async with reconciling(account):
        await until(lambda: len(found(account)) == 4)
        world.set_track_enabled(world.find_room(room), ada, ada.tracks[0], False)
        await until(lambda: found(account)[4:] == ["track-disabled"])
        ada = person(site, room)
        world.unpublish(world.find_room(room), ada, ada.tracks[1])
        await until(lambda: found(account)[5:] == ["track-removed"])
        world.leave(world.find_room(room), person(site, room))
        await until(lambda: found(account)[6:] == ["participant-disconnected"])
        site.end_at_twilio(room)
        await until(lambda: found(account)[7:] == ["room-ended"])
        await rounds(site)
    assert len(found(account)) == 8
    left, ended = logged(account)[6:]
    assert (left.participant_sid, left.participant_status) == (ada.sid, "disconnected")
    assert left.participant_duration is not None
    assert (ended.room_status, ended.late) == (RoomStatus.COMPLETED, False)


async def test_who_was_in_a_room_when_it_ended_has_left_it(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    world.join(world.find_room(room), "Ada", ())
    async with reconciling(account):
        await until(lambda: len(found(account)) == 2)
        site.end_at_twilio(room)
        await until(lambda: len(found(account)) == 4)
        await rounds(site)
    assert sorted(found(account)[2:]) == ["participant-disconnected", "room-ended"]


async def test_rooms_that_twilio_ends_for_their_age_are_told(site: Site) -> None:
    account = await replica(site)
    rooms = {site.make_at_twilio() for _ in range(3)}
    async with reconciling(account):
        await until(lambda: len(found(account)) == 3)
        site.sandbox.clock.advance(5 * 60)
        await until(lambda: len(found(account)) == 6)
    assert {each.room_sid for each in logged(account)[3:]} == rooms
    assert found(account)[3:] == ["room-ended"] * 3


async def test_who_only_lost_the_connection_has_not_left(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    ada = world.join(world.find_room(room), "Ada", ())
    async with reconciling(account):
        await until(lambda: len(found(account)) == 2)
        world.set_reconnecting(world.find_room(room), ada, True)
        await rounds(site)
        assert len(found(account)) == 2


async def test_i9_a_reconciled_end_is_an_end_and_the_callback_that_comes_later_is_logged_beside_it(
    site: Site,
) -> None:
    account = await replica(site)
    room = site.make_at_twilio("daily")
    async with reconciling(account):
        await until(lambda: found(account) == ["room-created"])
        site.end_at_twilio(room)
        await until(lambda: found(account) == ["room-created", "room-ended"])
        end = await RoomCache(site.connections, ACCOUNT).ends([room])
        late = event(RoomEventType.ROOM_ENDED, room, room_status=RoomStatus.FAILED)
        await site.tell(late)
        await rounds(site)
    assert [each.source for each in logged(account)] == [EventSource.RECONCILED] * 2 + [
        EventSource.CALLBACK
    ]
    assert await RoomCache(site.connections, ACCOUNT).ends([room]) == end
    seen = await account.rooms.room(ANYBODY, RoomRef(room, None))
    assert seen is not None
    assert seen.value.status is RoomStatus.COMPLETED


async def test_our_own_end_of_a_room_is_told_as_room_ended_when_its_callback_is_lost(
    site: Site,
) -> None:
    account = await replica(site)
    async with reconciling(account):
        room = await site.create(account)
        await account.rooms.complete(ANYBODY, RoomRef(room.sid, None))
        await until(lambda: "room-ended" in found(account))


async def test_what_callbacks_told_is_not_told_again(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    ada = world.join(world.find_room(room), "Ada", (TrackSettings(TrackKind.AUDIO),))
    who = {"participant_sid": ada.sid, "participant_identity": "Ada"}
    await site.tell(
        event(RoomEventType.ROOM_CREATED, room),
        event(RoomEventType.PARTICIPANT_CONNECTED, room, **who),
        event(RoomEventType.TRACK_ADDED, room, **who, track_sid=ada.tracks[0].sid),
    )
    async with reconciling(account):
        await rounds(site)
        await until(lambda: any(call.endswith("/PublishedTracks") for call in site.gate.calls))
        await rounds(site)
    assert found(account) == []


async def test_a_room_that_callbacks_told_of_has_its_rounds_too(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    async with reconciling(account):
        await until(lambda: account.reconciler.is_leader)
        await rounds(site, 1)
        room = site.make_at_twilio()
        await site.tell(event(RoomEventType.ROOM_CREATED, room))
        world.join(world.find_room(room), "Ada", ())
        await until(lambda: "participant-connected" in found(account))


async def test_a_room_with_a_hole_in_its_numbers_comes_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "SLOTS", 1)
    account = await replica(site)
    rooms = [site.make_at_twilio() for _ in range(8)]
    await site.tell(*(event(RoomEventType.ROOM_CREATED, room, sequence_number=0) for room in rooms))
    await site.tell(event(room_sid=rooms[5], sequence_number=2, participant_sid=f"PA{5:032x}"))
    async with reconciling(account):
        await rounds(site)
    asked = [call for call in site.gate.calls if call.endswith("/Participants")]
    assert asked[0] == f"GET /v1/Rooms/{rooms[5]}/Participants"


async def test_a_hole_that_opens_is_looked_into_before_the_next_round(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROUND_S", "TRACKS_S"):
        monkeypatch.setattr(repair, name, 3_600)
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    async with reconciling(account):
        await until(lambda: any(call.endswith("/Participants") for call in site.gate.calls))
        await rounds(site)
        ada = world.join(world.find_room(room), "Ada", (TrackSettings(TrackKind.AUDIO),))
        world.leave(world.find_room(room), ada)
        world.join(world.find_room(room), "Grace", (TrackSettings(TrackKind.AUDIO),))
        await rounds(site)
        assert found(account) == ["room-created"]
        await site.tell(
            event(RoomEventType.TRACK_ADDED, room, sequence_number=0, participant_sid=f"PA{7:032x}")
        )
        await site.tell(
            event(RoomEventType.TRACK_ADDED, room, sequence_number=6, participant_sid=f"PA{7:032x}")
        )
        await until(lambda: "track-added" in found(account))
        await until(lambda: "participant-disconnected" in found(account))
    # Also the stay of somebody who came and went unheard.
    assert found(account).count("participant-connected") == 2


async def test_a_room_that_another_replica_suspects_is_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "IDLE_S", 0.05)
    for name in ("ROUND_S", "TRACKS_S", "LIST_S"):
        monkeypatch.setattr(repair, name, 3_600)
    account = await replica(site)
    async with reconciling(account):
        await until(lambda: "GET /v1/Rooms" in site.gate.calls)
        room = site.make_at_twilio()
        await RecheckQueue(site.connections, ACCOUNT).add(room)
        await until(lambda: found(account) == ["room-created"])


async def test_a_room_that_came_and_went_without_the_log_is_not_told_and_soon_forgotten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "IDLE_S", 0.05)
    account = await replica(site)
    room = site.make_at_twilio()
    site.end_at_twilio(room)
    async with reconciling(account):
        await RecheckQueue(site.connections, ACCOUNT).add(room)
        await until(lambda: f"GET /v1/Rooms/{room}" in site.gate.calls)
        await rounds(site, 1)
        asked = [call for call in site.gate.calls if room in call]
        await rounds(site)
    assert found(account) == []
    assert [call for call in site.gate.calls if room in call] == asked


async def test_a_room_that_twilio_does_not_know_is_asked_about_once(site: Site) -> None:
    account = await replica(site)
    async with reconciling(account):
        await site.tell(event(RoomEventType.ROOM_CREATED, sid(7)))
        await until(lambda: f"GET /v1/Rooms/{sid(7)}" in site.gate.calls)
        await rounds(site)
    assert site.gate.calls.count(f"GET /v1/Rooms/{sid(7)}") == 1


async def test_a_list_of_several_pages_is_read_to_its_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "LIST_PAGE", 2)
    account = await replica(site)
    rooms = {site.make_at_twilio() for _ in range(5)}
    async with reconciling(account):
        await until(lambda: len(found(account)) == 5)
        await rounds(site, 6)
    assert {each.room_sid for each in logged(account)} == rooms
    assert found(account) == ["room-created"] * 5, "no page is taken for the whole list"


async def test_a_polled_room_stays_polled_however_much_is_found_in_it(site: Site) -> None:
    account, world = await replica(site), site.sandbox.world
    room = site.make_at_twilio()
    world.join(world.find_room(room), "Ada", ())
    async with reconciling(account):
        await until(lambda: len(found(account)) == 2)
    ref = RoomRef(room, None)
    people = await account.participants.page(ANYBODY, ref, ParticipantFilter(), 10, None)
    assert people.freshness.source is FreshnessSource.POLLED


async def test_p7_it_takes_a_fifth_of_the_read_quota_at_most(site: Site) -> None:
    account = await replica(site, gateway_read_quota=80)
    for _ in range(30):
        site.make_at_twilio()
    site.sandbox.call_log.clear()
    async with reconciling(account):
        await until(lambda: len(site.sandbox.call_log.calls()) >= 33)
    # One to begin with, and 16 a second after that.
    assert 12 <= site.sandbox.call_log.peak()["read"] <= 17


def person(site: Site, room: RoomSid) -> Participant:
    found = site.sandbox.world.find_room(room)
    assert found is not None
    return next(iter(found.connected()))


async def test_a_room_that_is_over_leaves_nothing_to_look_at_behind(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, world, terms = await replica(site), site.sandbox.world, list[repair.LeaderTerm]()
    begin = account.reconciler._term

    def term() -> repair.LeaderTerm:
        terms.append(begin())
        return terms[-1]

    monkeypatch.setattr(account.reconciler, "_term", term)
    room = site.make_at_twilio()
    ada = world.join(world.find_room(room), "Ada", (TrackSettings(TrackKind.AUDIO),))
    async with reconciling(account):
        await until(lambda: len(found(account)) == 3)
        who = {"participant_sid": ada.sid, "participant_identity": "Ada"}
        await site.tell(
            event(RoomEventType.TRACK_ADDED, room, **who, track_sid=TrackSid("MT" + "f" * 32))
        )
        await until(lambda: room in terms[0]._missed)
        site.end_at_twilio(room)
        await until(lambda: room in terms[0]._ended)
        assert room not in {
            *terms[0]._views,
            *terms[0]._missed,
            *terms[0]._holes,
            *terms[0]._suspected,
        }
        await until(lambda: all(look.room != room for look in terms[0]._due_queue._due))
