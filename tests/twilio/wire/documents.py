"""Twilio's OpenAPI documents: its operations, and responses made from their schemas."""

import json
from pathlib import Path
from typing import Any

from gateway.twilio.wire.exchange import WireResponse

SAMPLES = Path(__file__).parents[2] / "samples"
VIDEO = json.loads((SAMPLES / "video_v1.json").read_text())
INSIGHTS = json.loads((SAMPLES / "insights_v1.video.json").read_text())

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Operation:
    def __init__(self, document: dict[str, Any], product: str, path: str, method: str) -> None:
        self.product = product
        self.path = path
        self.method = method.upper()
        self.document = document["paths"][path][method]
        self.id: str = self.document["operationId"]
        self.schemas = document["components"]["schemas"]
        [self.status] = [int(status) for status in self.document["responses"]]
        self.content = self.document["responses"][str(self.status)].get("content", {}).get(JSON, {})

    @property
    def parameters(self) -> set[str]:
        """The names of the parameters in the query and in the form."""
        query = {
            parameter["name"]
            for parameter in self.document.get("parameters", [])
            if parameter["in"] == "query"
        }
        form = (
            self.document.get("requestBody", {}).get("content", {}).get(FORM, {}).get("schema", {})
        )
        return query | set(form.get("properties", ()))

    @property
    def examples(self) -> dict[str, Any]:
        return {
            name: example["value"] for name, example in self.content.get("examples", {}).items()
        }

    @property
    def key(self) -> str | None:
        """The name of the list in a page; None if the response is not a page."""
        schema = self.content.get("schema", {})
        return next((name for name in schema.get("properties", ()) if name != "meta"), None)

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of one resource, also for a list."""
        schema = self.content["schema"]
        return self._resolve(schema["properties"][self.key]["items"] if self.key else schema)

    def resource(self) -> dict[str, Any]:
        """Returns a resource with every property of the schema, none of them null."""
        return {
            name: self._sample(name, schema) for name, schema in self.schema["properties"].items()
        }

    def response(self, resource: object) -> WireResponse:
        """Returns the operation's response with this resource, in a page if it is a
        list."""
        meta = {"page": 0, "page_size": 50, "next_page_url": None, "key": self.key}
        return response({self.key: [resource], "meta": meta} if self.key else resource, self.status)

    def enums(self) -> list[str]:
        """Returns the properties whose values are enum words, or lists of them."""
        properties = self.schema["properties"].items()
        return [
            name
            for name, schema in properties
            if "$ref" in schema or "$ref" in schema.get("items", {})
        ]

    def _links(self) -> tuple[str, ...]:
        return (
            ("participants",)
            if self.product == "insights"
            else LINKS[self.path.replace("/{Sid}", "").split("/")[-1]]
        )

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        return self.schemas[reference.rpartition("/")[2]] if reference else schema

    def _sample(self, name: str, reference: dict[str, Any]) -> Any:
        schema = self._resolve(reference)
        if name in SAMPLES_BY_NAME and "$ref" not in reference:
            return SAMPLES_BY_NAME[name]
        match schema:
            case {"enum": [word, *_]}:
                return word
            case {"pattern": pattern}:
                prefix = pattern[1:3] if pattern[1:3].isupper() else "MT"
                return prefix + "0123456789abcdef" * 2
            case {"format": "date-time"}:
                return "2026-01-02T03:04:05Z"
            case {"type": "object", "properties": properties}:
                return {part: self._sample(part, inner) for part, inner in properties.items()}
            case {"type": "object", "format": "uri-map"}:
                return {link: f"https://video.twilio.com/{link}" for link in self._links()}
            case {"type": "array", "items": items}:
                return [self._sample(name.removesuffix("s"), items)]
            case {"type": "integer"}:
                return 7
            case {"type": "boolean"}:
                return True
            case _:
                return f"some {name}"


LINKS = {
    "Rooms": ("participants", "recordings", "recording_rules", "transcriptions"),
    "Participants": ("published_tracks", "subscribed_tracks", "subscribe_rules", "anonymize"),
    "Recordings": ("media",),
}

SAMPLES_BY_NAME: dict[str, Any] = {
    "ttid": "video_extension_2c70be23-4788-423d-9351-df6705efa035",
    "grouping_sids": {"room_sid": "RM" + "0" * 32, "participant_sid": "PA" + "0" * 32},
    "configuration": {"languageCode": "en-US"},
    "properties": {"a": [1, None, {"b": "c"}]},
    "publisher_info": {"d": None},
    # The document has no enum for the words of rules.
    "type": "include",
    "kind": "audio",
    "priority": "high",
}


def response(document: object, status: int = 200) -> WireResponse:
    return WireResponse(status, {}, json.dumps(document).encode())


def _operations() -> list[Operation]:
    video = [
        (VIDEO, "video", path)
        for path in VIDEO["paths"]
        if path.startswith(("/v1/Rooms", "/v1/Recordings"))
    ]
    insights = [
        (INSIGHTS, "insights", path) for path in INSIGHTS["paths"] if path.startswith("/v1/Video")
    ]
    return [
        Operation(document, product, path, method)
        for document, product, path in [*video, *insights]
        for method in document["paths"][path]
        if method in ("get", "post", "delete", "put", "patch")
    ]


OPERATIONS = {operation.id: operation for operation in _operations()}
