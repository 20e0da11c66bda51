"""The operations on rooms in Twilio's OpenAPI files."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent.parent / "samples"
METHODS = ("get", "post", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    path: str
    method: str
    status: int
    schema: dict[str, Any] | None
    examples: tuple[Any, ...]
    document: dict[str, Any]

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return {**self.document["components"]["schemas"][name], **schema} if name else schema


def documented() -> Iterator[Operation]:
    """Yields the operations that the sandbox implements, selected by path.

    Compositions, hooks and account settings are not included.
    """
    for file in ("video_v1.json", "insights_v1.video.json"):
        document = json.loads((SAMPLES / file).read_text())
        for path, item in document["paths"].items():
            if (
                path.startswith(("/v1/Rooms", "/v1/Recordings", "/v1/Video"))
                and "RecordingSettings" not in path
            ):
                yield from (
                    _operation(document, path, method) for method in METHODS if method in item
                )


def _operation(document: dict[str, Any], path: str, method: str) -> Operation:
    described = document["paths"][path][method]
    [(status, response)] = described["responses"].items()
    content = response.get("content", {}).get("application/json", {})
    examples = tuple(example["value"] for example in content.get("examples", {}).values())
    return Operation(
        described["operationId"],
        path,
        method,
        int(status),
        content.get("schema"),
        examples,
        document,
    )


OPERATIONS = {operation.id: operation for operation in documented()}


def check(operation: Operation, value: Any, declared: dict[str, Any], where: str) -> None:
    """Validates a value against the parts of JSON Schema that Twilio's files use.

    No property may be missing, and none may be added. `where` is the path to the value.
    """
    schema = operation.resolve(declared)
    if value is None:
        assert schema.get("nullable"), f"{where} must not be null"
        return
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "boolean": bool,
    }
    kind = schema.get("type", "object")
    assert kinds[kind] is type(value), f"{where} must be {kind}"
    assert value in schema.get("enum", [value]), f"{where} is not in the enum"
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where} does not match {schema['pattern']}"
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value), (
            f"{where} is not a date-time with whole seconds"
        )
    if "properties" in schema:
        # A rule has only the filters that it uses: the schema does not allow null.
        is_rule = schema.get("format", "").endswith("-rule")
        assert set(value) == set(schema["properties"]) or (
            is_rule and set(value) < set(schema["properties"])
        ), where
        for name in value:
            check(operation, value[name], schema["properties"][name], f"{where}.{name}")
    for n, item in enumerate(value if kind == "array" else ()):
        check(operation, item, schema["items"], f"{where}[{n}]")
