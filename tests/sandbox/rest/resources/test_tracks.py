"""Published and subscribed tracks over HTTP."""

from typing import Any

import pytest

from tests.sandbox.conftest import Api, error_of, sids
from tests.sandbox.scenario import TRACKS, create, join, listed


async def two(api: Api) -> tuple[str, Any, Any]:
    """Ada and Ivo, in a room of their own."""
    room = await create(api)
    return room, await join(api, room, "Ada", TRACKS), await join(api, room, "Ivo", ["audio"])


async def test_published_track_is_found_by_sid_and_by_name(api: Api) -> None:
    room, ada, _ = await two(api)
    path = f"/v1/Rooms/{room}/Participants/Ada/PublishedTracks"
    audio, cam, chat = (track["sid"] for track in ada["tracks"])

    assert sids(await api.get(path)) == [chat, cam, audio]
    by_sid, by_name = await api.get(f"{path}/{cam}"), await api.get(f"{path}/cam")
    assert by_sid.body == by_name.body
    assert (by_sid.body["name"], by_sid.body["kind"], by_sid.body["enabled"]) == (
        "cam",
        "video",
        True,
    )
    assert by_sid.body["url"].endswith(f"/Participants/{ada['sid']}/PublishedTracks/{cam}")
    assert error_of(await api.get(f"{path}/screen")) == (404, 20404)


async def test_muted_track_is_published_and_removed_track_is_not(api: Api) -> None:
    room, ada, _ = await two(api)
    path = f"/v1/Rooms/{room}/Participants/Ada/PublishedTracks"
    control = f"/rooms/{room}/participants/Ada/tracks/cam"

    await api.control("POST", control, {"enabled": False})
    assert (await api.get(f"{path}/cam")).body["enabled"] is False
    await api.control("DELETE", control)
    assert error_of(await api.get(f"{path}/cam")) == (404, 20404)
    await api.post(f"/v1/Rooms/{room}/Participants/Ada", Status="disconnected")
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants/{ada['sid']}/PublishedTracks")) == []


async def test_participants_receive_the_tracks_of_the_others(api: Api) -> None:
    room, ada, ivo = await two(api)
    path = f"/v1/Rooms/{room}/Participants"
    ivo_track = ivo["tracks"][0]["sid"]

    assert sids(await api.get(f"{path}/Ada/SubscribedTracks")) == [ivo_track]
    assert sids(await api.get(f"{path}/Ivo/SubscribedTracks")) == [
        track["sid"] for track in reversed(ada["tracks"])
    ]
    track = (await api.get(f"{path}/Ada/SubscribedTracks/{ivo_track}")).body
    assert (track["publisher_sid"], track["participant_sid"]) == (ivo["sid"], ada["sid"])


async def test_subscribed_track_is_found_by_sid_only(api: Api) -> None:
    room, ada, _ = await two(api)
    path = f"/v1/Rooms/{room}/Participants/Ivo/SubscribedTracks"
    own = (await listed(api, f"/v1/Rooms/{room}/Participants/Ivo/PublishedTracks"))[0]["sid"]

    assert error_of(await api.get(f"{path}/cam")) == (404, 20404)
    assert error_of(await api.get(f"{path}/{own}")) == (404, 20404)
    assert (await api.get(f"{path}/{ada['tracks'][1]['sid']}")).status == 200


async def test_participant_who_left_receives_nothing(api: Api) -> None:
    room, ada, ivo = await two(api)
    await api.post(f"/v1/Rooms/{room}/Participants/Ivo", Status="disconnected")

    assert sids(await api.get(f"/v1/Rooms/{room}/Participants/{ivo['sid']}/SubscribedTracks")) == []
    assert sids(await api.get(f"/v1/Rooms/{room}/Participants/{ada['sid']}/SubscribedTracks")) == []


@pytest.mark.parametrize("kind", ["PublishedTracks", "SubscribedTracks"])
async def test_tracks_are_paged(api: Api, kind: str) -> None:
    room, ada, _ = await two(api)
    identity = "Ada" if kind == "PublishedTracks" else "Ivo"
    first = await api.get(f"/v1/Rooms/{room}/Participants/{identity}/{kind}?PageSize=2")
    second = await api.get(first.body["meta"]["next_page_url"])

    assert sids(first) + sids(second) == [track["sid"] for track in reversed(ada["tracks"])]
    assert second.body["meta"]["next_page_url"] is None
    assert sids(await api.get(second.body["meta"]["previous_page_url"])) == sids(first)
