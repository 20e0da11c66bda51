"""The operations on rooms that Twilio's OpenAPI files describe."""

import json
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
    """What is built is a filter on paths: compositions, hooks and account settings are not rooms."""
    for file in ("video_v1.json", "insights_v1.video.json"):
        document = json.loads((SAMPLES / file).read_text())
        for path, item in document["paths"].items():
            if path.startswith(("/v1/Rooms", "/v1/Recordings", "/v1/Video")) and "RecordingSettings" not in path:
                yield from (_operation(document, path, method) for method in METHODS if method in item)


def _operation(document: dict[str, Any], path: str, method: str) -> Operation:
    described = document["paths"][path][method]
    [(status, answer)] = described["responses"].items()
    content = answer.get("content", {}).get("application/json", {})
    examples = tuple(each["value"] for each in content.get("examples", {}).values())
    return Operation(described["operationId"], path, method, int(status), content.get("schema"), examples, document)


OPERATIONS = {operation.id: operation for operation in documented()}
