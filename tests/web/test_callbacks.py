import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from yarl import URL

from gateway.service.log.ingest import Ingest
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.store.recheck_queue import RecheckQueue
from gateway.twilio import signature as signatures
from gateway.web.callbacks import FIELDS_LIMIT, PATH
from tests.service.conftest import ACCOUNT, sid
from tests.web.conftest import Served

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def fields(**more: str) -> dict[str, str]:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "AccountSid": ACCOUNT,
        "RoomSid": sid(1),
        "StatusCallbackEvent": "room-created",
        "Timestamp": at,
    } | more


async def post(served: Served, body: str, signature: str | None, **headers: str) -> int:
    sent = FORM | headers | ({} if signature is None else {"X-Twilio-Signature": signature})
    async with served.http.post(served.base + PATH, data=body, headers=sent) as reply:
        return reply.status


async def logged(served: Served) -> int:
    return len(await served.site.log.read(0, 100))


async def test_a_signed_callback_is_logged_once_and_answered_204(served: Served) -> None:
    form = fields(RoomName="", ParticipantIdentity="Ada & Björn = +%")
    for _ in range(2):
        assert await post(served, urlencode(form), served.signature(form)) == 204
    assert await logged(served) == 1


async def test_a_get_callback_has_its_fields_in_the_query(served: Served) -> None:
    query = urlencode(fields(), quote_via=quote)
    headers = {"X-Twilio-Signature": served.signature({}, query)}
    async with served.http.get(
        URL(f"{served.base}{PATH}?{query}", encoded=True), headers=headers
    ) as reply:
        assert reply.status == 204
    assert await logged(served) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 403),
        ("AccountSid=AC1", 403),
        ("nonsense", 403),
        ("%ff%fe=%00", 403),
        ("a=1&" * (FIELDS_LIMIT + 1), 400),
        ("a" * 70_000, 413),
    ],
    ids=["empty", "other account", "no field", "not UTF-8", "many fields", "too large"],
)
async def test_an_unsigned_callback_is_rejected(served: Served, body: str, status: int) -> None:
    for signature in (None, "", "nonsense"):
        assert await post(served, body, signature) == status
    assert await logged(served) == 0


async def test_the_answer_does_not_reveal_which_accounts_exist(
    served: Served,
) -> None:
    answers = []
    for account in (ACCOUNT, "AC" + "0" * 32):
        body = urlencode(fields(AccountSid=account))
        async with served.http.post(served.base + PATH, data=body, headers=FORM) as reply:
            answers.append((reply.status, await reply.text()))
    assert answers[0] == answers[1]


async def test_a_signed_callback_that_cannot_be_read_is_answered_400(served: Served) -> None:
    form = fields(RoomSid="RM1")
    assert await post(served, urlencode(form), served.signature(form)) == 400


async def test_a_body_that_is_no_form_is_answered_400(served: Served) -> None:
    assert await post(served, "{}", "x", **{"Content-Type": "application/json"}) == 400


async def test_other_methods_are_answered_405(served: Served) -> None:
    for method in ("PUT", "DELETE", "HEAD"):
        async with served.http.request(method, served.base + PATH) as reply:
            assert reply.status == 405


@pytest.mark.parametrize(
    "query", [b"AccountSid=\xff", b"AccountSid=" + ACCOUNT.encode() + b"&x=\xff\xfe", b"%"]
)
async def test_a_query_that_is_not_utf_8_is_rejected(served: Served, query: bytes) -> None:
    """Written by hand: no client library sends such a request line."""
    address = urlsplit(served.base)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        b"GET "
        + PATH.encode()
        + b"?"
        + query
        + b" HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\n\r\n"
    )
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert status.split(b" ")[1] in (b"400", b"403")


async def test_without_redis_the_answer_is_503_so_that_twilio_retries(served: Served) -> None:
    dead = Connections("redis://127.0.0.1:1")
    ingest = Ingest(
        EventLog(dead, ACCOUNT),
        RecheckQueue(dead, ACCOUNT),
        f"http://127.0.0.1:1{PATH}",
        (served.site.sandbox.auth_token,),
    )
    object.__setattr__(served.account, "ingest", ingest)
    form = fields()
    assert await post(served, urlencode(form), served.signature(form)) == 503
    await dead.aclose()


async def test_i12_an_unknown_account_takes_the_same_work_and_gets_the_same_answer(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the answer or its timing would reveal which accounts exist."""
    signed = Counter[str]()
    real = signatures.sign

    def counted(*arguments: Any) -> str:
        signed[account] += 1
        return real(*arguments)

    monkeypatch.setattr(signatures, "sign", counted)
    answers = []
    for account in (ACCOUNT, "AC" + "9" * 32):
        body = urlencode(fields(AccountSid=account))
        headers = FORM | {"X-Twilio-Signature": "A" * 27 + "="}
        async with served.http.post(served.base + PATH, data=body, headers=headers) as reply:
            answers.append((reply.status, await reply.read()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403
    assert len(signed) == 2
    assert len(set(signed.values())) == 1
