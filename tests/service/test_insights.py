from dataclasses import replace

import pytest

from gateway.core.caching import UNFINISHED_SUMMARY_LIFETIME, FreshnessSource
from gateway.core.callers import Scope
from gateway.core.errors import InvalidArgument, NotFound, PermissionDenied
from gateway.core.events import RoomEventType
from gateway.core.insights import InsightsProcessingState, InsightsRoomFilter
from gateway.core.rooms import RoomSid
from gateway.core.sids import ParticipantSid
from gateway.sandbox.rest.insights import PROCESSING_S
from tests.service.conftest import ADMIN, Site, event, restricted, shift_clock, sid

ALL = InsightsRoomFilter()
MISSING = ParticipantSid("PA" + "0" * 32)


def past(
    site: Site, name: str | None = None, *identities: str
) -> tuple[RoomSid, list[ParticipantSid]]:
    """Creates a room that has ended. Returns it with its participants."""
    room = site.make_at_twilio(name)
    people = [ParticipantSid(site.join(room, identity).sid) for identity in identities]
    site.end_at_twilio(room)
    return room, people


async def test_a_room_has_a_summary_once_it_has_ended(site: Site) -> None:
    account, live = await site.replica(), site.make_at_twilio()
    room, _ = past(site, "daily", "ada", "bela")
    page = (await account.insights.rooms(ADMIN, ALL, 10, None)).value
    assert [(item.room_sid, item.room_name) for _, item in page.items] == [(room, "daily")]
    result = await account.insights.room(ADMIN, room)
    assert result is not None
    assert (result.value.room_sid, result.value.unique_participants) == (room, 2)
    assert await account.insights.room(ADMIN, live) is None


async def test_summaries_of_participants_are_read_in_pages_and_one_by_one(site: Site) -> None:
    account = await site.replica()
    room, people = past(site, None, "ada", "bela", "carmen")
    page = (await account.insights.participants(ADMIN, room, 2, None)).value
    rest = (await account.insights.participants(ADMIN, room, 2, page.end_cursor)).value
    assert {item.participant_sid for _, item in page.items + rest.items} == set(people)
    result = await account.insights.participant(ADMIN, room, people[0])
    assert result is not None
    assert (result.value.participant_sid, result.value.participant_identity) == (people[0], "ada")
    other, _ = past(site, None, "ada")
    with pytest.raises(InvalidArgument):
        await account.insights.participants(ADMIN, other, 2, page.end_cursor)
    with pytest.raises(InvalidArgument):
        await account.insights.rooms(ADMIN, ALL, 2, page.end_cursor)


async def test_only_an_incomplete_summary_is_fetched_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    room, _ = past(site)

    async def state() -> InsightsProcessingState | None:
        result = await account.insights.room(ADMIN, room)
        assert result is not None
        assert not result.freshness.is_stale
        return result.value.processing_state

    assert await state() is InsightsProcessingState.IN_PROGRESS
    site.sandbox.clock.advance(PROCESSING_S)
    assert await state() is InsightsProcessingState.IN_PROGRESS
    shift_clock(monkeypatch, UNFINISHED_SUMMARY_LIFETIME.fresh_until_s)
    assert await state() is InsightsProcessingState.COMPLETE
    shift_clock(monkeypatch, 12 * 3600)
    assert await state() is InsightsProcessingState.COMPLETE
    assert len(site.gate.calls) == 2


async def test_no_event_makes_a_summary_outdated(site: Site) -> None:
    account = await site.replica()
    room, _ = past(site)
    await account.insights.room(ADMIN, room)
    await site.append(
        event(RoomEventType.ROOM_ENDED, room), event(RoomEventType.RECORDING_COMPLETED, room)
    )
    result = await account.insights.room(ADMIN, room)
    assert result is not None
    assert result.freshness.source is FreshnessSource.POLLED
    assert len(site.gate.calls) == 1


async def test_i12_a_caller_with_grants_sees_the_summaries_of_these_rooms_only(site: Site) -> None:
    account = await site.replica()
    (room, [ada]), (own, [bela]) = past(site, "daily", "ada"), past(site, "weekly", "bela")
    service = account.insights
    # Cached already.
    await service.participants(ADMIN, room, 10, None)
    await service.participant(ADMIN, room, ada)
    for caller in (restricted("weekly"), restricted(own)):
        page = (await service.rooms(caller, ALL, 10, None)).value
        assert [item.room_sid for _, item in page.items] == [own]
        for hidden in (room, sid(99)):
            assert await service.room(caller, hidden) is None
            assert await service.participant(caller, hidden, ada) is None
            with pytest.raises(NotFound):
                await service.participants(caller, hidden, 10, None)
        # Not through a room with a grant either.
        assert await service.participant(caller, own, ada) is None
        assert await service.participant(caller, own, bela) is not None
        assert len((await service.participants(caller, own, 10, None)).value.items) == 1


async def test_a_page_without_a_visible_room_can_be_continued(site: Site) -> None:
    account = await site.replica()
    own, _ = past(site, "weekly")
    past(site, "daily")
    first = (await account.insights.rooms(restricted("weekly"), ALL, 1, None)).value
    assert (first.items, first.has_next_page) == ((), True)
    second = (await account.insights.rooms(restricted("weekly"), ALL, 1, first.end_cursor)).value
    assert [item.room_sid for _, item in second.items] == [own]


async def test_a_room_without_a_summary_is_not_found(site: Site) -> None:
    account = await site.replica()
    room, _ = past(site)
    assert await account.insights.room(ADMIN, sid(99)) is None
    assert await account.insights.participant(ADMIN, room, MISSING) is None
    with pytest.raises(NotFound):
        await account.insights.participants(ADMIN, sid(99), 10, None)
    with pytest.raises(InvalidArgument):
        await account.insights.room(ADMIN, RoomSid("daily"))


async def test_reads_need_the_scope(site: Site) -> None:
    account = await site.replica()
    writer, service = replace(ADMIN, scopes=frozenset({Scope.ROOMS_WRITE})), account.insights
    for call in (
        service.rooms(writer, ALL, 10, None),
        service.room(writer, sid(1)),
        service.participants(writer, sid(1), 10, None),
        service.participant(writer, sid(1), MISSING),
    ):
        with pytest.raises(PermissionDenied):
            await call
    assert site.gate.calls == []
