"""Enums of inputs."""

from enum import Enum

import pytest

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema.input_enums import CORE_ENUMS, core_member

# Values that Twilio has and a caller cannot send there.
LEFT_OUT = {
    "MediaCodecInput": {"PCMU"},
    "TranscriptionStatusInput": {"FAILED"},
}


@pytest.mark.parametrize("enum", CORE_ENUMS, ids=lambda enum: enum.__name__)
def test_an_enum_of_inputs_has_the_values_of_core_without_unknown(enum: type[Enum]) -> None:
    names = set(CORE_ENUMS[enum].__members__) - {"UNKNOWN"} - LEFT_OUT.get(enum.__name__, set())

    assert set(enum.__members__) == names
    assert all(core_member(member) is CORE_ENUMS[enum][member.name] for member in enum)


def test_no_input_accepts_the_value_unknown() -> None:
    enums = [
        argument.type
        for type_ in EXECUTABLE_SCHEMA.type_map.values()
        for field in getattr(type_, "fields", {}).values()
        for argument in [*getattr(field, "args", {}).values(), field]
        if argument is not field or type_.name.endswith("Input")
    ]

    assert not [enum for enum in enums if "UNKNOWN" in getattr(enum, "values", {})]
