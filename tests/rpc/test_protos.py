import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.api import field_behavior_pb2  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.descriptor_pool import Default

from gateway.rpc.servicers import SERVICE_NAMES
from gateway.rpc.v1 import events_pb2

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "protos/released.binpb"


def run_buf(*arguments: str | Path) -> tuple[int, str]:
    buf = Path(sys.executable).with_name("buf")
    done = subprocess.run(
        [buf, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["lint"],
        ["format", "--diff", "--exit-code"],
        ["breaking", "--against", RELEASED],
    ],
    ids=lambda words: words[0],
)
def test_buf_accepts_the_protos(command: list[str | Path]) -> None:
    assert run_buf(*command, ROOT / "protos") == (0, "")


def test_buf_finds_a_change_that_breaks_clients(tmp_path: Path) -> None:
    copy = tmp_path / "protos"
    shutil.copytree(ROOT / "protos", copy, ignore=shutil.ignore_patterns("*.py", "*.binpb"))
    changed = copy / "rooms_gateway/v1/room.proto"
    changed.write_text(changed.read_text().replace("bool stale = 2", "bool old = 2"))

    code, output = run_buf("breaking", "--against", RELEASED, copy)

    assert code != 0
    assert 'on message "Freshness" changed name from "stale" to "old"' in output


METHODS: list[Any] = [
    method for name in SERVICE_NAMES for method in Default().FindServiceByName(name).methods
]


def behavior(field: Any) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def messages_below(descriptor: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Returns our own messages that a message holds, at any depth, by their names."""
    for field in descriptor.fields:
        part = field.message_type
        is_own = part is not None and part.full_name.startswith("rooms_gateway.")
        if is_own and part.full_name not in found:
            found[part.full_name] = part
            messages_below(part, found)
    return found


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_methods_that_only_read_have_no_side_effects(method: Any) -> None:
    """Connect sends such methods by GET, so none may have a secret in its request."""
    is_read = method.name.startswith(("Get", "BatchGet", "List", "Watch"))
    level = method.GetOptions().idempotency_level

    assert (level == MethodOptions.NO_SIDE_EFFECTS) == is_read
    if is_read:
        assert not any(field.GetOptions().debug_redact for field in method.input_type.fields)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_field_of_a_request_is_required_or_optional(method: Any) -> None:
    requests = {"": method.input_type, **messages_below(method.input_type, {})}
    for request in requests.values():
        for field in request.fields:
            assert behavior(field) in (
                [field_behavior_pb2.REQUIRED],
                [field_behavior_pb2.OPTIONAL],
            ), field.full_name


def test_every_field_of_a_resource_is_output_only() -> None:
    sent: dict[str, Any] = {}
    for method in METHODS:
        messages_below(method.input_type, sent)
    resources: dict[str, Any] = {}
    for method in METHODS:
        messages_below(method.output_type, resources)

    fields = [
        field
        for name, resource in resources.items()
        if name not in sent
        for field in resource.fields
    ]
    assert len(fields) > 100
    assert [f.full_name for f in fields if behavior(f) != [field_behavior_pb2.OUTPUT_ONLY]] == []


def test_legacy_words_are_deprecated() -> None:
    words = Default().FindEnumTypeByName("rooms_gateway.v1.RoomType").values

    assert {word.name for word in words if word.GetOptions().deprecated} == {
        "ROOM_TYPE_GROUP_SMALL",
        "ROOM_TYPE_PEER_TO_PEER",
        "ROOM_TYPE_GO",
    }


def test_durations_times_and_booleans_are_named_as_the_aips_say() -> None:
    """https://google.aip.dev/140 and https://google.aip.dev/142"""
    resources: dict[str, Any] = {}
    for method in METHODS:
        resources[method.input_type.full_name] = method.input_type
        messages_below(method.input_type, resources)
        messages_below(method.output_type, resources)

    for resource in resources.values():
        for field in resource.fields:
            kind = None if field.message_type is None else field.message_type.full_name
            name = field.full_name
            if kind == "google.protobuf.Timestamp":
                assert field.name.endswith(("_time", "_after", "_before")) or field.name == "since"
            assert not field.name.startswith("is_"), name
            assert not field.name.endswith(("_at", "_sec", "_ms", "_s")), name


def test_the_message_of_each_type_of_event_has_its_name() -> None:
    cases = events_pb2.RoomEvent.DESCRIPTOR.oneofs_by_name["event"].fields
    words = events_pb2.RoomEventType.DESCRIPTOR.values[1:]

    assert [f"ROOM_EVENT_TYPE_{case.name.upper()}" for case in cases] == [
        word.name for word in words
    ]
    assert [case.number for case in cases] == [word.number + 10 for word in words]
