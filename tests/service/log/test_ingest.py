from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from gateway.core.errors import InvalidArgument, PermissionDenied, UpstreamUnavailable
from gateway.service.log.ingest import Ingest, IngestResult
from gateway.service.log.timings import LogTimings
from gateway.store.connection import WRITE_TIMEOUT_S, Connections
from gateway.store.eventlog import EventLog, readable
from gateway.store.recheck_queue import RecheckQueue
from tests.service.conftest import ACCOUNT, LIMIT_S, in_time, sid

URL = "https://rooms.example/callbacks/twilio"
TOKEN, SECONDARY = "1" * 32, "2" * 32


def form(word: str = "room-created", age: timedelta = timedelta(), **more: str) -> dict[str, str]:
    at = (datetime.now(UTC) - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {
        "AccountSid": ACCOUNT,
        "RoomSid": sid(1),
        "RoomName": "daily",
        "RoomStatus": "in-progress",
        "RoomType": "group",
        "StatusCallbackEvent": word,
        "Timestamp": at,
        "SequenceNumber": "0",
    }
    return fields | more


async def receive(
    ingest: Ingest, fields: dict[str, str], *, token: str = TOKEN, query: str = ""
) -> IngestResult:
    url = f"{URL}?{query}" if query else URL
    signature = RequestValidator(token).compute_signature(url, fields)
    return await ingest.receive(
        list(fields.items()), query=query, is_form=True, signature=signature
    )


@pytest.fixture
def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


@pytest.fixture
def ingest(log: EventLog, connections: Connections) -> Ingest:
    return Ingest(log, RecheckQueue(connections, ACCOUNT), URL, (TOKEN, SECONDARY))


async def event_types(log: EventLog) -> list[str]:
    return [entry.event.type for entry in readable(await log.read(0, 100))]


async def test_i1_a_signed_callback_is_in_the_log_when_it_is_answered(
    ingest: Ingest, log: EventLog
) -> None:
    assert await receive(ingest, form()) is IngestResult.LOGGED
    assert await event_types(log) == ["room-created"]


async def test_i2_a_callback_is_logged_once_whatever_its_query_and_order_of_fields(
    ingest: Ingest, log: EventLog
) -> None:
    fields = form()
    assert await receive(ingest, fields) is IngestResult.LOGGED
    assert await receive(ingest, dict(reversed(fields.items()))) is IngestResult.REPEATED
    assert await receive(ingest, fields, query="replica=2") is IngestResult.REPEATED
    assert len(await event_types(log)) == 1


async def test_both_auth_tokens_are_accepted_during_a_rotation(ingest: Ingest) -> None:
    assert await receive(ingest, form(), token=SECONDARY) is IngestResult.LOGGED


@pytest.mark.parametrize("signature", [None, "", "AAAA", "ü"])
async def test_a_callback_with_a_wrong_signature_is_refused(
    ingest: Ingest, log: EventLog, signature: str | None
) -> None:
    fields: Sequence[tuple[str, str]] = list(form().items())
    with pytest.raises(PermissionDenied):
        await ingest.receive(fields, query="", is_form=True, signature=signature)
    with pytest.raises(PermissionDenied):
        await receive(ingest, form(), token="3" * 32)
    assert await event_types(log) == []


async def test_the_fields_of_a_get_are_signed_with_the_query(ingest: Ingest) -> None:
    fields = form()
    query = "&".join(f"{name}={value.replace(':', '%3A')}" for name, value in fields.items())
    signature = RequestValidator(TOKEN).compute_signature(f"{URL}?{query}", {})
    result = await ingest.receive(
        list(fields.items()), query=query, is_form=False, signature=signature
    )
    assert result is IngestResult.LOGGED


async def test_a_callback_that_is_not_about_a_room_is_ignored(
    ingest: Ingest, log: EventLog
) -> None:
    assert await receive(ingest, form("composition-available")) is IngestResult.IGNORED
    assert await event_types(log) == []


async def test_an_expired_callback_is_not_logged_and_its_room_is_rechecked(
    ingest: Ingest, log: EventLog, connections: Connections
) -> None:
    assert await receive(ingest, form(age=timedelta(minutes=61))) is IngestResult.EXPIRED
    assert await event_types(log) == []
    assert await RecheckQueue(connections, ACCOUNT).take(10) == [sid(1)]


async def test_the_room_of_an_ambiguous_callback_is_checked_instead(
    ingest: Ingest, log: EventLog, connections: Connections
) -> None:
    with pytest.raises(InvalidArgument, match="ambiguous"):
        await receive(ingest, form(RoomName=f"xRoomSid{sid(2)}RoomSp"))
    assert await event_types(log) == []
    assert await RecheckQueue(connections, ACCOUNT).take(10) == [sid(1)]


async def test_a_late_callback_is_logged_as_late(ingest: Ingest, log: EventLog) -> None:
    assert await receive(ingest, form(age=timedelta(minutes=16))) is IngestResult.LOGGED
    [entry] = readable(await log.read(0, 10))
    assert entry.event.late


async def test_a_signed_callback_that_cannot_be_parsed_is_refused(ingest: Ingest) -> None:
    with pytest.raises(InvalidArgument):
        await receive(ingest, form(RoomSid="RM1"))


def test_p3_a_callback_without_redis_is_refused_within_1200_ms() -> None:
    """Twilio waits 2.5 s for a response, and then retries."""
    assert WRITE_TIMEOUT_S <= 1.2


async def test_p3_a_callback_is_refused_while_redis_is_down() -> None:
    connections = Connections("redis://127.0.0.1:1")
    ingest = Ingest(
        EventLog(connections, ACCOUNT), RecheckQueue(connections, ACCOUNT), URL, (TOKEN,)
    )
    with pytest.raises(UpstreamUnavailable):
        await in_time(receive(ingest, form()))
    await connections.aclose()


async def test_p3_a_callback_is_refused_while_redis_hangs(
    connections: Connections, ingest: Ingest
) -> None:
    pause_ms = round(LIMIT_S * 1000)
    await connections.commands.execute_command("CLIENT", "PAUSE", f"{pause_ms}", "WRITE")
    try:
        with pytest.raises(UpstreamUnavailable):
            await in_time(receive(ingest, form()))
    finally:
        await connections.commands.execute_command("CLIENT", "UNPAUSE")


async def test_i16_a_flood_of_forgeries_is_one_log_line_with_their_number(
    log: EventLog, connections: Connections
) -> None:
    timings = LogTimings(forged_log_s=3_600)
    ingest = Ingest(log, RecheckQueue(connections, ACCOUNT), URL, (TOKEN,), timings)

    async def forge(count: int) -> None:
        for _ in range(count):
            with pytest.raises(PermissionDenied):
                await receive(ingest, form(), token="3" * 32)

    with capture_logs() as logged:
        await forge(3)
        ingest._forged_logged_at = float("-inf")  # as if an hour had passed
        await forge(1)
    assert [(line["event"], line["account_sid"], line["count"]) for line in logged] == [
        ("callback.forged", ACCOUNT, 1),
        ("callback.forged", ACCOUNT, 3),
    ]
