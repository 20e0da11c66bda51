"""GraphQL over HTTP as text: what a request asks for and in which form it wants the answer. Does no I/O.

https://graphql.github.io/graphql-over-http/draft/
"""

import math
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Never

import msgspec

from gateway.core.errors import InvalidArgument
from gateway.gql.execution.document_limits import VARIABLES_BYTES
from gateway.gql.execution.engine import GraphQLRequest
from gateway.gql.execution.trusted_documents import ID_PREFIX

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
# As `Connect-Timeout-Ms`, of which there is no standard for plain HTTP. https://connectrpc.com/docs/protocol
TIMEOUT = "X-Request-Timeout-Ms"
_MILLISECONDS = re.compile(r"[0-9]{1,10}")
_PARAMETERS = "query or documentId, variables, operationName and extensions"


class Form(StrEnum):
    """How an answer is written."""

    RESPONSE = "application/graphql-response+json"
    JSON = "application/json"
    EVENTS = "text/event-stream"


def form_of(accept: str | None) -> Form | None:
    """The form that the Accept header likes best; None when it names no form of ours."""
    if not accept:
        return Form.JSON
    best, best_quality = None, 0.0
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        form = _FORMS.get(media_type)
        quality = _quality(parameters)
        if form is not None and quality > best_quality:
            best, best_quality = form, quality
    return best


_FORMS: dict[str, Form] = {form.value: form for form in Form} | {
    "*/*": Form.JSON,
    "application/*": Form.JSON,
}


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0


def is_json(content_type: str) -> bool:
    """`application/json`, in UTF-8 if it says so."""
    media_type, *parameters = (piece.strip().lower() for piece in content_type.split(";"))
    charsets = [parameter for parameter in parameters if parameter.startswith("charset=")]
    return media_type == "application/json" and all(
        charset.removeprefix("charset=").strip('"') in ("utf-8", "utf8") for charset in charsets
    )


def request_of_json(body: bytes) -> GraphQLRequest:
    """Raises InvalidArgument."""
    given = _json(body, "the body")
    if isinstance(given, list):
        raise InvalidArgument("the body is a list; send one operation a request")
    if not isinstance(given, dict):
        raise InvalidArgument(f"the body is not a JSON object; send one with {_PARAMETERS}")
    return request_of(given)


def request_of_query(parameters: Mapping[str, str]) -> GraphQLRequest:
    """Of a URL's parameters, where variables and extensions are JSON. Raises InvalidArgument."""
    given: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        if given.get(name):
            given[name] = _json(given[name].encode(), name)
        else:
            given.pop(name, None)
    return request_of(given)


def request_of(given: Mapping[str, Any]) -> GraphQLRequest:
    """Raises InvalidArgument for a parameter of the wrong type."""
    query, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    if not isinstance(given.get("extensions"), dict | None):
        raise InvalidArgument("extensions is not an object; leave it out")
    document_id = _document_id(given)
    if document_id is not None:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise InvalidArgument("query is missing; give a GraphQL document as a string")
    if not isinstance(name, str | None):
        raise InvalidArgument(
            "operationName is not a string; give the name of an operation, or leave it out"
        )
    if not isinstance(variables, dict | None):
        raise InvalidArgument(
            "variables is not an object; give one with the variables' names, or leave it out"
        )
    if variables and len(msgspec.json.encode(variables)) > VARIABLES_BYTES:
        raise InvalidArgument(f"variables is larger than {VARIABLES_BYTES} bytes; send less")
    return GraphQLRequest(query, variables, name, document_id)


def _document_id(given: Mapping[str, Any]) -> str | None:
    """Of a trusted document that is named instead of sent: as the draft of GraphQL over HTTP has it, or in the way of
    Apollo's clients, who send the document along when they must."""
    document_id, query = given.get("documentId"), given.get("query")
    if document_id is not None:
        if not isinstance(document_id, str) or query is not None:
            raise InvalidArgument("documentId is a string in place of query; give one of the two")
        return document_id
    persisted = (given.get("extensions") or {}).get("persistedQuery") if query is None else None
    digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return f"{ID_PREFIX}{digest.lower()}" if isinstance(digest, str) else None


def _json(text: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _refuse_json(what)


def _refuse_json(what: str) -> Never:
    raise InvalidArgument(f"{what} is not JSON in UTF-8; correct it") from None


def timeout_of(header: str | None) -> float:
    """How many seconds the caller waits; infinity without the header. Raises InvalidArgument."""
    if header is None:
        return math.inf
    if _MILLISECONDS.fullmatch(header) is None or not int(header):
        raise InvalidArgument(
            f"{TIMEOUT} is not a whole number of milliseconds above 0; correct it or leave it out"
        )
    return int(header) / 1000


def trace_id_of(traceparent: str | None) -> str:
    """The caller's trace, or a new one. https://www.w3.org/TR/trace-context/"""
    known = _TRACEPARENT.fullmatch(traceparent or "")
    return known[1] if known else secrets.token_hex(16)
