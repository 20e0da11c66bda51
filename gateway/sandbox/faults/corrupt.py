"""Answers that no client can use, or none should. Does no I/O.

huge               10 MB of it: the JSON, and spaces behind it
truncated_gzip     packed, and cut off in the midst
drip               one byte a second
redirect           307 to the same path elsewhere
wrong_type         JSON in which each field is a list with its value in it
foreign_next_page  every URL in it leads elsewhere, and a list has a next page
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from gateway.sandbox.rest.requests import RestResponse

Corruption = Literal[
    "huge", "truncated_gzip", "drip", "redirect", "wrong_type", "foreign_next_page"
]

HUGE_BYTES: Final = 10 * 1024 * 1024
DRIP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where the call went: scheme and host, path, and query."""

    base: str
    path: str
    query: str


def corrupted(
    answer: RestResponse, spoiling: Corruption, target: Target, elsewhere: str
) -> RestResponse:
    """The answer as its client gets it. Its body goes out as it is; that of a drip is `dripping`."""
    said = answer.body
    match spoiling:
        case "huge":
            return _sent(answer, _json(said).ljust(HUGE_BYTES))
        case "truncated_gzip":
            packed = gzip.compress(_json(said))
            return _sent(answer, packed[: len(packed) // 2], {"Content-Encoding": "gzip"})
        case "drip":
            return _sent(answer, _json(said))
        case "redirect":
            query = f"?{target.query}" if target.query else ""
            return RestResponse(307, b"", {"Location": f"{elsewhere}{target.path}{query}"})
        case "wrong_type":
            wrong = (
                {name: [value] for name, value in said.items()} if isinstance(said, dict) else {}
            )
            return _sent(answer, _json(wrong))
        case "foreign_next_page":
            return _sent(answer, _json(_foreign(said, target, elsewhere)))


async def dripping(body: bytes) -> AsyncIterator[bytes]:
    for byte in body:
        yield bytes([byte])
        await asyncio.sleep(DRIP_S)


def _sent(
    answer: RestResponse, body: bytes, headers: Mapping[str, str] | None = None
) -> RestResponse:
    return replace(
        answer,
        body=body,
        headers={"Content-Type": "application/json", **answer.headers, **(headers or {})},
    )


def _json(said: Any) -> bytes:
    return said if isinstance(said, bytes) else msgspec.json.encode(said)


def _foreign(said: Any, target: Target, elsewhere: str) -> Any:
    if isinstance(said, dict):
        moved = {name: _foreign(value, target, elsewhere) for name, value in said.items()}
        if "next_page_url" in moved and moved["next_page_url"] is None:
            moved["next_page_url"] = (
                f"{elsewhere}{target.path}?{target.query}{'&' if target.query else ''}Page=1"
            )
        return moved
    if isinstance(said, list):
        return [_foreign(each, target, elsewhere) for each in said]
    return (
        elsewhere + said.removeprefix(target.base)
        if isinstance(said, str) and said.startswith(target.base)
        else said
    )
