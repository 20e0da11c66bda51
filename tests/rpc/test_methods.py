from google.protobuf.wrappers_pb2 import StringValue

from gateway.rpc.calls import CallKind
from tests.rpc.http.probe import SAFE, table
from tests.rpc.probe import Methods


def test_a_method_has_what_its_descriptor_says() -> None:
    servicer = Methods()
    methods = table(servicer)

    length = methods["/tests.Service/GetLength"]
    assert (length.kind, length.is_safe) == (CallKind.UNARY, True)
    assert (length.request_class, length.response_class) == (StringValue, StringValue)
    assert length.call == servicer.get_length
    assert methods["/tests.Service/Watch"].kind is CallKind.STREAM
    assert {path.rpartition("/")[2] for path, one in methods.items() if one.is_safe} == SAFE


def test_a_method_with_a_stream_of_requests_is_left_out() -> None:
    assert "/tests.Service/Upload" not in table(Methods())
