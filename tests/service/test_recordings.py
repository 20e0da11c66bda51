from dataclasses import replace
from typing import Any

import pytest

from gateway.core.callers import Scope
from gateway.core.errors import GatewayError, InvalidArgument, NotFound, PermissionDenied
from gateway.core.events import RoomChangeKind, RoomEventType
from gateway.core.recordings import (
    NewRecordingRules,
    RecordedKind,
    RecordingFilter,
    RecordingRule,
    RecordingStatus,
    RoomRecordingFilter,
)
from gateway.core.rooms import RoomSid
from gateway.core.rules import RuleType, TrackKind, TrackRuleEffect
from gateway.core.sids import RecordingSid
from gateway.sandbox.faults.injector import Fault
from gateway.sandbox.world.recordings import PROCESSING_S
from gateway.service.accounts import Account
from gateway.store.eventlog import readable
from tests.service.conftest import ADMIN, Site, event, ref, restricted, sid

ALL, ALL_OF_ACCOUNT = RoomRecordingFilter(), RecordingFilter()
COMPLETED, DELETED, PROCESSING = (
    RecordingStatus.COMPLETED,
    RecordingStatus.DELETED,
    RecordingStatus.PROCESSING,
)
READER = replace(ADMIN, scopes=frozenset({Scope.ROOMS_READ}))
NOTHING = RecordingSid("RT" + "0" * 32)
VIDEO_ONLY = NewRecordingRules((RecordingRule(type=RuleType.INCLUDE, kind=RecordedKind.VIDEO),))


def recorded(
    site: Site, name: str | None = None, *tracks: str
) -> tuple[RoomSid, list[RecordingSid]]:
    """Creates a room with completed recordings of one participant. Returns both, the
    recording of the first track first."""
    room = site.make_at_twilio(name)
    site.record(room)
    site.join(room, "ada", *(tracks or ("audio",)))
    site.leave(room, "ada")
    site.sandbox.clock.advance(PROCESSING_S)
    return room, site.recordings(room)


async def statuses(
    account: Account, room: RoomSid, recording: RecordingSid
) -> list[RecordingStatus]:
    """Returns the status by each way to read it: in both lists, and by SID with and
    without the room."""
    service = account.recordings
    pages = (
        await service.room_page(ADMIN, ref(room), ALL, 50, None),
        await service.page(ADMIN, ALL_OF_ACCOUNT, 50, None),
    )
    listed = [item for page in pages for _, item in page.value.items if item.sid == recording]
    single = (
        await service.room_recording(ADMIN, ref(room), recording),
        await service.recording(ADMIN, recording),
    )
    return [item.status for item in listed] + [
        result.value.status for result in single if result is not None
    ]


async def caught_up(site: Site) -> None:
    await site.wait_until_read((await site.log.open()).position.n)


async def test_recordings_are_listed_by_room_and_by_account(site: Site) -> None:
    account = await site.replica()
    (room, own), (_, others) = recorded(site, None, "audio", "video"), recorded(site)
    page = (await account.recordings.room_page(ADMIN, ref(room), ALL, 1, None)).value
    rest = (await account.recordings.room_page(ADMIN, ref(room), ALL, 5, page.end_cursor)).value
    assert {item.sid for _, item in page.items + rest.items} == set(own)
    everything = (await account.recordings.page(ADMIN, ALL_OF_ACCOUNT, 50, None)).value
    assert {item.sid for _, item in everything.items} == {*own, *others}
    assert {item.room_sid for _, item in everything.items if item.sid in own} == {room}
    audio = (
        await account.recordings.page(ADMIN, RecordingFilter(media_type=TrackKind.AUDIO), 50, None)
    ).value
    grouped = (
        await account.recordings.page(ADMIN, RecordingFilter(grouping_sids=(room,)), 50, None)
    ).value
    assert {item.sid for _, item in audio.items} == {own[0], *others}
    assert {item.sid for _, item in grouped.items} == set(own)
    with pytest.raises(InvalidArgument):
        await account.recordings.page(ADMIN, ALL_OF_ACCOUNT, 5, page.end_cursor)


async def test_a_recording_is_found_by_sid_with_and_without_its_room(site: Site) -> None:
    account = await site.replica()
    room, [recording] = recorded(site)
    assert await statuses(account, room, recording) == [COMPLETED] * 4
    assert await account.recordings.recording(ADMIN, NOTHING) is None
    assert await account.recordings.room_recording(ADMIN, ref(room), NOTHING) is None


@pytest.mark.parametrize("by", ["room", "account"])
async def test_i11_a_deleted_recording_is_deleted_in_every_read_on_every_replica(
    site: Site, by: str
) -> None:
    here, there = await site.replica(), await site.replica()
    room, [recording] = recorded(site)
    for account in (here, there):
        assert await statuses(account, room, recording) == [COMPLETED] * 4
    if by == "room":
        await here.recordings.delete_room_recording(ADMIN, ref(room), recording)
    else:
        await here.recordings.delete(ADMIN, recording)
    for account in (here, there):
        assert await statuses(account, room, recording) == [DELETED] * 4
        assert await account.recordings.media(ADMIN, recording) is None
        await caught_up(site)
    [logged] = readable(await site.log.read_last(10))
    assert (logged.event.change, logged.event.room_sid, logged.event.recording_sid) == (
        RoomChangeKind.RECORDING,
        room,
        recording,
    )


async def test_a_callback_makes_its_recording_outdated_for_every_way_to_read_it(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.record(room)
    site.join(room, "ada", "audio")
    [recording] = site.recordings(room)
    assert await statuses(account, room, recording) == [PROCESSING] * 4
    site.leave(room, "ada")
    site.sandbox.clock.advance(PROCESSING_S)
    await site.append(event(RoomEventType.RECORDING_COMPLETED, room, recording_sid=recording))
    # The account's list is as old as the cache allows. Otherwise each callback of a
    # busy account would cost a read.
    assert await statuses(account, room, recording) == [COMPLETED, PROCESSING, COMPLETED, COMPLETED]


async def test_a_deletion_leaves_other_recordings_cached(site: Site) -> None:
    account = await site.replica()
    (room, [other_recording]), (other, [deleted]) = recorded(site), recorded(site)
    await account.recordings.recording(ADMIN, other_recording)
    await account.recordings.room_page(ADMIN, ref(room), ALL, 50, None)
    await account.recordings.delete_room_recording(ADMIN, ref(other), deleted)
    site.gate.calls.clear()
    await account.recordings.recording(ADMIN, other_recording)
    await account.recordings.room_page(ADMIN, ref(room), ALL, 50, None)
    assert site.gate.calls == []


async def test_a_missing_recording_cannot_be_deleted(site: Site) -> None:
    account = await site.replica()
    (room, _), (_, [foreign]) = recorded(site), recorded(site)
    for call in (
        account.recordings.delete(ADMIN, NOTHING),
        account.recordings.delete_room_recording(ADMIN, ref(room), NOTHING),
        account.recordings.delete_room_recording(ADMIN, ref(room), foreign),
    ):
        with pytest.raises(NotFound):
            await call
    assert await account.recordings.room_recording(ADMIN, ref(room), foreign) is None
    assert await site.log.read_last(10) == []


async def test_a_media_link_is_fetched_each_time_and_not_cached(site: Site) -> None:
    account = await site.replica()
    _, [recording] = recorded(site)
    for _ in range(2):
        link = await account.recordings.media(ADMIN, recording)
        assert link is not None
        assert link.url.endswith(f"/media/{recording}.mka")
    assert [call for call in site.gate.calls if call.endswith("Media")] == [
        f"GET /v1/Recordings/{recording}/Media"
    ] * 2
    for key in await site.connections.commands.keys("*:cache:answer:*"):
        stored: Any = await site.connections.commands.get(key)
        assert b"/media/" not in stored
    assert await account.recordings.media(ADMIN, NOTHING) is None


async def test_i11_new_recording_rules_are_read_on_every_replica(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    for account in (here, there):
        await account.recordings.rules(ADMIN, ref(room))
    answer = await here.recordings.update_rules(ADMIN, ref(room), VIDEO_ONLY)
    for account in (here, there):
        rules = (await account.recordings.rules(ADMIN, ref(room))).value.rules
        assert rules == answer.rules
        assert [(rule.type, rule.kind) for rule in rules] == [
            (TrackRuleEffect.INCLUDE, TrackKind.VIDEO)
        ]
        await caught_up(site)


async def outcome(call: object) -> object:
    try:
        return await call  # type: ignore[misc]
    except GatewayError as exc:
        return type(exc), exc.message


async def test_i12_a_caller_with_grants_learns_nothing_of_recordings_of_other_rooms(
    site: Site,
) -> None:
    account = await site.replica()
    (room, [recording]), (theirs, [own]) = recorded(site, "daily"), recorded(site, "weekly")
    assert await statuses(account, room, recording) == [COMPLETED] * 4
    service = account.recordings
    for caller in (restricted("weekly"), restricted(theirs)):
        # The same answer for a recording of another room and for a missing one.
        for read in (service.recording, service.media, service.delete):
            assert await outcome(read(caller, recording)) == await outcome(read(caller, NOTHING))
        for target, recording_sid in ((room, recording), (sid(99), NOTHING)):
            for call in (
                service.room_page(caller, ref(target), ALL, 10, None),
                service.room_recording(caller, ref(target), recording_sid),
                service.delete_room_recording(caller, ref(target), recording_sid),
                service.rules(caller, ref(target)),
                service.update_rules(caller, ref(target), VIDEO_ONLY),
            ):
                with pytest.raises(NotFound):
                    await call
        # Not through a room with a grant either.
        assert await service.room_recording(caller, ref(theirs), recording) is None
        with pytest.raises(PermissionDenied):
            await service.page(caller, ALL_OF_ACCOUNT, 10, None)
        result = await service.recording(caller, own)
        assert result is not None
        assert result.value.sid == own
    assert await statuses(account, room, recording) == [COMPLETED] * 4
    await service.delete(restricted("weekly"), own)
    assert await statuses(account, theirs, own) == [DELETED] * 4


async def test_reads_and_changes_need_their_scopes(site: Site) -> None:
    account = await site.replica()
    room, [recording] = recorded(site)
    writer, service = replace(ADMIN, scopes=frozenset({Scope.ROOMS_WRITE})), account.recordings
    for call in (
        service.room_page(writer, ref(room), ALL, 10, None),
        service.room_recording(writer, ref(room), recording),
        service.page(writer, ALL_OF_ACCOUNT, 10, None),
        service.recording(writer, recording),
        service.media(writer, recording),
        service.rules(writer, ref(room)),
        service.delete_room_recording(READER, ref(room), recording),
        service.delete(READER, recording),
        service.update_rules(READER, ref(room), VIDEO_ONLY),
    ):
        with pytest.raises(PermissionDenied):
            await call
    assert site.gate.calls == []


async def test_a_deletion_of_unknown_outcome_makes_the_recording_outdated(site: Site) -> None:
    account = await site.replica()
    room, [recording] = recorded(site)
    assert await statuses(account, room, recording) == [COMPLETED] * 4
    site.sandbox.faults.add(Fault(hang_up="after"))
    with pytest.raises(GatewayError):
        await account.recordings.delete_room_recording(ADMIN, ref(room), recording)
    site.calm()
    assert await statuses(account, room, recording) == [DELETED] * 4
