"""Core's enums in the schema."""

from graphql import GraphQLEnumType

from gateway.core.open_enum import OpenEnum
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA

ENUMS = {
    name: type_
    for name, type_ in EXECUTABLE_SCHEMA.type_map.items()
    if isinstance(type_, GraphQLEnumType)
}


def test_every_open_enum_has_the_value_unknown() -> None:
    open_enums = {cls.__name__ for cls in OpenEnum.__subclasses__()}
    assert open_enums <= ENUMS.keys()
    assert all("UNKNOWN" in ENUMS[name].values for name in open_enums)


def test_values_are_named_as_in_core() -> None:
    assert list(ENUMS["ParticipantStatus"].values) == [
        "CONNECTED",
        "DISCONNECTED",
        "RECONNECTING",
        "UNKNOWN",
    ]
    assert list(ENUMS["MediaCodec"].values) == ["VP8", "VP9", "H264", "OPUS", "PCMU", "UNKNOWN"]


def test_legacy_room_types_are_deprecated_with_a_reason() -> None:
    reasons = {name: value.deprecation_reason for name, value in ENUMS["RoomType"].values.items()}
    assert {name for name, reason in reasons.items() if reason} == {
        "GROUP_SMALL",
        "PEER_TO_PEER",
        "GO",
    }
    assert "use GROUP" in str(reasons["GO"])
