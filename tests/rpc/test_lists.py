import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.transcriptions import HINTS_LIMIT
from gateway.core.validation import LIST_LIMIT
from gateway.rpc.lists import check_lists
from gateway.rpc.v1 import room_service_pb2, transcription_pb2


def test_the_longest_list_of_the_core_fits() -> None:
    assert HINTS_LIMIT == LIST_LIMIT
    hints = transcription_pb2.TranscriptionsConfiguration(hints=["x"] * LIST_LIMIT)
    check_lists(room_service_pb2.CreateRoomRequest(transcriptions_configuration=hints))


def test_a_list_below_a_message_is_named_by_its_path() -> None:
    hints = transcription_pb2.TranscriptionsConfiguration(hints=["x"] * (LIST_LIMIT + 1))
    with pytest.raises(InvalidArgument) as refused:
        check_lists(room_service_pb2.CreateRoomRequest(transcriptions_configuration=hints))

    assert refused.value.fields[0].path == ("transcriptions_configuration", "hints")
    assert "has 501 entries; give up to 500" in refused.value.fields[0].message
