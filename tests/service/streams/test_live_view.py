import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.caching import ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.cursors import CursorCodec
from gateway.core.errors import InvalidArgument, NotFound, PermissionDenied
from gateway.core.events import Delivered, RoomEvent, RoomEventType, StreamMode, StreamStarted
from gateway.core.participants import ParticipantFilter, ParticipantStatus
from gateway.core.room_state.live import LiveRoom, RoomState
from gateway.core.rooms import RoomSid, RoomStatus
from gateway.core.rules import TrackKind
from gateway.sandbox.faults.injector import Fault, Match
from gateway.sandbox.world import model
from gateway.service.accounts import Account
from gateway.service.streams.live_view import CONCURRENT_TRACK_READS
from gateway.service.streams.timings import StreamTimings
from gateway.store.keys import Keys
from tests.service.conftest import ACCOUNT, ADMIN, Site, event, in_time, ref, sid, take, wait_until
from tests.service.watching import cursor_of, subscription

Views = AsyncGenerator[ReadResult[LiveRoom], None]
CONNECTED, DISCONNECTED = (
    RoomEventType.PARTICIPANT_CONNECTED,
    RoomEventType.PARTICIPANT_DISCONNECTED,
)
ADDED, ENDED = RoomEventType.TRACK_ADDED, RoomEventType.ROOM_ENDED
WATCHER = replace(ADMIN, scopes=frozenset({Scope.ROOMS_READ, Scope.EVENTS_SUBSCRIBE}))
MIC = (model.TrackSettings(model.TrackKind.AUDIO, "mic"),)
CAMERA = (model.TrackSettings(model.TrackKind.VIDEO, "camera"),)


def watch(account: Account, room: str, caller: Caller = WATCHER) -> "aclosing[Views]":
    return aclosing(account.live.watch(caller, ref(room)))


def here(seen: ReadResult[LiveRoom]) -> dict[str | None, list[tuple[str | None, bool | None]]]:
    """The participants in the room, with the names of their tracks and whether they are
    enabled."""
    return {
        stay.participant.identity: [(track.name, not track.muted) for track in stay.tracks]
        for stay in seen.value.present
    }


def at_twilio(site: Site, room: RoomSid) -> model.Room:
    found = site.sandbox.world.find_room(room)
    assert found is not None
    return found


def joins(
    site: Site, room: RoomSid, identity: str, tracks: tuple[model.TrackSettings, ...] = ()
) -> model.Participant:
    return site.sandbox.world.join(at_twilio(site, room), identity, tracks)


def of(
    type_: RoomEventType, who: model.Participant, room: RoomSid, track: model.Track | None = None
) -> RoomEvent:
    return event(
        type_,
        room,
        participant_sid=who.sid,
        participant_identity=who.identity,
        track_sid=track and track.sid,
        track_kind=track and TrackKind(track.kind),
    )


async def test_a_view_starts_with_a_snapshot_and_follows_the_log(
    site: Site,
) -> None:
    account = await site.replica()
    room = site.make_at_twilio("daily")
    ada = joins(site, room, "ada", MIC)
    async with watch(account, "daily") as views:
        first = await in_time(anext(views))
        assert (first.value.room.sid, here(first)) == (room, {"ada": [("mic", True)]})
        asked = len(site.gate.calls)
        bob = joins(site, room, "bob", MIC)
        [came] = await site.append(of(CONNECTED, bob, room))
        second = await in_time(anext(views))
        assert here(second) == {"ada": [("mic", True)], "bob": []}
        assert second.as_of == CursorCodec((site.sandbox.auth_token,), ACCOUNT).log_cursor(
            came.position
        )
        [track] = bob.tracks
        await site.append(
            of(ADDED, bob, room, track), of(RoomEventType.TRACK_DISABLED, ada, room, ada.tracks[0])
        )
        assert here(await in_time(anext(views)))["bob"] == [(None, True)]
        assert here(await in_time(anext(views)))["ada"] == [("mic", False)]
        await site.append(of(DISCONNECTED, ada, room))
        assert here(await in_time(anext(views))) == {"bob": [(None, True)]}
        assert len(site.gate.calls) == asked, "no event costs a call"


async def test_an_event_that_changes_nothing_visible_sends_no_view(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio()
    async with watch(account, room) as views:
        await in_time(anext(views))
        who = joins(site, room, "ada")
        came = of(CONNECTED, who, room)
        await site.append(
            came, event(RoomEventType.RECORDING_STARTED, room), event(room_sid=sid(7))
        )
        assert here(await in_time(anext(views))) == {"ada": []}
        again = replace(came, sequence_number=7, event_time=datetime.now(UTC))
        [_, left] = await site.append(again, of(DISCONNECTED, who, room))
        gone = await in_time(anext(views))
        assert here(gone) == {}
        assert gone.as_of == CursorCodec((site.sandbox.auth_token,), ACCOUNT).log_cursor(
            left.position
        )


async def test_a_stay_that_ended_before_the_view_is_never_shown(site: Site) -> None:
    """The log is read from some seconds before the snapshot, so their events are
    applied again."""
    account = await site.replica()
    room = site.make_at_twilio()
    who = joins(site, room, "ada")
    site.sandbox.world.leave(at_twilio(site, room), who)
    await site.append(of(DISCONNECTED, who, room), of(CONNECTED, who, room))
    async with watch(account, room) as views:
        assert here(await in_time(anext(views))) == {}


async def test_a_participant_that_twilio_does_not_show_yet_is_shown_from_the_log(
    site: Site,
) -> None:
    account = await site.replica()
    room = await site.create(account)
    who = joins(site, room.sid, "ada")
    await site.append(of(CONNECTED, who, room.sid))
    site.sandbox.faults.add(Fault(rest_lag_ms=2_000))
    async with watch(account, room.sid) as views:
        first = await in_time(anext(views))
        assert (first.value.room.status, here(first)) == (RoomStatus.IN_PROGRESS, {"ada": []})


async def test_all_participants_of_a_full_room_are_shown_with_tracks(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio()
    for number in range(2 * CONCURRENT_TRACK_READS + 1):
        joins(site, room, f"person {number}", MIC)
    async with watch(account, room) as views:
        shown = here(await in_time(anext(views)))
    assert shown == {
        f"person {number}": [("mic", True)] for number in range(2 * CONCURRENT_TRACK_READS + 1)
    }


async def test_a_participant_who_leaves_during_the_snapshot_has_no_tracks(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio()
    who = joins(site, room, "ada", MIC)
    site.sandbox.faults.add(
        Fault(
            match=Match(path=f"/v1/Rooms/{room}/Participants/{who.sid}/PublishedTracks"), status=404
        )
    )
    async with watch(account, room) as views:
        assert here(await in_time(anext(views))) == {"ada": []}


async def test_a_view_continues_after_the_end_of_its_room(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio("daily")
    joins(site, room, "ada", MIC)
    async with watch(account, "daily") as views:
        await in_time(anext(views))
        site.end_at_twilio(room)
        await site.append(event(ENDED, room, room_status=RoomStatus.COMPLETED))
        over = await in_time(anext(views))
        assert (over.value.room.status, here(over)) == (RoomStatus.COMPLETED, {})
        assert [stay.participant.identity for stay in over.value.stays] == ["ada"]
        # The name is another room's now; the view stays with its own.
        again = site.make_at_twilio("daily")
        await site.append(of(CONNECTED, joins(site, again, "bob"), again))
        account.tail.close()
        assert [view async for view in views] == []


async def test_a_view_of_an_ended_room_shows_its_participants(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio()
    joins(site, room, "ada", MIC)
    site.end_at_twilio(room)
    async with watch(account, room) as views:
        first = await in_time(anext(views))
    assert first.value.room.status is RoomStatus.COMPLETED
    [stay] = first.value.stays
    assert (stay.participant.identity, stay.participant.status) == (
        "ada",
        ParticipantStatus.DISCONNECTED,
    )


async def test_i4_a_lost_log_is_replaced_by_a_new_snapshot(site: Site) -> None:
    site.stream_timings = StreamTimings(reread_s=0.01)
    account = await site.replica()
    room = site.make_at_twilio()
    async with watch(account, room) as views:
        await in_time(anext(views))
        joins(site, room, "ada", MIC)
        # No callback reports it, and Twilio does not answer at first.
        site.sandbox.faults.add(Fault(status=503))
        asked = len(site.gate.calls)
        await site.connections.commands.flushall()
        waiting = asyncio.get_running_loop().create_task(anext(views))
        await wait_until(lambda: len(site.gate.calls) > asked)
        site.calm()
        renewed = await in_time(waiting)
        assert here(renewed) == {"ada": [("mic", True)]}
        await site.append(of(CONNECTED, joins(site, room, "bob"), room))
        assert here(await in_time(anext(views))) == {"ada": [("mic", True)], "bob": []}


async def test_a_snapshot_older_than_the_log_is_followed_by_the_rest_of_the_log(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio()
    assert await account.rooms.room(ADMIN, ref(room)) is not None
    [came, _] = await site.append(
        of(CONNECTED, joins(site, room, "ada"), room), event(room_sid=sid(7))
    )
    await site.connections.commands.xdel(Keys(ACCOUNT).log, f"{came.position.n}-0")
    later = await site.replica()
    async with watch(later, room) as views:
        assert here(await in_time(anext(views))) == {"ada": []}


async def test_pages_of_a_view_have_opaque_cursors_of_their_own_list(site: Site) -> None:
    account = await site.replica()
    live, room, other = account.live, site.make_at_twilio(), site.make_at_twilio()
    for number in range(3):
        joins(site, room, f"guest {number}", (*MIC, *CAMERA))
    joins(site, other, "guest")
    async with watch(account, room) as views, watch(account, other) as other_views:
        view, other_view = [(await in_time(anext(item))).value for item in (views, other_views)]
    first = live.participants(view, ParticipantFilter(), 2, None)
    rest = live.participants(view, ParticipantFilter(), 2, first.end_cursor)
    assert [stay for _, stay in (*first.items, *rest.items)] == list(view.stays)
    assert (first.has_next_page, rest.has_next_page) == (True, False)
    for cursor, stay in first.items:
        assert stay.participant.sid not in cursor
    [stay, *_] = view.stays
    tracks = live.tracks(stay, 1, None)
    assert [track for _, track in live.tracks(stay, 1, tracks.end_cursor).items] == [stay.tracks[1]]
    site_cursor = cursor_of(site, account.tail.position)
    for other_cursor in (tracks.end_cursor, site_cursor):
        with pytest.raises(InvalidArgument):
            live.participants(view, ParticipantFilter(), 2, other_cursor)
    with pytest.raises(InvalidArgument):
        live.participants(other_view, ParticipantFilter(), 2, first.end_cursor)


async def test_a_stream_resumes_from_the_cursor_of_a_view(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio()
    async with watch(account, room) as views:
        first = await in_time(anext(views))
        await site.append(event(room_sid=room))
    events = account.feed.subscribe(WATCHER, subscription(room, first.as_of))
    async with aclosing(events) as messages:
        [started, appended] = await take(messages, 2)
    assert isinstance(started, StreamStarted)
    assert started.mode is StreamMode.RESUMED
    assert isinstance(appended, Delivered)


async def test_i12_a_view_needs_both_scopes_and_a_grant_for_the_room(
    site: Site,
) -> None:
    account = await site.replica()
    room = site.make_at_twilio("daily")

    async def refusal(caller: Caller, named: str) -> type[Exception]:
        async with watch(account, named, caller) as views:
            with pytest.raises((PermissionDenied, NotFound)) as refused:
                await in_time(anext(views))
            return type(refused.value)

    for scope in WATCHER.scopes:
        assert await refusal(replace(WATCHER, scopes=frozenset({scope})), room) is PermissionDenied
    restricted = replace(WATCHER, grants=frozenset({"x"}))
    for unseen in (room, "daily", "weekly", sid(99)):
        assert await refusal(restricted, unseen) is NotFound
    for missing in ("weekly", sid(99)):
        assert await refusal(WATCHER, missing) is NotFound
    by_name = replace(WATCHER, grants=frozenset({"daily"}))
    async with watch(account, room, by_name) as views:
        assert (await in_time(anext(views))).value.room.sid == room


async def test_an_event_is_applied_once_for_all_views_of_a_room(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = list[RoomEvent]()
    real = RoomState.after

    def after(self: RoomState, *events: RoomEvent) -> RoomState:
        applied.extend(events)
        return real(self, *events)

    monkeypatch.setattr(RoomState, "after", after)
    account = await site.replica()
    room = site.make_at_twilio()
    async with (
        watch(account, room) as first,
        watch(account, room) as second,
        watch(account, room) as third,
    ):
        for views in (first, second, third):
            assert here(await in_time(anext(views))) == {}
        people = [joins(site, room, name) for name in ("ada", "bob")]
        await site.append(*(of(CONNECTED, who, room) for who in people))
        for views in (first, second, third):
            assert here(await in_time(anext(views))) == {"ada": []}
            assert here(await in_time(anext(views))) == {"ada": [], "bob": []}
        assert len(applied) == 2
        # A view that starts later knows fewer of the ended stays.
        await site.append(of(DISCONNECTED, people[0], room))
        site.leave(room, "ada")
        shown = {len((await in_time(anext(views))).value.stays) for views in (first, second, third)}
        assert shown == {2}
    assert not account.live._shared
