"""The clients of tests.rpc.client over Connect and gRPC-Web instead of gRPC."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.rpc.servicers import SERVICE_NAMES
from tests.rpc.client import Client, Clients
from tests.rpc.http.probe import decoded, frame, frames

MEDIA_TYPES: Final = ("application/json", "application/proto", "application/grpc-web-text")


class Refused(Exception):
    """A call that failed. `answer` is what the server sent."""

    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        self.answer = answer


class HttpStub:
    """Calls unary methods as a generated stub does, with one media type."""

    def __init__(
        self, http: aiohttp.ClientSession, base: str, media_type: str, service: str
    ) -> None:
        self._http = http
        self._base = base
        self._media_type = media_type
        self._service = Default().FindServiceByName(service)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Message]]:
        method: MethodDescriptor = self._service.methods_by_name[name]

        async def call(request: Message, metadata: Any, timeout: float) -> Message:
            headers = {**dict(metadata), "Content-Type": self._media_type}
            url = f"{self._base}/{self._service.full_name}/{name}"
            async with self._http.post(
                url, data=self._encode(request), headers=headers
            ) as response:
                body = await response.read()
                if response.status != 200:
                    raise Refused(body)
            return self._decode(body, GetMessageClass(method.output_type))

        return call

    def _encode(self, request: Message) -> bytes:
        match self._media_type:
            case "application/json":
                return json_format.MessageToJson(request).encode()
            case "application/proto":
                return request.SerializeToString()
        return base64.b64encode(frame(request.SerializeToString()))

    def _decode(self, body: bytes, message_class: type[Message]) -> Message:
        match self._media_type:
            case "application/json":
                return json_format.Parse(body, message_class())
            case "application/proto":
                return message_class.FromString(body)
        flags, message = frames(decoded(body))[0]
        if flags:
            raise Refused(message)
        return message_class.FromString(message)


def http_clients(http: aiohttp.ClientSession, base: str, media_type: str, metadata: Any) -> Clients:
    """Returns clients that send this media type to the HTTP port at `base`."""
    names = {name.rpartition(".")[2].removesuffix("Service"): name for name in SERVICE_NAMES}

    def client(service: str) -> Client:
        stub = HttpStub(http, base, media_type, names[service])
        return Client(stub, _Messages(names[service]), metadata)

    return Clients(
        rooms=client("Room"),
        participants=client("Participant"),
        recordings=client("Recording"),
        transcriptions=client("Transcription"),
        insights=client("Insights"),
        tokens=client("Token"),
        quota=client("Quota"),
    )


class _Messages:
    """The request messages of a service, by the names that generated modules have."""

    def __init__(self, service: str) -> None:
        self._package = service.rpartition(".")[0]

    def __getattr__(self, name: str) -> type[Message]:
        return GetMessageClass(Default().FindMessageTypeByName(f"{self._package}.{name}"))
