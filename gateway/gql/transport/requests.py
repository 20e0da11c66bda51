"""Parses the text of GraphQL requests over HTTP. Does no I/O.

https://graphql.github.io/graphql-over-http/draft/
"""

import hashlib
import math
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Never

import msgspec

from gateway.core.errors import InvalidArgument
from gateway.core.validation import LIST_LIMIT
from gateway.gql.execution.document_limits import VARIABLES_BYTES
from gateway.gql.execution.engine import GraphQLRequest

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
# Plain HTTP has no standard for this. It works as `Connect-Timeout-Ms` does.
# https://connectrpc.com/docs/protocol
TIMEOUT_HEADER = "X-Request-Timeout-Ms"
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_MILLISECONDS = re.compile(r"[0-9]{1,10}")


class MediaType(StrEnum):
    """The media types of responses."""

    GRAPHQL_RESPONSE = "application/graphql-response+json"
    JSON = "application/json"
    EVENT_STREAM = "text/event-stream"


_ACCEPTED: dict[str, MediaType] = {media_type.value: media_type for media_type in MediaType} | {
    "*/*": MediaType.JSON,
    "application/*": MediaType.JSON,
}


def negotiate_media_type(accept: str | None) -> MediaType | None:
    """The media type that the Accept header prefers; None if it has none of ours."""
    if not accept:
        return MediaType.JSON
    best, best_quality = None, 0.0
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        media_type = _ACCEPTED.get(name)
        quality = _quality(parameters)
        if media_type is not None and quality > best_quality:
            best, best_quality = media_type, quality
    return best


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0


def is_json(content_type: str) -> bool:
    """Whether a Content-Type header says JSON. A charset must be UTF-8."""
    name, *parameters = (piece.strip().lower() for piece in content_type.split(";"))
    charsets = [parameter for parameter in parameters if parameter.startswith("charset=")]
    return name == "application/json" and all(
        charset.removeprefix("charset=").strip('"') in ("utf-8", "utf8") for charset in charsets
    )


def parse_body(body: bytes) -> GraphQLRequest:
    """The request in a JSON body. Raises InvalidArgument."""
    parameters = _parse_json(body, "the body")
    if isinstance(parameters, list):
        raise InvalidArgument("the body must not be a list: send one operation per request")
    if not isinstance(parameters, dict):
        raise InvalidArgument(
            "the body must be a JSON object with query or documentId, variables, "
            "operationName and extensions"
        )
    return parse_parameters(parameters)


def parse_url_parameters(parameters: Mapping[str, str]) -> GraphQLRequest:
    """The request in a URL, where variables and extensions are JSON.

    Raises InvalidArgument.
    """
    parsed: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        if parsed.get(name):
            parsed[name] = _parse_json(parsed[name].encode(), name)
        else:
            parsed.pop(name, None)
    return parse_parameters(parsed)


def parse_parameters(parameters: Mapping[str, Any]) -> GraphQLRequest:
    """The request of these parameters. Raises InvalidArgument for a wrong type."""
    query = parameters.get("query")
    variables = parameters.get("variables")
    name = parameters.get("operationName")
    if not isinstance(parameters.get("extensions"), dict | None):
        raise InvalidArgument("extensions must be an object, or left out")
    document_id = _document_id(parameters)
    digest = _persisted_digest(parameters)
    if document_id is not None or (digest is not None and not query):
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise InvalidArgument("query is missing: send a GraphQL document as a string")
    if not isinstance(name, str | None):
        raise InvalidArgument("operationName must be the name of an operation, or left out")
    if not isinstance(variables, dict | None):
        raise InvalidArgument("variables must be an object, or left out")
    if variables and len(msgspec.json.encode(variables)) > VARIABLES_BYTES:
        raise InvalidArgument(f"variables must have at most {VARIABLES_BYTES} bytes of JSON")
    _check_lists(variables)
    if digest is not None and query and hashlib.sha256(query.encode()).hexdigest() != digest:
        raise InvalidArgument(
            "extensions.persistedQuery.sha256Hash is not the SHA-256 digest of query: "
            "hash the text that you send"
        )
    return GraphQLRequest(query, variables, name, document_id, digest)


def _check_lists(variables: Mapping[str, Any] | None) -> None:
    """Bounds every list in the variables. Those in a document have a token for each
    value, and tokens are limited."""
    pending: list[Any] = [variables]
    while pending:
        match pending.pop():
            case dict() as fields:
                pending.extend(fields.values())
            case list() as values:
                if len(values) > LIST_LIMIT:
                    raise InvalidArgument(
                        f"a list in the variables has {len(values):,} values: "
                        f"send up to {LIST_LIMIT}"
                    )
                pending.extend(values)


def _document_id(parameters: Mapping[str, Any]) -> str | None:
    """The identifier of a trusted document, as in the draft of GraphQL over HTTP."""
    document_id = parameters.get("documentId")
    if document_id is None:
        return None
    if not isinstance(document_id, str) or parameters.get("query") is not None:
        raise InvalidArgument("documentId must be a string without query: send one of the two")
    return document_id


def _persisted_digest(parameters: Mapping[str, Any]) -> str | None:
    """The digest of a document in Apollo's protocol for persisted queries.

    A client sends the digest alone at first. If the server does not know it, the client
    sends it again with the document.
    https://www.apollographql.com/docs/apollo-server/performance/apq
    """
    persisted = (parameters.get("extensions") or {}).get("persistedQuery")
    if persisted is None or parameters.get("documentId") is not None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise InvalidArgument(
            "extensions.persistedQuery must be an object with version 1 and sha256Hash"
        )
    digest = persisted.get("sha256Hash")
    if not isinstance(digest, str) or _SHA256.fullmatch(digest) is None:
        raise InvalidArgument("extensions.persistedQuery.sha256Hash must have 64 hex digits")
    return digest.lower()


def _parse_json(text: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _reject_json(what)


def _reject_json(what: str) -> Never:
    raise InvalidArgument(f"{what} must be JSON in UTF-8") from None


def parse_timeout(header: str | None) -> float:
    """The caller's timeout in seconds; infinity without the header.

    Raises InvalidArgument.
    """
    if header is None:
        return math.inf
    if _MILLISECONDS.fullmatch(header) is None or not int(header):
        raise InvalidArgument(
            f"{TIMEOUT_HEADER} must be a whole number of milliseconds above 0, or left out"
        )
    return int(header) / 1000


def parse_trace_id(traceparent: str | None) -> str:
    """The caller's trace id, or a new one. https://www.w3.org/TR/trace-context/"""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match[1] if match else new_trace_id()


def new_trace_id() -> str:
    return secrets.token_hex(16)
