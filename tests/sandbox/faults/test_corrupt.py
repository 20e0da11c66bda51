import gzip
import json
from typing import Any

import pytest

from gateway.sandbox.faults.corrupt import HUGE_BYTES, Corruption, Target, corrupted, dripping
from gateway.sandbox.rest.requests import RestResponse
from tests.sandbox.conftest import Api, Receiver

BASE, ELSEWHERE = "http://127.0.0.1:1", "http://elsewhere.example"
ROOM = {
    "sid": "RM1",
    "url": f"{BASE}/v1/Rooms/RM1",
    "links": {"recordings": f"{BASE}/v1/Rooms/RM1/Recordings"},
}
PAGE = {"rooms": [ROOM], "meta": {"key": "rooms", "next_page_url": None}}


def spoil(spoiling: Corruption, body: Any = PAGE, query: str = "PageSize=1") -> RestResponse:
    return corrupted(RestResponse(200, body), spoiling, Target(BASE, "/v1/Rooms", query), ELSEWHERE)


def test_a_huge_answer_is_the_same_json_and_ten_megabytes() -> None:
    body = spoil("huge").body
    assert (len(body), json.loads(body)) == (HUGE_BYTES, PAGE)


def test_a_truncated_one_begins_as_gzip_and_does_not_end() -> None:
    answer = spoil("truncated_gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    with pytest.raises(EOFError):
        gzip.decompress(answer.body)


async def test_a_drip_is_the_same_answer_byte_by_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sandbox.faults.corrupt.DRIP_S", 0)
    body = spoil("drip").body
    assert b"".join([byte async for byte in dripping(body)]) == body


def test_a_redirect_leads_to_the_same_path_elsewhere() -> None:
    answer = spoil("redirect")
    assert (answer.status, answer.headers["Location"]) == (307, f"{ELSEWHERE}/v1/Rooms?PageSize=1")
    assert spoil("redirect", query="").headers["Location"] == f"{ELSEWHERE}/v1/Rooms"


def test_of_the_wrong_type_no_field_is_what_it_should_be() -> None:
    assert json.loads(spoil("wrong_type", ROOM).body)["sid"] == ["RM1"]
    assert json.loads(spoil("wrong_type", b"").body) == {}


def test_a_foreign_next_page_and_all_other_urls_lead_elsewhere() -> None:
    moved = json.loads(spoil("foreign_next_page").body)
    assert moved["meta"]["next_page_url"] == f"{ELSEWHERE}/v1/Rooms?PageSize=1&Page=1"
    assert moved["rooms"][0]["links"]["recordings"] == f"{ELSEWHERE}/v1/Rooms/RM1/Recordings"
    there = {"meta": {"next_page_url": f"{BASE}/v1/Rooms?Page=1"}}
    assert (
        json.loads(spoil("foreign_next_page", there).body)["meta"]["next_page_url"]
        == f"{ELSEWHERE}/v1/Rooms?Page=1"
    )


@pytest.mark.parametrize(
    "answer", ["huge", "truncated_gzip", "drip", "wrong_type", "foreign_next_page"]
)
async def test_the_call_is_processed_and_its_answer_spoiled(api: Api, answer: str) -> None:
    await api.control(
        "POST", "/faults", {"match": {"method": "POST"}, "answer": answer, "elsewhere": ELSEWHERE}
    )
    async with api._session.post(f"{api.url}/v1/Rooms", headers=api.login) as reply:
        assert reply.status == 201
        assert len(await reply.content.readexactly(1)) == 1
        reply.close()
    await api.control("DELETE", "/faults")
    assert len((await api.get("/v1/Rooms")).body["rooms"]) == 1


async def test_a_client_that_follows_a_redirect_is_seen_elsewhere(
    api: Api, receiver: Receiver
) -> None:
    await api.control("POST", "/faults", {"answer": "redirect", "elsewhere": receiver.url})
    await api.get("/v1/Rooms?PageSize=3")
    [heard] = await receiver.hear(1)
    assert heard.target == "/v1/Rooms?PageSize=3"
