import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox import rooms
from gateway.sandbox.model import Departure, Room, RoomSettings
from gateway.sandbox.views import participant_json, room_json
from tests.sandbox.conftest import Api, moment

DOCUMENT = json.loads((Path(__file__).parent.parent / "samples" / "video_v1.json").read_text())
BASE = "http://127.0.0.1:1"


def resolve(schema: dict[str, Any]) -> Any:
    reference = schema.get("$ref")
    return DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def check(value: Any, declared: dict[str, Any], where: str) -> None:
    """As much of JSON Schema as Twilio's document uses; beyond it, no property may be missing or added."""
    schema = resolve(declared)
    if value is None:
        assert schema.get("nullable"), f"{where} must not be null"
        return
    kinds: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    kind = schema.get("type", "object")
    assert kinds[kind] is type(value), f"{where} must be {kind}"
    assert value in schema.get("enum", [value]), f"{where} is no word of the enum"
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where} does not match {schema['pattern']}"
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value), f"{where} is no date-time of whole seconds"
    if "properties" in schema:
        assert set(value) == set(schema["properties"]), f"{where} has other properties"
        for name, inner in schema["properties"].items():
            check(value[name], inner, f"{where}.{name}")
    for n, item in enumerate(value if kind == "array" else ()):
        check(item, schema["items"], f"{where}[{n}]")


def operation(path: str, method: str) -> tuple[int, dict[str, Any], list[Any]]:
    """The success status of an operation, the schema of its answer and its examples."""
    [(status, answer)] = DOCUMENT["paths"][path][method]["responses"].items()
    content = answer["content"]["application/json"]
    return int(status), content["schema"], [each["value"] for each in content["examples"].values()]


def shape(value: Any) -> Any:
    """Only the names: of an object all, of a list those of its first item."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


ROOMS, ROOM = "/v1/Rooms", "/v1/Rooms/{Sid}"
PEOPLE, PERSON = "/v1/Rooms/{RoomSid}/Participants", "/v1/Rooms/{RoomSid}/Participants/{Sid}"


@pytest.mark.parametrize(
    ("path", "method"),
    [
        (ROOMS, "post"),
        (ROOMS, "get"),
        (ROOM, "get"),
        (ROOM, "post"),
        (PEOPLE, "get"),
        (PERSON, "get"),
        (PERSON, "post"),
    ],
)
async def test_every_answer_fits_twilios_document_and_its_examples(api: Api, path: str, method: str) -> None:
    room = (await api.post(ROOMS, StatusCallbackMethod="GET")).body["sid"]
    await api.control("POST", f"/rooms/{room}/participants", {"identity": "Ada"})
    forms = {(ROOM, "post"): {"Status": "completed"}, (PERSON, "post"): {"Status": "disconnected"}}
    target = path.replace("{RoomSid}", room).replace("{Sid}", "Ada" if path == PERSON else room)

    reply = await (api.get(target) if method == "get" else api.post(target, **forms.get((path, method), {})))

    status, schema, examples = operation(path, method)
    assert reply.status == status
    check(reply.body, schema, path)
    documented = {json.dumps(shape(example), sort_keys=True) for example in examples}
    assert json.dumps(shape(reply.body), sort_keys=True) in documented


def room(**settings: Any) -> Room:
    created = rooms.create("AC" + "0" * 32, 1, RoomSettings(**settings), moment()).room
    return rooms.join(created, "Ada", (), moment(1)).room


def test_a_room_in_progress_has_no_end_and_no_duration() -> None:
    shown = room_json(room(), BASE)

    assert (shown["end_time"], shown["duration"], shown["date_created"]) == (None, None, "2026-01-02T03:04:05Z")
    assert shown["unique_name"] == shown["sid"]


def test_an_ended_room_has_both() -> None:
    shown = room_json(rooms.complete(room(), moment(60)).room, BASE)

    assert (shown["status"], shown["end_time"], shown["duration"]) == ("completed", "2026-01-02T03:05:05Z", 60)


def test_the_callback_is_echoed_with_its_fragment() -> None:
    url = "https://gw.example.com/cb#rc=5&rp=all"

    assert room_json(room(status_callback=url), BASE)["status_callback"] == url


def test_a_participant_who_left_has_an_end_and_a_duration() -> None:
    here = room()
    left = rooms.leave(here, here.participants[0], Departure.LEFT, moment(31)).room

    shown = [participant_json(each.participants[0], each, BASE) for each in (here, left)]

    assert [(each["status"], each["end_time"], each["duration"]) for each in shown] == [
        ("connected", None, None),
        ("disconnected", "2026-01-02T03:04:36Z", 30),
    ]
