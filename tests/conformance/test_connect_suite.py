"""The cases of Connect's conformance suite for servers with HTTP/1.1.

They are all cases for unary methods and streams of responses by Connect and gRPC-Web,
without compression and TLS, which the gateway does not have.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import pytest

from gateway.rpc.http.bodies import MESSAGE_BYTES
from tests.conformance.connect_suite.client import METHODS, UNARY, CaseClient
from tests.conformance.connect_suite.messages import message_class, new, packed, suites, unpacked
from tests.conformance.connect_suite.server import serving

PROTOCOLS: Final = {"connect": 1, "grpc-web": 3, "grpc-web-text": 3}
CODECS: Final = {"proto": 1, "json": 2}
HTTP_1 = IDENTITY = CLIENT = 1
GRACE_MS: Final = 2_000


@dataclass(frozen=True)
class Case:
    suite: str
    test: Any
    protocol: str
    codec: str

    def __str__(self) -> str:
        name = f"{self.suite}/{self.test.request.test_name}".replace(" ", "-")
        return f"{name}-{self.protocol}-{self.codec}"


def cases() -> Iterator[Case]:
    for suite in suites():
        if (
            suite.mode == CLIENT
            or suite.relies_on_tls
            or not _allows(suite.relevant_http_versions, HTTP_1)
            or not _allows(suite.relevant_compressions, IDENTITY)
        ):
            continue
        for test in suite.test_cases:
            for protocol, number in PROTOCOLS.items():
                for codec, codec_number in CODECS.items():
                    is_relevant = _allows(suite.relevant_protocols, number) and _allows(
                        suite.relevant_codecs, codec_number
                    )
                    # Raw requests have the media type in them.
                    is_raw_text = test.request.HasField("raw_request") and "text" in protocol
                    if is_relevant and test.request.stream_type in METHODS and not is_raw_text:
                        yield Case(suite.name, test, protocol, codec)


def _allows(relevant: Any, value: int) -> bool:
    return not relevant or value in relevant


@pytest.fixture(scope="module")
async def base() -> AsyncIterator[str]:
    async with serving() as base:
        yield base


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


def test_every_suite_has_cases() -> None:
    assert {case.suite for case in cases()} == {suite.name for suite in suites()}
    assert len(list(cases())) == 346


@pytest.mark.parametrize("case", list(cases()), ids=str)
async def test_the_gateway_conforms(base: str, http: aiohttp.ClientSession, case: Case) -> None:
    test: Any = message_class("TestCase").FromString(case.test.SerializeToString())
    expand(test)

    result = await CaseClient(http, base, case.protocol, case.codec).send(test.request)

    check(test, expected_response(test), result)


def expand(test: Any) -> None:
    """Makes requests as large as the limit of messages, or a little larger."""
    for index, expansion in enumerate(test.expand_requests):
        request = unpacked(test.request.request_messages[index])
        size = MESSAGE_BYTES + expansion.size_relative_to_limit
        request.request_data = bytes(size)
        request.request_data = bytes(size - (request.ByteSize() - size))
        assert request.ByteSize() == size
        test.request.request_messages[index].CopyFrom(packed(request))


def expected_response(test: Any) -> Any:
    """Returns what the suite's runner expects of a case that does not say it."""
    if test.HasField("expected_response"):
        return test.expected_response
    request = test.request
    info = new(
        "ConformancePayload.RequestInfo",
        request_headers=request.request_headers,
        requests=request.request_messages,
        timeout_ms=request.timeout_ms if request.HasField("timeout_ms") else None,
    )
    definition = unpacked(request.request_messages[0]).response_definition
    expected = new(
        "ClientResponseResult",
        response_headers=definition.response_headers,
        response_trailers=definition.response_trailers,
    )
    if definition.HasField("error"):
        expected.error.CopyFrom(definition.error)
    if request.stream_type == UNARY:
        if definition.HasField("error"):
            expected.error.details.append(packed(info))
        else:
            expected.payloads.add(data=definition.response_data, request_info=info)
        return expected
    for index, data in enumerate(definition.response_data):
        expected.payloads.add(data=data, request_info=None if index else info)
    if definition.HasField("error") and not definition.response_data:
        expected.error.details.append(packed(info))
    return expected


def check(test: Any, expected: Any, result: Any) -> None:
    check_headers(expected.response_headers, result.response_headers)
    check_headers(expected.response_trailers, result.response_trailers)
    if expected.HasField("http_status_code"):
        assert result.http_status_code == expected.http_status_code
    assert result.HasField("error") == expected.HasField("error"), result.error
    if expected.HasField("error"):
        codes = [expected.error.code, *test.other_allowed_error_codes]
        assert result.error.code in codes, result.error
        if expected.error.HasField("message"):
            assert result.error.message == expected.error.message
        for detail, actual in zip(expected.error.details, result.error.details, strict=False):
            if detail.TypeName().endswith("RequestInfo"):
                check_request_info(unpacked_info(detail), unpacked_info(actual))
            else:
                assert detail == actual
        assert len(result.error.details) >= len(expected.error.details)
    assert len(result.payloads) == len(expected.payloads)
    for payload, actual in zip(expected.payloads, result.payloads, strict=True):
        assert payload.data == actual.data
        check_request_info(payload.request_info, actual.request_info)


def unpacked_info(detail: Any) -> Any:
    info = new("ConformancePayload.RequestInfo")
    assert detail.Unpack(info)
    return info


def check_request_info(expected: Any, actual: Any) -> None:
    check_headers(expected.request_headers, actual.request_headers)
    assert list(map(unpacked, actual.requests)) == list(map(unpacked, expected.requests))
    assert actual.HasField("timeout_ms") == expected.HasField("timeout_ms")
    assert expected.timeout_ms - GRACE_MS <= actual.timeout_ms <= expected.timeout_ms


def check_headers(expected: Any, actual: Any) -> None:
    values = {header.name.lower(): list(header.value) for header in actual}
    for header in expected:
        found = [part.strip() for value in values[header.name.lower()] for part in value.split(",")]
        assert found == list(header.value)
