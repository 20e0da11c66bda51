"""Responses that a client cannot use, or must not use. Does no I/O.

huge               10 MB: the JSON, followed by spaces
truncated_gzip     gzip that is cut off in the middle
drip               one byte per `Timings.drip_interval_s`
redirect           a 307 to the same path at another base URL
wrong_type         JSON in which each field is a list that contains its value
odd_row            the first row of each list has null in place of its numbers
foreign_next_page  every URL leads to another base URL, and every list has a next page
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from gateway.sandbox.rest.requests import RestResponse

Corruption = Literal[
    "huge", "truncated_gzip", "drip", "redirect", "wrong_type", "odd_row", "foreign_next_page"
]

HUGE_BYTES: Final = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """The target of the request: base URL (scheme and host), path and query string."""

    base_url: str
    path: str
    query: str


def corrupt(
    response: RestResponse, corruption: Corruption, target: RequestTarget, foreign_url: str
) -> RestResponse:
    """Returns the corrupted response, with a body of bytes that is sent as it is.

    `foreign_url` is the base URL that redirects and foreign pages lead to. The bytes of
    a `drip` are sent by `drip_bytes`.
    """
    body = response.body
    match corruption:
        case "huge":
            return _with_body(response, _json(body).ljust(HUGE_BYTES))
        case "truncated_gzip":
            compressed = gzip.compress(_json(body))
            truncated = compressed[: len(compressed) // 2]
            return _with_body(response, truncated, {"Content-Encoding": "gzip"})
        case "drip":
            return _with_body(response, _json(body))
        case "redirect":
            query = f"?{target.query}" if target.query else ""
            return RestResponse(307, b"", {"Location": f"{foreign_url}{target.path}{query}"})
        case "wrong_type":
            fields = body.items() if isinstance(body, dict) else ()
            return _with_body(response, _json({name: [value] for name, value in fields}))
        case "odd_row":
            return _with_body(response, _json(_with_odd_rows(body)))
        case "foreign_next_page":
            return _with_body(response, _json(_with_foreign_urls(body, target, foreign_url)))


async def drip_bytes(body: bytes, interval_s: float) -> AsyncIterator[bytes]:
    """Yields the body byte by byte, with a pause after each."""
    for byte in body:
        yield bytes([byte])
        await asyncio.sleep(interval_s)


def _with_body(
    response: RestResponse, body: bytes, headers: Mapping[str, str] | None = None
) -> RestResponse:
    return replace(
        response,
        body=body,
        headers={"Content-Type": "application/json", **response.headers, **(headers or {})},
    )


def _json(body: Any) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def _with_odd_rows(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {
        name: [_without_numbers(value[0]), *value[1:]]
        if isinstance(value, list) and value
        else value
        for name, value in body.items()
    }


def _without_numbers(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    return {name: None if type(value) is int else value for name, value in row.items()}


def _with_foreign_urls(value: Any, target: RequestTarget, foreign_url: str) -> Any:
    if isinstance(value, dict):
        fields = {
            name: _with_foreign_urls(field, target, foreign_url) for name, field in value.items()
        }
        if "next_page_url" in fields and fields["next_page_url"] is None:
            query = f"{target.query}&Page=1" if target.query else "Page=1"
            fields["next_page_url"] = f"{foreign_url}{target.path}?{query}"
        return fields
    if isinstance(value, list):
        return [_with_foreign_urls(item, target, foreign_url) for item in value]
    if isinstance(value, str) and value.startswith(target.base_url):
        return foreign_url + value.removeprefix(target.base_url)
    return value
