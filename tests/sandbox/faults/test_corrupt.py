import gzip
import json
from typing import Any

import aiohttp
import pytest

from gateway.sandbox.faults.corrupt import (
    HUGE_BYTES,
    Corruption,
    RequestTarget,
    corrupt,
    drip_bytes,
)
from gateway.sandbox.rest.requests import RestResponse
from tests.sandbox.conftest import Api, Receiver

BASE_URL, FOREIGN_URL = "http://127.0.0.1:1", "http://elsewhere.example"
ROOM = {
    "sid": "RM1",
    "url": f"{BASE_URL}/v1/Rooms/RM1",
    "links": {"recordings": f"{BASE_URL}/v1/Rooms/RM1/Recordings"},
}
PAGE = {"rooms": [ROOM], "meta": {"key": "rooms", "next_page_url": None}}


def corrupted(corruption: Corruption, body: Any = PAGE, query: str = "PageSize=1") -> RestResponse:
    target = RequestTarget(BASE_URL, "/v1/Rooms", query)
    return corrupt(RestResponse(200, body), corruption, target, FOREIGN_URL)


def test_huge_response_is_ten_megabytes_of_the_same_json() -> None:
    body = corrupted("huge").body
    assert (len(body), json.loads(body)) == (HUGE_BYTES, PAGE)


def test_truncated_gzip_ends_early() -> None:
    response = corrupted("truncated_gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    with pytest.raises(EOFError):
        gzip.decompress(response.body)


async def test_drip_sends_the_same_body_byte_by_byte() -> None:
    body = corrupted("drip").body
    assert b"".join([byte async for byte in drip_bytes(body, interval_s=0.0)]) == body


def test_redirect_leads_to_the_same_path_at_the_foreign_url() -> None:
    response = corrupted("redirect")
    assert (response.status, response.headers["Location"]) == (
        307,
        f"{FOREIGN_URL}/v1/Rooms?PageSize=1",
    )
    assert corrupted("redirect", query="").headers["Location"] == f"{FOREIGN_URL}/v1/Rooms"


def test_wrong_type_wraps_each_field_in_a_list() -> None:
    assert json.loads(corrupted("wrong_type", ROOM).body)["sid"] == ["RM1"]
    assert json.loads(corrupted("wrong_type", b"").body) == {}


def test_odd_row_has_no_numbers() -> None:
    rows = {"rooms": [{"sid": "RM1", "n": 1, "b": True}, {"n": 2}], "meta": {"page": 0}}
    assert json.loads(corrupted("odd_row", rows).body) == {
        "rooms": [{"sid": "RM1", "n": None, "b": True}, {"n": 2}],
        "meta": {"page": 0},
    }
    assert json.loads(corrupted("odd_row", {"rooms": [], "x": [1]}).body) == {
        "rooms": [],
        "x": [1],
    }
    assert corrupted("odd_row", b"{}").body == b"{}"


def test_foreign_next_page_moves_all_urls_to_the_foreign_url() -> None:
    moved = json.loads(corrupted("foreign_next_page").body)
    assert moved["meta"]["next_page_url"] == f"{FOREIGN_URL}/v1/Rooms?PageSize=1&Page=1"
    assert moved["rooms"][0]["links"]["recordings"] == f"{FOREIGN_URL}/v1/Rooms/RM1/Recordings"
    second_page = {"meta": {"next_page_url": f"{BASE_URL}/v1/Rooms?Page=1"}}
    assert (
        json.loads(corrupted("foreign_next_page", second_page).body)["meta"]["next_page_url"]
        == f"{FOREIGN_URL}/v1/Rooms?Page=1"
    )


@pytest.mark.parametrize(
    "corruption", ["huge", "truncated_gzip", "drip", "wrong_type", "odd_row", "foreign_next_page"]
)
async def test_request_is_processed_and_its_response_corrupted(
    api: Api, session: aiohttp.ClientSession, corruption: str
) -> None:
    await api.control(
        "POST",
        "/faults",
        {"match": {"method": "POST"}, "answer": corruption, "elsewhere": FOREIGN_URL},
    )
    async with session.post(f"{api.url}/v1/Rooms", headers=api.login) as reply:
        assert reply.status == 201
        assert len(await reply.content.readexactly(1)) == 1
        reply.close()
    await api.control("DELETE", "/faults")
    assert len((await api.get("/v1/Rooms")).body["rooms"]) == 1


async def test_client_follows_the_redirect_to_the_foreign_url(api: Api, receiver: Receiver) -> None:
    await api.control("POST", "/faults", {"answer": "redirect", "elsewhere": receiver.url})
    await api.get("/v1/Rooms?PageSize=3")
    [request] = await receiver.wait_for(1)
    assert request.target == "/v1/Rooms?PageSize=3"
