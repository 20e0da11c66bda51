from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.core.recordings import RecordingFilter
from gateway.core.sids import RecordingSid, RoomSid
from gateway.twilio.wire.exchange import WireResponse
from gateway.twilio.wire.recordings import (
    fetch_media_link,
    fetch_recording,
    list_recordings,
)
from tests.twilio.wire.documents import OPERATIONS, response

ROOM, SID = RoomSid("RM" + "0" * 32), RecordingSid("RT" + "0" * 32)
RECORDING = OPERATIONS["FetchRecording"].resource()
URL = "https://storage.example.com:8443/a%20b?X-Amz-Signature=abc&t=1"


@pytest.mark.parametrize(
    ("document", "room"),
    [
        ({"grouping_sids": {"room_sid": ROOM}}, ROOM),
        ({"grouping_sids": {"room_sid": "RM" + "1" * 32}, "room_sid": ROOM}, ROOM),
        ({"grouping_sids": {}}, None),
        ({"grouping_sids": None}, None),
    ],
)
def test_room_of_a_recording_comes_from_its_groupings(
    document: dict[str, Any], room: RoomSid | None
) -> None:
    assert fetch_recording(SID).read(response(RECORDING | document)).room_sid == room


def test_list_recordings_sends_every_grouping_sid() -> None:
    wanted = RecordingFilter(grouping_sids=(ROOM, "PA" + "0" * 32))

    assert parse_qsl(list_recordings(wanted, 50).query) == [
        ("GroupingSid", ROOM),
        ("GroupingSid", "PA" + "0" * 32),
        ("PageSize", "50"),
    ]


def test_media_path_is_below_the_recording() -> None:
    assert fetch_media_link(SID).path == f"/v1/Recordings/{SID}/Media"


@pytest.mark.parametrize(
    "media_response",
    [
        response({"redirect_to": URL}),
        WireResponse(302, {"Location": URL}, b""),
        WireResponse(307, {"location": URL}, b"<html>"),
    ],
    ids=["json", "302", "307"],
)
def test_media_link_is_read_from_json_and_from_a_redirect(media_response: WireResponse) -> None:
    assert fetch_media_link(SID).read(media_response).url == URL


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.example.com/a",
        "//storage.example.com/a",
        "/a",
        "https:///a",
        "https://",
        "https://user:pw@storage.example.com/a",
        "https://storage.example.com/a b",
        "https://storage.example.com/a\r\nb",
        "https://[storage/a",
        "javascript:alert(1)",
        "https://é.example.com/",
        "https://storage.example.com/" + "x" * 8192,
        "",
    ],
)
def test_unsafe_media_link_is_refused_and_not_quoted(url: str) -> None:
    for media_response in (
        response({"redirect_to": url}),
        WireResponse(302, {"Location": url}, b""),
    ):
        with pytest.raises(UpstreamUnavailable) as caught:
            fetch_media_link(SID).read(media_response)
        assert "storage" not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "media_response",
    [response({}), response([]), response({"redirect_to": 5}), WireResponse(302, {}, b"")],
)
def test_media_response_without_a_link_is_upstream_unavailable(
    media_response: WireResponse,
) -> None:
    with pytest.raises(UpstreamUnavailable):
        fetch_media_link(SID).read(media_response)


def test_missing_media_is_not_found() -> None:
    with pytest.raises(NotFound):
        fetch_media_link(SID).read(response({"code": 20404}, 404))
