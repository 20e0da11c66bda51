"""Rooms over HTTP: responses and error codes."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.conftest import Api, error_of, sids
from tests.sandbox.scenario import create

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_room_is_fetched_by_sid_always_and_by_name_while_in_progress(api: Api) -> None:
    sid = await create(api, UniqueName="Daily Standup")
    by_name = await api.get("/v1/Rooms/Daily%20Standup")
    completed = await api.post(f"/v1/Rooms/{sid}", Status="completed")

    assert by_name.body["sid"] == sid
    assert (completed.status, completed.body["status"]) == (202, "completed")
    assert (await api.get(f"/v1/Rooms/{sid}")).body == completed.body
    assert error_of(await api.get("/v1/Rooms/Daily%20Standup")) == (404, 20404)


async def test_name_in_use_is_53113_until_its_room_ends(api: Api) -> None:
    first = await create(api, UniqueName="standup")

    assert error_of(await api.post("/v1/Rooms", UniqueName="standup")) == (400, 53113)
    await api.post("/v1/Rooms/standup", Status="completed")
    assert await create(api, UniqueName="standup") != first


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a+b", "a:b", "a&b", "..", "."])
async def test_name_with_reserved_characters_is_not_reachable_by_path(api: Api, name: str) -> None:
    sid = await create(api, UniqueName=name)
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())

    assert (await api.get(f"/v1/Rooms/{quoted}")).status == 404
    assert sids(await api.get(f"/v1/Rooms?UniqueName={quoted}")) == [sid]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 20001),
        ({"Status": "failed"}, 53112),
        ({"Status": "in-progress"}, 53112),
        ({"Status": ""}, 53112),
    ],
)
async def test_room_status_can_only_be_set_to_completed(
    api: Api, form: dict[str, str], code: int
) -> None:
    sid = await create(api)

    assert error_of(await api.post(f"/v1/Rooms/{sid}", **form)) == (400, code)


async def test_ended_room_cannot_be_completed_again(api: Api) -> None:
    sid = await create(api)
    await api.post(f"/v1/Rooms/{sid}", Status="completed")

    assert error_of(await api.post(f"/v1/Rooms/{sid}", Status="completed")) == (400, 53112)


async def test_invalid_parameters_get_their_code_over_http(api: Api) -> None:
    assert error_of(await api.post("/v1/Rooms", MaxParticipants="51")) == (400, 53107)
    assert error_of(await api.raw("POST", "/v1/Rooms", data=b"UniqueName=%FF", headers=FORM)) == (
        400,
        53102,
    )


async def test_list_has_rooms_in_progress_by_default(api: Api) -> None:
    ended, live = await create(api), await create(api)
    await api.post(f"/v1/Rooms/{ended}", Status="completed")

    assert sids(await api.get("/v1/Rooms")) == [live]
    assert sids(await api.get("/v1/Rooms?Status=completed")) == [ended]
    assert sids(await api.get("/v1/Rooms?Status=failed")) == []
    assert error_of(await api.get("/v1/Rooms?Status=ended")) == (400, 20001)


async def test_date_filters_are_on_or_after_and_before(api: Api) -> None:
    sid = await create(api)
    today = datetime.now(UTC)
    created = (await api.get(f"/v1/Rooms/{sid}")).body["date_created"]
    tomorrow = f"{today + timedelta(days=1):%Y-%m-%d}"
    yesterday = f"{today - timedelta(days=1):%Y-%m-%d}"

    for query, is_shown in [
        (f"DateCreatedAfter={created}", True),
        (f"DateCreatedBefore={created}", False),
        (f"DateCreatedAfter={yesterday}&DateCreatedBefore={tomorrow}", True),
        (f"DateCreatedAfter={tomorrow}", False),
        (f"DateCreatedBefore={yesterday}", False),
    ]:
        assert sids(await api.get(f"/v1/Rooms?{query}")) == [sid] * is_shown, query
    assert error_of(await api.get("/v1/Rooms?DateCreatedAfter=yesterday")) == (400, 20001)


async def test_page_urls_are_absolute_and_repeat_the_filters(api: Api) -> None:
    created = [await create(api) for _ in range(3)]
    await create(api, UniqueName="a name")

    first = await api.get("/v1/Rooms?PageSize=2&DateCreatedAfter=2020-01-01")
    second = await api.get(first.body["meta"]["next_page_url"])

    assert sids(first)[1:] + sids(second) == created[::-1]
    assert second.body["meta"]["url"] == first.body["meta"]["next_page_url"]
    assert "DateCreatedAfter=2020-01-01" in second.body["meta"]["url"]
    assert second.body["meta"]["next_page_url"] is None
    assert sids(await api.get(second.body["meta"]["previous_page_url"])) == sids(first)


async def test_invalid_paging_gets_its_code(api: Api) -> None:
    await create(api)
    await create(api)
    token = (
        (await api.get("/v1/Rooms?PageSize=1"))
        .body["meta"]["next_page_url"]
        .partition("PageToken=")[2]
    )
    room = await create(api)

    assert error_of(await api.get("/v1/Rooms?Page=1")) == (400, 70002)
    assert error_of(await api.get("/v1/Rooms?Page=1&PageToken=made-up")) == (400, 21481)
    assert error_of(await api.get(f"/v1/Rooms/{room}/Participants?Page=1&PageToken={token}")) == (
        400,
        21481,
    )


async def test_each_account_has_its_own_rooms(api: Api, other_api: Api) -> None:
    sid = await create(api, UniqueName="standup")
    theirs = await create(other_api, UniqueName="standup")

    assert error_of(await other_api.get(f"/v1/Rooms/{sid}")) == (404, 20404)
    assert sids(await other_api.get("/v1/Rooms")) == [theirs]
