"""The methods of all services, as every server of them needs it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.rpc.calls import CallKind


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a servicer: `call` takes the request and a context.

    `is_safe` says that the method has no side effects: a browser or a proxy may repeat
    it.
    """

    path: str
    kind: CallKind
    request_class: type[Message]
    response_class: type[Message]
    is_safe: bool
    call: Callable[[Any, Any], Any]


def methods_of(services: Iterable[tuple[ServiceDescriptor, Any]]) -> Mapping[str, Method]:
    """Returns the methods of these servicers by path, such as /package.Service/Method.

    Leaves out methods that take a stream of requests: HTTP/1.1 has none.
    """
    return {
        method.path: method
        for descriptor, servicer in services
        for method in _methods(descriptor, servicer)
    }


def _methods(service: ServiceDescriptor, servicer: Any) -> Iterable[Method]:
    for method in service.methods:
        if method.client_streaming:
            continue
        yield Method(
            path=f"/{service.full_name}/{method.name}",
            kind=CallKind.STREAM if method.server_streaming else CallKind.UNARY,
            request_class=GetMessageClass(method.input_type),
            response_class=GetMessageClass(method.output_type),
            is_safe=method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
            call=getattr(servicer, method.name),
        )
