"""Rooms and participants over HTTP: what Twilio answers, and with which code it refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import Api, Reply


async def create(api: Api, **params: Any) -> str:
    reply = await api.post("/v1/Rooms", **params)
    assert reply.status == 201
    return str(reply.body["sid"])


async def join(api: Api, room: str, identity: str) -> str:
    reply = await api.control("POST", f"/rooms/{room}/participants", {"identity": identity})
    assert reply.status == 200
    return str(reply.body["sid"])


def refused(reply: Reply) -> tuple[int, int]:
    return reply.status, reply.body["code"]


def sids(reply: Reply) -> list[str]:
    assert reply.status == 200
    return [each["sid"] for each in reply.body[reply.body["meta"]["key"]]]


async def test_a_room_is_fetched_by_sid_always_and_by_name_while_in_progress(api: Api) -> None:
    sid = await create(api, UniqueName="Daily Standup")
    by_name = await api.get("/v1/Rooms/Daily%20Standup")
    done = await api.post(f"/v1/Rooms/{sid}", Status="completed")

    assert by_name.body["sid"] == sid
    assert (done.status, done.body["status"]) == (202, "completed")
    assert (await api.get(f"/v1/Rooms/{sid}")).body == done.body
    assert refused(await api.get("/v1/Rooms/Daily%20Standup")) == (404, 20404)


async def test_a_name_in_use_is_53113_and_free_again_after_the_end(api: Api) -> None:
    first = await create(api, UniqueName="standup")

    assert refused(await api.post("/v1/Rooms", UniqueName="standup")) == (400, 53113)
    await api.post("/v1/Rooms/standup", Status="completed")
    assert await create(api, UniqueName="standup") != first


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a+b", "a:b", "a&b", "..", "."])
async def test_a_name_with_reserved_characters_is_not_reachable_by_path(api: Api, name: str) -> None:
    sid = await create(api, UniqueName=name)
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())

    assert (await api.get(f"/v1/Rooms/{quoted}")).status == 404
    assert sids(await api.get(f"/v1/Rooms?UniqueName={quoted}")) == [sid]


@pytest.mark.parametrize(
    ("form", "code"),
    [({}, 20001), ({"Status": "failed"}, 53112), ({"Status": "in-progress"}, 53112), ({"Status": ""}, 53112)],
)
async def test_a_room_can_only_be_completed(api: Api, form: dict[str, str], code: int) -> None:
    sid = await create(api)

    assert refused(await api.post(f"/v1/Rooms/{sid}", **form)) == (400, code)


async def test_an_ended_room_cannot_be_completed_again(api: Api) -> None:
    sid = await create(api)
    await api.post(f"/v1/Rooms/{sid}", Status="completed")

    assert refused(await api.post(f"/v1/Rooms/{sid}", Status="completed")) == (400, 53112)


async def test_bad_parameters_get_their_code_over_http(api: Api) -> None:
    assert refused(await api.post("/v1/Rooms", MaxParticipants="51")) == (400, 53107)
    assert refused(await api.raw("POST", "/v1/Rooms", data=b"UniqueName=%FF", headers=FORM)) == (400, 53102)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_list_shows_rooms_in_progress_unless_asked_otherwise(api: Api) -> None:
    ended, live = await create(api), await create(api)
    await api.post(f"/v1/Rooms/{ended}", Status="completed")

    assert sids(await api.get("/v1/Rooms")) == [live]
    assert sids(await api.get("/v1/Rooms?Status=completed")) == [ended]
    assert sids(await api.get("/v1/Rooms?Status=failed")) == []
    assert refused(await api.get("/v1/Rooms?Status=ended")) == (400, 20001)


async def test_dates_filter_on_or_after_the_one_and_before_the_other(api: Api) -> None:
    sid = await create(api)
    today = datetime.now(UTC)
    made = (await api.get(f"/v1/Rooms/{sid}")).body["date_created"]
    tomorrow = f"{today + timedelta(days=1):%Y-%m-%d}"
    yesterday = f"{today - timedelta(days=1):%Y-%m-%d}"

    for query, is_shown in [
        (f"DateCreatedAfter={made}", True),
        (f"DateCreatedBefore={made}", False),
        (f"DateCreatedAfter={yesterday}&DateCreatedBefore={tomorrow}", True),
        (f"DateCreatedAfter={tomorrow}", False),
        (f"DateCreatedBefore={yesterday}", False),
    ]:
        assert sids(await api.get(f"/v1/Rooms?{query}")) == [sid] * is_shown, query
    assert refused(await api.get("/v1/Rooms?DateCreatedAfter=yesterday")) == (400, 20001)


async def test_pages_are_absolute_urls_that_repeat_the_filters(api: Api) -> None:
    made = [await create(api) for _ in range(3)]
    await create(api, UniqueName="a name")

    first = await api.get("/v1/Rooms?PageSize=2&DateCreatedAfter=2020-01-01")
    second = await api.get(first.body["meta"]["next_page_url"])

    assert sids(first)[1:] + sids(second) == made[::-1]
    assert second.body["meta"]["url"] == first.body["meta"]["next_page_url"]
    assert "DateCreatedAfter=2020-01-01" in second.body["meta"]["url"]
    assert second.body["meta"]["next_page_url"] is None
    assert sids(await api.get(second.body["meta"]["previous_page_url"])) == sids(first)


async def test_bad_paging_gets_its_code(api: Api) -> None:
    await create(api)
    await create(api)
    token = (await api.get("/v1/Rooms?PageSize=1")).body["meta"]["next_page_url"].partition("PageToken=")[2]
    room = await create(api)

    assert refused(await api.get("/v1/Rooms?Page=1")) == (400, 70002)
    assert refused(await api.get("/v1/Rooms?Page=1&PageToken=made-up")) == (400, 21481)
    assert refused(await api.get(f"/v1/Rooms/{room}/Participants?Page=1&PageToken={token}")) == (400, 21481)


async def test_each_account_has_its_own_rooms(api: Api, other_api: Api) -> None:
    sid = await create(api, UniqueName="standup")
    theirs = await create(other_api, UniqueName="standup")

    assert refused(await other_api.get(f"/v1/Rooms/{sid}")) == (404, 20404)
    assert sids(await other_api.get("/v1/Rooms")) == [theirs]


async def test_participants_are_the_connected_ones_of_a_live_room_and_the_others_of_an_ended_one(api: Api) -> None:
    room = await create(api, UniqueName="standup")
    ada, ivo = await join(api, room, "Ada"), await join(api, room, "Ivo")
    await api.control("DELETE", f"/rooms/{room}/participants/Ada")

    assert sids(await api.get("/v1/Rooms/standup/Participants")) == [ivo]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?Status=disconnected")) == [ada]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?Identity=Ivo")) == [ivo]
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants?DateCreatedAfter=2100-01-01")) == []
    assert refused(await api.get(f"/v1/Rooms/{room}/Participants?Status=gone")) == (400, 20001)
    await api.post(f"/v1/Rooms/{room}", Status="completed")
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants")) == [ivo, ada]


async def test_an_identity_finds_only_who_is_connected(api: Api) -> None:
    room = await create(api)
    ada = await join(api, room, "Ada")
    again = await join(api, room, "Ada")

    assert (await api.get(f"/v1/Rooms/{room}/Participants/Ada")).body["sid"] == again
    assert (await api.get(f"/v1/Rooms/{room}/Participants/{ada}")).body["status"] == "disconnected"
    await api.post(f"/v1/Rooms/{room}/Participants/Ada", Status="disconnected")
    assert refused(await api.get(f"/v1/Rooms/{room}/Participants/Ada")) == (404, 20404)


async def test_a_participant_can_only_be_disconnected(api: Api) -> None:
    room = await create(api)
    ada = await join(api, room, "Ada")
    path = f"/v1/Rooms/{room}/Participants/{ada}"

    assert refused(await api.post(path)) == (400, 20001)
    assert refused(await api.post(path, Status="connected")) == (400, 53209)
    for _ in range(2):
        done = await api.post(path, Status="disconnected")
        assert (done.status, done.body["status"]) == (202, "disconnected")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/Rooms/RM0", (404, 20404)),
        ("GET", "/v1/Rooms/RM0/Participants", (404, 20404)),
        ("GET", "/v1/Rooms/", (404, 20404)),
        ("GET", "/v1/Nothing", (404, 20404)),
        ("GET", "/v2/Rooms", (404, 20404)),
        ("GET", "/", (404, 20404)),
        ("DELETE", "/v1/Rooms/RM0", (405, 20004)),
        ("PUT", "/v1/Rooms", (405, 20004)),
        ("POST", "/v1/Rooms/RM0/Participants", (405, 20004)),
    ],
)
async def test_what_is_not_there_is_refused_in_twilios_shape(
    api: Api, method: str, path: str, expected: tuple[int, int]
) -> None:
    reply = await api.raw(method, path)

    assert refused(reply) == expected
    assert reply.body["status"] == reply.status
    assert reply.body["more_info"] == f"https://www.twilio.com/docs/errors/{expected[1]}"
