from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from gateway.core.callers import Scope
from gateway.core.errors import (
    FailedPrecondition,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    UpstreamRejected,
)
from gateway.core.events import RoomChangeKind
from gateway.core.outcomes import IdempotencyKeyReused
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
    Ttid,
)
from gateway.sandbox.faults.injector import Fault, Match
from gateway.sandbox.world.model import TranscriptionStatus as AtTwilio
from gateway.service.accounts import Account
from gateway.store.eventlog import readable
from tests.service.conftest import ACCOUNT, ADMIN, Site, ref, restricted, sid

STARTED, STOPPED = TranscriptionStatus.STARTED, TranscriptionStatus.STOPPED
STOP = TranscriptionUpdate(status=STOPPED)
NOTHING = Ttid("video_extension_0")
KEY = "7f4b0c1e"


async def statuses(account: Account, room: str) -> list[TranscriptionStatus]:
    page = (await account.transcriptions.page(ADMIN, ref(room), 10, None)).value
    return [item.status for _, item in page.items]


async def test_i11_a_started_or_stopped_transcription_is_read_so_on_every_replica(
    site: Site,
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio("daily")
    for account in (here, there):
        assert await statuses(account, room) == []
    spanish = TranscriptionsConfiguration(language_code="es-ES")
    started = await here.transcriptions.create(ADMIN, ref("daily"), spanish)
    assert (started.room_sid, started.status) == (room, STARTED)
    assert started.configuration is not None
    assert started.configuration.language_code == "es-ES"
    for account in (here, there):
        assert await statuses(account, room) == [STARTED]
        result = await account.transcriptions.transcription(ADMIN, ref(room), started.ttid)
        assert result is not None
        assert result.value == started
        await site.wait_until_read((await site.log.open()).position.n)
    stopped = await there.transcriptions.update(ADMIN, ref(room), started.ttid, STOP)
    for account in (there, here):
        assert await statuses(account, room) == [STOPPED]
        result = await account.transcriptions.transcription(ADMIN, ref(room), started.ttid)
        assert result is not None
        assert result.value == stopped
        await site.wait_until_read((await site.log.open()).position.n)
    assert {
        (logged.event.change, logged.event.changed_sid)
        for logged in readable(await site.log.read_last(10))
    } == {(RoomChangeKind.TRANSCRIPTION, started.ttid)}


async def test_a_second_transcription_is_refused_and_changes_nothing(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await account.transcriptions.create(ADMIN, ref(room), None)
    with pytest.raises(FailedPrecondition) as refused:
        await account.transcriptions.create(ADMIN, ref(room), None)
    assert refused.value.twilio is not None
    assert (refused.value.twilio.code, refused.value.is_retryable) == (20001, False)
    assert await statuses(account, room) == [STARTED]
    assert len(await site.log.read_last(10)) == 1


async def test_refusal_of_a_room_without_a_transcription_stays_a_refusal(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(Match("POST"), status=400, code=20001))
    with pytest.raises(UpstreamRejected):
        await account.transcriptions.create(ADMIN, ref(room), None)


async def test_bad_credentials_are_never_a_second_transcription(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await account.transcriptions.create(ADMIN, ref(room), None)
    site.sandbox.faults.add(Fault(Match("POST"), status=401, code=20003))
    with pytest.raises(UpstreamRejected):
        await account.transcriptions.create(ADMIN, ref(room), None)


async def test_failed_transcription_cannot_be_started_again(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    started = await account.transcriptions.create(ADMIN, ref(room), None)
    world, stored = site.sandbox.world, site.room_at_twilio(room)
    assert stored.transcription is not None
    failed = replace(stored.transcription, status=AtTwilio.FAILED)
    world.store(ACCOUNT).put(replace(stored, transcription=failed), world.now_s())
    with pytest.raises(FailedPrecondition) as refused:
        await account.transcriptions.update(
            ADMIN, ref(room), started.ttid, TranscriptionUpdate(status=STARTED)
        )
    assert refused.value.twilio is not None


async def test_key_returns_the_transcription_that_it_started(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    site.make_at_twilio("daily")
    first = await here.transcriptions.create(ADMIN, ref("daily"), None, KEY)
    for account in (here, there):
        again = await account.transcriptions.create(ADMIN, ref("daily"), None, KEY)
        assert again.ttid == first.ttid
    with pytest.raises(IdempotencyKeyReused):
        await there.transcriptions.create(
            ADMIN, ref("daily"), TranscriptionsConfiguration(language_code="de-DE"), KEY
        )


@pytest.mark.parametrize("hang_up", ["before", "after"])
async def test_retry_after_a_lost_response_returns_the_transcription_of_the_room(
    site: Site, hang_up: Literal["before", "after"]
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio("daily")
    site.sandbox.faults.add(Fault(Match("POST"), hang_up=hang_up))
    with pytest.raises(OutcomeUnknown) as unknown:
        await here.transcriptions.create(ADMIN, ref("daily"), None)
    site.calm()
    key = unknown.value.retry_with
    assert key is not None
    started = [await there.transcriptions.create(ADMIN, ref("daily"), None, key) for _ in range(2)]
    assert started[0].ttid == started[1].ttid
    assert started[0].room_sid == room
    assert await statuses(there, room) == [STARTED]


async def test_retry_does_not_return_an_older_transcription(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    await account.transcriptions.create(ADMIN, ref(room), None)
    world, stored = site.sandbox.world, site.room_at_twilio(room)
    assert stored.transcription is not None
    older = stored.transcription.created_at - timedelta(minutes=1)
    transcription = replace(stored.transcription, created_at=older)
    world.store(ACCOUNT).put(replace(stored, transcription=transcription), world.now_s())
    site.sandbox.faults.add(Fault(Match("POST"), hang_up="before"))
    with pytest.raises(OutcomeUnknown) as unknown:
        await account.transcriptions.create(ADMIN, ref(room), None)
    site.calm()
    with pytest.raises(GatewayError) as refused:
        await account.transcriptions.create(ADMIN, ref(room), None, unknown.value.retry_with)
    assert refused.value.twilio is not None


async def test_a_transcription_of_another_room_is_not_found(site: Site) -> None:
    account, room, other = await site.replica(), site.make_at_twilio(), site.make_at_twilio()
    started = await account.transcriptions.create(ADMIN, ref(room), None)
    for target, ttid in ((other, started.ttid), (room, NOTHING), (sid(99), started.ttid)):
        assert await account.transcriptions.transcription(ADMIN, ref(target), ttid) is None
        with pytest.raises(NotFound):
            await account.transcriptions.update(ADMIN, ref(target), ttid, STOP)
    with pytest.raises(NotFound):
        await account.transcriptions.page(ADMIN, ref(sid(99)), 10, None)
    assert await statuses(account, room) == [STARTED]


async def test_i12_a_caller_with_grants_reaches_no_transcription_of_other_rooms(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio("daily")
    started = await account.transcriptions.create(ADMIN, ref(room), None)
    assert await statuses(account, room) == [STARTED]
    caller, service = restricted("weekly"), account.transcriptions
    for target in (room, "daily", sid(99)):
        for call in (
            service.page(caller, ref(target), 10, None),
            service.transcription(caller, ref(target), started.ttid),
            service.create(caller, ref(target), None),
            service.update(caller, ref(target), started.ttid, STOP),
        ):
            with pytest.raises(NotFound):
                await call
    assert await statuses(account, room) == [STARTED]
    assert len((await service.page(restricted("daily"), ref("daily"), 10, None)).value.items) == 1


async def test_reads_and_changes_need_their_scopes(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    reader = replace(ADMIN, scopes=frozenset({Scope.ROOMS_READ}))
    writer = replace(ADMIN, scopes=frozenset({Scope.ROOMS_WRITE}))
    service = account.transcriptions
    for call in (
        service.page(writer, ref(room), 10, None),
        service.transcription(writer, ref(room), NOTHING),
        service.create(reader, ref(room), None),
        service.update(reader, ref(room), NOTHING, STOP),
    ):
        with pytest.raises(PermissionDenied):
            await call
    assert site.gate.calls == []
