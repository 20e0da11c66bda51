from dataclasses import replace

import pytest

from gateway.core.callers import Caller, Scope
from gateway.core.errors import GatewayError, InvalidArgument, NotFound, PermissionDenied
from gateway.core.events import RoomEventType
from gateway.core.participants import (
    NewSubscribeRules,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    SubscribeRule,
    TrackRef,
)
from gateway.core.rooms import RoomSid
from gateway.core.rules import RuleEffect, RuleType, TrackKind
from gateway.core.sids import ParticipantSid, TrackSid
from gateway.service.accounts import Account
from tests.service.conftest import ANYBODY, Site, event, ref, restricted, sid

ALL = ParticipantFilter()
CONNECTED, DISCONNECTED = ParticipantStatus.CONNECTED, ParticipantStatus.DISCONNECTED
READER = replace(ANYBODY, scopes=frozenset({Scope.ROOMS_READ}))
NO_AUDIO = NewSubscribeRules((SubscribeRule(type=RuleType.EXCLUDE, kind=TrackKind.AUDIO),))
who = ParticipantRef.of


async def identities(
    account: Account, room: str, wanted: ParticipantFilter = ALL, caller: Caller = ANYBODY
) -> list[str | None]:
    seen = await account.participants.page(caller, ref(room), wanted, 50, None)
    return [each.identity for _, each in seen.value.items]


async def heard(site: Site) -> None:
    await site.heard((await site.log.open()).position.n)


async def test_a_list_shows_who_is_there_or_whom_the_filter_names(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    for identity in ("ada", "bela"):
        site.join(room, identity)
    site.leave(room, "bela")
    assert await identities(account, "daily") == await identities(account, room) == ["ada"]
    assert await identities(account, room, ParticipantFilter(status=DISCONNECTED)) == ["bela"]
    assert await identities(account, room, ParticipantFilter(identity="ada")) == ["ada"]


async def test_a_participant_is_found_by_sid_in_any_state_and_by_identity_while_connected(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada, bela = site.join(room, "ada"), site.join(room, "bela")
    site.leave(room, "bela")
    for name, found in (("ada", ada.sid), (ada.sid, ada.sid), (bela.sid, bela.sid)):
        seen = await account.participants.participant(ANYBODY, ref(room), who(name))
        assert seen is not None
        assert seen.value.sid == found
    assert await account.participants.participant(ANYBODY, ref(room), who("bela")) is None


async def test_a_list_of_an_identity_and_the_one_of_that_identity_are_two_questions(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada")
    wanted = ParticipantFilter(identity="ada")
    for _ in range(2):
        page = (await account.participants.page(ANYBODY, ref(room), wanted, 20, None)).value
        seen = await account.participants.participant(ANYBODY, ref(room), who("ada"))
        assert seen is not None
        assert [each.sid for _, each in page.items] == [seen.value.sid] == [ada.sid]


async def test_first_pages_of_many_rooms_cost_as_many_calls_as_are_not_known(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    rooms = [site.make_at_twilio() for _ in range(4)]
    for room in rooms:
        site.join(room, f"in {room}")
    for room in rooms[:3]:
        await identities(here, room)
    site.gate.calls.clear()
    pages = await there.participants.pages(ANYBODY, [*rooms, sid(99)], ALL, 50)
    assert isinstance(pages[4], NotFound)
    for room, page in zip(rooms, pages[:4], strict=True):
        assert not isinstance(page, GatewayError)
        assert [each.identity for _, each in page.value.items] == [f"in {room}"]
    assert len(site.gate.calls) == 2
    for first in (0, 101):
        with pytest.raises(InvalidArgument):
            await there.participants.pages(ANYBODY, rooms, ALL, first)


async def test_i11_a_disconnected_participant_is_gone_from_every_answer(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    ada = site.join(room, "ada")
    for account in (here, there):
        assert await identities(account, room) == ["ada"]
        assert await account.participants.participant(ANYBODY, ref(room), who("ada")) is not None
    gone = await here.participants.disconnect(ANYBODY, ref(room), who("ada"))
    assert (gone.sid, gone.status) == (ada.sid, DISCONNECTED)
    for account in (here, there):
        assert await identities(account, room) == []
        assert await account.participants.participant(ANYBODY, ref(room), who("ada")) is None
        seen = await account.participants.participant(ANYBODY, ref(room), who(ada.sid))
        assert seen is not None
        assert seen.value.status is DISCONNECTED
        await heard(site)


async def test_whoever_has_come_back_unheard_is_the_one_that_is_disconnected(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    assert await account.participants.participant(ANYBODY, ref(room), who("ada")) is not None
    again = site.join(room, "ada")
    gone = await account.participants.disconnect(ANYBODY, ref(room), who("ada"))
    assert gone.sid == again.sid
    assert await identities(account, room) == []


async def test_an_anonymized_participant_has_the_sid_for_an_identity(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada")
    site.leave(room, "ada")
    everybody = ParticipantFilter(status=DISCONNECTED)
    assert await identities(account, room, everybody) == ["ada"]
    assert (
        await account.participants.anonymize(ANYBODY, ref(room), who(ada.sid))
    ).identity == ada.sid
    assert await identities(account, room, everybody) == [ada.sid]


async def test_published_tracks_are_listed_and_found_by_sid_or_name(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada", "audio", "video", "data")
    page = (
        await account.participants.published_tracks(ANYBODY, ref(room), who("ada"), 2, None)
    ).value
    rest = (
        await account.participants.published_tracks(
            ANYBODY, ref(room), who(ada.sid), 2, page.end_cursor
        )
    ).value
    assert {track.kind for _, track in page.items + rest.items} == {
        TrackKind.AUDIO,
        TrackKind.VIDEO,
        TrackKind.DATA,
    }
    # The list that Twilio looks them up in is one and the same for every name.
    for track in ada.tracks:
        for name in (track.name, track.sid):
            seen = await account.participants.published_track(
                ANYBODY, ref(room), who("ada"), TrackRef.of(name)
            )
            assert seen is not None
            assert (seen.value.sid, seen.value.name) == (track.sid, track.name)
    assert (
        await account.participants.published_track(
            ANYBODY, ref(room), who("ada"), TrackRef.of("screen")
        )
        is None
    )


async def test_subscribed_tracks_are_those_of_the_others(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada, bela = site.join(room, "ada", "audio"), site.join(room, "bela", "video")
    page = (
        await account.participants.subscribed_tracks(ANYBODY, ref(room), who("ada"), 10, None)
    ).value
    [(_, track)] = page.items
    assert (track.participant_sid, track.publisher_sid, track.name) == (ada.sid, bela.sid, "video")
    seen = await account.participants.subscribed_track(ANYBODY, ref(room), who("ada"), track.sid)
    assert seen is not None
    assert seen.value == track
    nothing = TrackSid("MT" + "0" * 32)
    assert (
        await account.participants.subscribed_track(ANYBODY, ref(room), who("ada"), nothing) is None
    )


async def test_i11_new_subscribe_rules_are_read_by_everybody(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.join(room, "ada")
    for account in (here, there):
        await account.participants.subscribe_rules(ANYBODY, ref(room), who("ada"))
    answer = await here.participants.update_subscribe_rules(
        ANYBODY, ref(room), who("ada"), NO_AUDIO
    )
    for account in (here, there):
        rules = (
            await account.participants.subscribe_rules(ANYBODY, ref(room), who("ada"))
        ).value.rules
        assert rules == answer.rules
        assert [(rule.type, rule.kind) for rule in rules] == [(RuleEffect.EXCLUDE, TrackKind.AUDIO)]
        await heard(site)


async def test_a_callback_makes_tracks_old(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    ada = site.join(room, "ada", "audio")
    tracks = account.participants.published_tracks
    assert len((await tracks(ANYBODY, ref(room), who(ada.sid), 10, None)).value.items) == 1
    site.leave(room, "ada")
    await site.tell(event(RoomEventType.TRACK_REMOVED, room))
    assert (await tracks(ANYBODY, ref(room), who(ada.sid), 10, None)).value.items == ()


async def test_somebody_elses_participant_is_nobody(site: Site) -> None:
    account, room, other = await site.replica(), site.make_at_twilio(), site.make_at_twilio()
    ada = site.join(room, "ada", "audio")
    service, elsewhere, her, track = (
        account.participants,
        ref(other),
        who(ada.sid),
        TrackSid(ada.tracks[0].sid),
    )
    # Known here already, under her own room.
    assert await service.participant(ANYBODY, ref(room), her) is not None
    assert await service.participant(ANYBODY, elsewhere, her) is None
    assert await service.published_track(ANYBODY, elsewhere, her, TrackRef(track, None)) is None
    assert await service.subscribed_track(ANYBODY, elsewhere, her, track) is None
    for call in (
        service.published_tracks(ANYBODY, elsewhere, her, 10, None),
        service.subscribed_tracks(ANYBODY, elsewhere, her, 10, None),
        service.subscribe_rules(ANYBODY, elsewhere, her),
        service.update_subscribe_rules(ANYBODY, elsewhere, her, NO_AUDIO),
        service.disconnect(ANYBODY, elsewhere, her),
        service.anonymize(ANYBODY, elsewhere, her),
        service.disconnect(ANYBODY, elsewhere, who("ada")),
    ):
        with pytest.raises(NotFound):
            await call
    assert await identities(account, room) == ["ada"]


async def test_i12_a_key_for_some_rooms_reaches_nobody_in_the_others(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    ada = site.join(room, "ada", "audio")
    assert await identities(account, room) == ["ada"]
    service, caller = account.participants, restricted("weekly", sid(5))

    async def refusals(target: str) -> list[str]:
        room_ref, her = ref(target), who(ada.sid)
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

    # One answer for a room that is not theirs and for one that is not there.
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


async def test_reading_and_changing_take_their_scopes(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    nobody = replace(ANYBODY, scopes=frozenset({Scope.ROOMS_WRITE}))
    for call in (
        account.participants.page(nobody, ref(room), ALL, 10, None),
        account.participants.pages(nobody, [room], ALL, 10),
        account.participants.subscribe_rules(nobody, ref(room), who("ada")),
        account.participants.disconnect(READER, ref(room), who("ada")),
        account.participants.anonymize(READER, ref(room), who("ada")),
        account.participants.update_subscribe_rules(READER, ref(room), who("ada"), NO_AUDIO),
    ):
        with pytest.raises(PermissionDenied):
            await call
    assert site.gate.calls == []


async def test_what_is_no_sid_never_reaches_a_path(site: Site) -> None:
    account = await site.replica()
    for room, participant in ((RoomSid("../Rooms"), "PA" + "0" * 32), (sid(1), "PA/../x")):
        target = ParticipantRef(ParticipantSid(participant), None)
        with pytest.raises(InvalidArgument):
            await account.participants.participant(ANYBODY, replace(ref(sid(1)), sid=room), target)
    assert site.gate.calls == []
