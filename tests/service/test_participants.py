from dataclasses import replace
from typing import Literal

import pytest

from gateway.core.callers import Caller, Scope
from gateway.core.errors import (
    GatewayError,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
)
from gateway.core.events import RoomEventType
from gateway.core.outcomes import IdempotencyKeyReused
from gateway.core.participants import (
    NewSubscribeRules,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    SubscribeRule,
    TrackRef,
)
from gateway.core.rooms import RoomSid
from gateway.core.rules import RuleType, TrackKind, TrackRuleEffect
from gateway.core.sids import ParticipantSid, TrackSid
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from tests.service.conftest import ADMIN, Site, event, ref, restricted, sid

ALL = ParticipantFilter()
CONNECTED, DISCONNECTED = ParticipantStatus.CONNECTED, ParticipantStatus.DISCONNECTED
READER = replace(ADMIN, scopes=frozenset({Scope.ROOMS_READ}))
NO_AUDIO = NewSubscribeRules((SubscribeRule(type=RuleType.EXCLUDE, kind=TrackKind.AUDIO),))
participant = ParticipantRef.of
KEY = "7f4b0c1e"


async def identities(
    account: Account, room: str, filters: ParticipantFilter = ALL, caller: Caller = ADMIN
) -> list[str | None]:
    result = await account.participants.page(caller, ref(room), filters, 50, None)
    return [item.identity for _, item in result.value.items]


async def caught_up(site: Site) -> None:
    await site.wait_until_read((await site.log.open()).position.n)


async def test_a_list_contains_connected_participants_or_those_that_match_the_filter(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    for identity in ("ada", "bela"):
        site.join(room, identity)
    site.leave(room, "bela")
    assert await identities(account, "daily") == await identities(account, room) == ["ada"]
    assert await identities(account, room, ParticipantFilter(statuses=(DISCONNECTED,))) == ["bela"]
    assert await identities(account, room, ParticipantFilter(identity="ada")) == ["ada"]


async def test_a_participant_is_found_by_sid_in_any_status_and_by_identity_while_connected(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada, bela = site.join(room, "ada"), site.join(room, "bela")
    site.leave(room, "bela")
    for name, found in (("ada", ada.sid), (ada.sid, ada.sid), (bela.sid, bela.sid)):
        result = await account.participants.participant(ADMIN, ref(room), participant(name))
        assert result is not None
        assert result.value.sid == found
    assert await account.participants.participant(ADMIN, ref(room), participant("bela")) is None


async def test_a_list_filtered_by_identity_and_a_look_up_by_identity_do_not_share_a_value(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada")
    filters = ParticipantFilter(identity="ada")
    for _ in range(2):
        page = (await account.participants.page(ADMIN, ref(room), filters, 20, None)).value
        result = await account.participants.participant(ADMIN, ref(room), participant("ada"))
        assert result is not None
        assert [item.sid for _, item in page.items] == [result.value.sid] == [ada.sid]


async def test_first_pages_of_many_rooms_cost_one_call_for_each_unknown_room(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    rooms = [site.make_at_twilio() for _ in range(4)]
    for room in rooms:
        site.join(room, f"in {room}")
    for room in rooms[:3]:
        await identities(here, room)
    site.gate.calls.clear()
    pages = await there.participants.pages(ADMIN, [*rooms, sid(99)], ALL, 50)
    assert isinstance(pages[4], NotFound)
    for room, page in zip(rooms, pages[:4], strict=True):
        assert not isinstance(page, GatewayError)
        assert [item.identity for _, item in page.value.items] == [f"in {room}"]
    assert len(site.gate.calls) == 2
    for first in (0, 101):
        with pytest.raises(InvalidArgument):
            await there.participants.pages(ADMIN, rooms, ALL, first)


async def test_i11_a_disconnected_participant_is_disconnected_in_every_read(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    ada = site.join(room, "ada")
    for account in (here, there):
        assert await identities(account, room) == ["ada"]
        assert (
            await account.participants.participant(ADMIN, ref(room), participant("ada")) is not None
        )
    gone = await here.participants.disconnect(ADMIN, ref(room), participant("ada"))
    assert (gone.sid, gone.status) == (ada.sid, DISCONNECTED)
    for account in (here, there):
        assert await identities(account, room) == []
        assert await account.participants.participant(ADMIN, ref(room), participant("ada")) is None
        result = await account.participants.participant(ADMIN, ref(room), participant(ada.sid))
        assert result is not None
        assert result.value.status is DISCONNECTED
        await caught_up(site)


async def test_disconnect_by_identity_finds_a_participant_that_has_joined_again(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    assert await account.participants.participant(ADMIN, ref(room), participant("ada")) is not None
    again = site.join(room, "ada")
    gone = await account.participants.disconnect(ADMIN, ref(room), participant("ada"))
    assert gone.sid == again.sid
    assert await identities(account, room) == []


async def test_key_disconnects_the_participant_that_had_the_identity_at_first(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio("daily")
    first = site.join(room, "ada")
    left = await here.participants.disconnect(ADMIN, ref("daily"), participant("ada"), KEY)
    assert left.sid == first.sid
    site.join(room, "ada")
    for account in (here, there):
        again = await account.participants.disconnect(ADMIN, ref("daily"), participant("ada"), KEY)
        assert (again.sid, again.status) == (first.sid, DISCONNECTED)
    assert await identities(there, room) == ["ada"]


@pytest.mark.parametrize("hang_up", ["before", "after"])
async def test_retry_after_a_lost_response_disconnects_the_same_participant(
    site: Site, hang_up: Literal["before", "after"]
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio("daily")
    first = site.join(room, "ada")
    site.sandbox.faults.add(Fault(Match("POST"), hang_up=hang_up))
    with pytest.raises(OutcomeUnknown) as unknown:
        await here.participants.disconnect(ADMIN, ref("daily"), participant("ada"))
    site.calm()
    if hang_up == "after":
        site.join(room, "ada")
    key = unknown.value.retry_with
    assert key is not None
    again = await there.participants.disconnect(ADMIN, ref("daily"), participant("ada"), key)
    assert (again.sid, again.status) == (first.sid, DISCONNECTED)
    assert await identities(there, room) == (["ada"] if hang_up == "after" else [])


async def test_key_of_another_participant_is_refused(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    site.join(room, "ada"), site.join(room, "bela")
    await account.participants.disconnect(ADMIN, ref(room), participant("ada"), KEY)
    with pytest.raises(IdempotencyKeyReused) as reused:
        await account.participants.disconnect(ADMIN, ref(room), participant("bela"), KEY)
    assert reused.value.room is not None
    assert reused.value.room.value.sid == room
    assert await identities(account, room) == ["bela"]


async def test_the_identity_of_an_anonymized_participant_is_the_sid(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada")
    site.leave(room, "ada")
    everybody = ParticipantFilter(statuses=(DISCONNECTED,))
    assert await identities(account, room, everybody) == ["ada"]
    assert (
        await account.participants.anonymize(ADMIN, ref(room), participant(ada.sid))
    ).identity == ada.sid
    assert await identities(account, room, everybody) == [ada.sid]


async def test_published_tracks_are_listed_and_found_by_sid_or_name(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada", "audio", "video", "data")
    page = (
        await account.participants.published_tracks(ADMIN, ref(room), participant("ada"), 2, None)
    ).value
    rest = (
        await account.participants.published_tracks(
            ADMIN, ref(room), participant(ada.sid), 2, page.end_cursor
        )
    ).value
    assert {track.kind for _, track in page.items + rest.items} == {
        TrackKind.AUDIO,
        TrackKind.VIDEO,
        TrackKind.DATA,
    }
    # Every look-up by name sends the same request to Twilio.
    for track in ada.tracks:
        for name in (track.name, track.sid):
            result = await account.participants.published_track(
                ADMIN, ref(room), participant("ada"), TrackRef.of(name)
            )
            assert result is not None
            assert (result.value.sid, result.value.name) == (track.sid, track.name)
    assert (
        await account.participants.published_track(
            ADMIN, ref(room), participant("ada"), TrackRef.of("screen")
        )
        is None
    )


async def test_subscribed_tracks_are_those_of_the_other_participants(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada, bela = site.join(room, "ada", "audio"), site.join(room, "bela", "video")
    page = (
        await account.participants.subscribed_tracks(ADMIN, ref(room), participant("ada"), 10, None)
    ).value
    [(_, track)] = page.items
    assert (track.participant_sid, track.publisher_sid, track.name) == (ada.sid, bela.sid, "video")
    result = await account.participants.subscribed_track(
        ADMIN, ref(room), participant("ada"), track.sid
    )
    assert result is not None
    assert result.value == track
    nothing = TrackSid("MT" + "0" * 32)
    assert (
        await account.participants.subscribed_track(ADMIN, ref(room), participant("ada"), nothing)
        is None
    )


async def test_i11_new_subscribe_rules_are_read_on_every_replica(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.join(room, "ada")
    for account in (here, there):
        await account.participants.subscribe_rules(ADMIN, ref(room), participant("ada"))
    answer = await here.participants.update_subscribe_rules(
        ADMIN, ref(room), participant("ada"), NO_AUDIO
    )
    for account in (here, there):
        rules = (
            await account.participants.subscribe_rules(ADMIN, ref(room), participant("ada"))
        ).value.rules
        assert rules == answer.rules
        assert [(rule.type, rule.kind) for rule in rules] == [
            (TrackRuleEffect.EXCLUDE, TrackKind.AUDIO)
        ]
        await caught_up(site)


async def test_a_callback_makes_tracks_outdated(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada", "audio")
    tracks = account.participants.published_tracks
    assert len((await tracks(ADMIN, ref(room), participant(ada.sid), 10, None)).value.items) == 1
    site.leave(room, "ada")
    await site.append(event(RoomEventType.TRACK_REMOVED, room))
    assert (await tracks(ADMIN, ref(room), participant(ada.sid), 10, None)).value.items == ()


async def test_a_participant_of_another_room_is_not_found(site: Site) -> None:
    account, room, other = await site.replica(), site.make_at_twilio(), site.make_at_twilio()
    ada = site.join(room, "ada", "audio")
    service, elsewhere, her, track = (
        account.participants,
        ref(other),
        participant(ada.sid),
        TrackSid(ada.tracks[0].sid),
    )
    # Cached already, under its own room.
    assert await service.participant(ADMIN, ref(room), her) is not None
    assert await service.participant(ADMIN, elsewhere, her) is None
    assert await service.published_track(ADMIN, elsewhere, her, TrackRef(track, None)) is None
    assert await service.subscribed_track(ADMIN, elsewhere, her, track) is None
    for call in (
        service.published_tracks(ADMIN, elsewhere, her, 10, None),
        service.subscribed_tracks(ADMIN, elsewhere, her, 10, None),
        service.subscribe_rules(ADMIN, elsewhere, her),
        service.update_subscribe_rules(ADMIN, elsewhere, her, NO_AUDIO),
        service.disconnect(ADMIN, elsewhere, her),
        service.anonymize(ADMIN, elsewhere, her),
        service.disconnect(ADMIN, elsewhere, participant("ada")),
    ):
        with pytest.raises(NotFound):
            await call
    assert await identities(account, room) == ["ada"]


async def test_i12_a_caller_with_grants_reaches_no_participant_of_other_rooms(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    ada = site.join(room, "ada", "audio")
    assert await identities(account, room) == ["ada"]
    service, caller = account.participants, restricted("weekly", sid(5))

    async def refusals(target: str) -> list[str]:
        room_ref, her = ref(target), participant(ada.sid)
        outcomes = []
        for call in (
            service.page(caller, room_ref, ALL, 10, None),
            service.participant(caller, room_ref, her),
            service.published_tracks(caller, room_ref, her, 10, None),
            service.published_track(caller, room_ref, her, TrackRef(None, "audio")),
            service.subscribed_tracks(caller, room_ref, her, 10, None),
            service.subscribed_track(caller, room_ref, her, TrackSid(ada.tracks[0].sid)),
            service.subscribe_rules(caller, room_ref, her),
            service.update_subscribe_rules(caller, room_ref, her, NO_AUDIO),
            service.disconnect(caller, room_ref, her),
            service.anonymize(caller, room_ref, her),
        ):
            with pytest.raises(NotFound) as refused:
                await call
            outcomes.append(refused.value.message)
        return outcomes

    # The same answer for a room without a grant and for a missing room.
    assert (
        await refusals(room)
        == await refusals("daily")
        == await refusals(sid(99))
        == await refusals("nothing")
    )
    [page] = await service.pages(caller, [room], ALL, 10)
    assert isinstance(page, NotFound)
    assert await identities(account, room) == ["ada"]
    for theirs in (restricted("daily"), restricted(room)):
        assert await identities(account, room, caller=theirs) == ["ada"]


async def test_reads_and_changes_need_their_scopes(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    writer = replace(ADMIN, scopes=frozenset({Scope.ROOMS_WRITE}))
    for call in (
        account.participants.page(writer, ref(room), ALL, 10, None),
        account.participants.pages(writer, [room], ALL, 10),
        account.participants.subscribe_rules(writer, ref(room), participant("ada")),
        account.participants.disconnect(READER, ref(room), participant("ada")),
        account.participants.anonymize(READER, ref(room), participant("ada")),
        account.participants.update_subscribe_rules(
            READER, ref(room), participant("ada"), NO_AUDIO
        ),
    ):
        with pytest.raises(PermissionDenied):
            await call
    assert site.gate.calls == []


async def test_text_that_is_not_a_sid_is_never_sent_in_a_path(site: Site) -> None:
    account = await site.replica()
    for room, participant in ((RoomSid("../Rooms"), "PA" + "0" * 32), (sid(1), "PA/../x")):
        target = ParticipantRef(ParticipantSid(participant), None)
        with pytest.raises(InvalidArgument):
            await account.participants.participant(ADMIN, replace(ref(sid(1)), sid=room), target)
    assert site.gate.calls == []
