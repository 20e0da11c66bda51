import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from gateway.core.errors import InvalidArgument, PermissionDenied, UpstreamUnavailable
from gateway.service.log import ingest as module
from gateway.service.log.ingest import Ingest, IngestResult
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.store.recheck_queue import RecheckQueue
from tests.service.conftest import ACCOUNT, sid

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


async def take(
    ingest: Ingest, fields: dict[str, str], *, token: str = TOKEN, query: str = ""
) -> IngestResult:
    url = f"{URL}?{query}" if query else URL
    signature = RequestValidator(token).compute_signature(url, fields)
    return await ingest.take(list(fields.items()), query=query, is_form=True, signature=signature)


@pytest.fixture
def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


@pytest.fixture
def ingest(log: EventLog, connections: Connections) -> Ingest:
    return Ingest(log, RecheckQueue(connections, ACCOUNT), URL, (TOKEN, SECONDARY))


async def words(log: EventLog) -> list[str]:
    return [entry.event.type for entry in await log.read(0, 100)]


async def test_a_signed_callback_is_in_the_log_when_it_is_answered(
    ingest: Ingest, log: EventLog
) -> None:
    assert await take(ingest, form()) is IngestResult.LOGGED
    assert await words(log) == ["room-created"]


async def test_i2_a_callback_is_logged_once_by_whatever_query_and_order_it_comes(
    ingest: Ingest, log: EventLog
) -> None:
    fields = form()
    assert await take(ingest, fields) is IngestResult.LOGGED
    assert await take(ingest, dict(reversed(fields.items()))) is IngestResult.REPEATED
    assert await take(ingest, fields, query="replica=2") is IngestResult.REPEATED
    assert len(await words(log)) == 1


async def test_both_auth_tokens_count_during_a_rotation(ingest: Ingest) -> None:
    assert await take(ingest, form(), token=SECONDARY) is IngestResult.LOGGED


@pytest.mark.parametrize("signature", [None, "", "AAAA", "ü"])
async def test_without_a_good_signature_nothing_is_read(
    ingest: Ingest, log: EventLog, signature: str | None
) -> None:
    fields: Sequence[tuple[str, str]] = list(form().items())
    with pytest.raises(PermissionDenied):
        await ingest.take(fields, query="", is_form=True, signature=signature)
    with pytest.raises(PermissionDenied):
        await take(ingest, form(), token="3" * 32)
    assert await words(log) == []


async def test_the_fields_of_a_get_are_signed_with_the_query(ingest: Ingest) -> None:
    fields = form()
    query = "&".join(f"{name}={value.replace(':', '%3A')}" for name, value in fields.items())
    signature = RequestValidator(TOKEN).compute_signature(f"{URL}?{query}", {})
    taken = await ingest.take(list(fields.items()), query=query, is_form=False, signature=signature)
    assert taken is IngestResult.LOGGED


async def test_what_is_not_about_a_room_is_acknowledged_and_not_logged(
    ingest: Ingest, log: EventLog
) -> None:
    assert await take(ingest, form("composition-available")) is IngestResult.IGNORED
    assert await words(log) == []


async def test_a_callback_too_old_to_be_known_is_not_logged_but_its_room_is_looked_at(
    ingest: Ingest, log: EventLog, connections: Connections
) -> None:
    assert await take(ingest, form(age=timedelta(minutes=61))) is IngestResult.EXPIRED
    assert await words(log) == []
    assert await RecheckQueue(connections, ACCOUNT).take(10) == [sid(1)]


async def test_a_late_callback_is_logged_as_late(ingest: Ingest, log: EventLog) -> None:
    assert await take(ingest, form(age=timedelta(minutes=16))) is IngestResult.LOGGED
    [entry] = await log.read(0, 10)
    assert entry.event.late


async def test_a_signed_callback_that_cannot_be_read_is_refused(ingest: Ingest) -> None:
    with pytest.raises(InvalidArgument):
        await take(ingest, form(RoomSid="RM1"))


async def test_p3_without_redis_a_callback_is_refused_in_time_for_another_try() -> None:
    """Twilio waits 2.5 s for an answer; the limit is the promise itself."""
    connections = Connections("redis://127.0.0.1:1")
    ingest = Ingest(
        EventLog(connections, ACCOUNT), RecheckQueue(connections, ACCOUNT), URL, (TOKEN,)
    )
    begun = time.monotonic()
    with pytest.raises(UpstreamUnavailable):
        await take(ingest, form())
    assert time.monotonic() - begun <= 1.2
    await connections.aclose()


async def test_p3_a_redis_that_hangs_is_no_better_excuse(
    connections: Connections, ingest: Ingest
) -> None:
    await connections.commands.execute_command("CLIENT", "PAUSE", "1100", "WRITE")
    begun = time.monotonic()
    with pytest.raises(UpstreamUnavailable):
        await take(ingest, form())
    assert time.monotonic() - begun <= 1.2
    await connections.commands.execute_command("CLIENT", "UNPAUSE")


async def test_i16_a_flood_of_forgeries_is_one_line_with_their_number(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as logged:
        for forged_s in (-1.0, 10.0, 10.0, -1.0):
            monkeypatch.setattr(module, "FORGED_S", forged_s)
            with pytest.raises(PermissionDenied):
                await take(ingest, form(), token="3" * 32)
    assert [(line["event"], line["account_sid"], line["count"]) for line in logged] == [
        ("callback.forged", ACCOUNT, 1),
        ("callback.forged", ACCOUNT, 3),
    ]
