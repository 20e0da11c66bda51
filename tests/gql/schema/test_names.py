import pytest

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema.names import NAMES, graphql_name, schema_path


@pytest.mark.parametrize(
    ("core_name", "name"),
    [
        ("sid", "sid"),
        ("max_participants", "maxParticipants"),
        ("duration", "durationSeconds"),
        ("empty_room_timeout", "emptyRoomTimeoutMinutes"),
        ("muted", "isMuted"),
        ("page_size", "first"),
        ("page_token", "after"),
    ],
)
def test_a_name_is_cores_in_camel_case_unless_graphql_has_another_one(
    core_name: str, name: str
) -> None:
    assert graphql_name(core_name) == name


def test_every_name_in_the_table_is_in_the_schema() -> None:
    fields = {
        name
        for type_ in EXECUTABLE_SCHEMA.type_map.values()
        for name, field in getattr(type_, "fields", {}).items()
        for name in (name, *getattr(field, "args", ()))
    }

    assert set(NAMES.values()) <= fields


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("type", "type"),
        ("container_format", "containerFormat"),
        ("video_codecs[1]", "videoCodecs[1]"),
        ("rules[1].type", "rules[1].effect"),
        ("rules[1].kind", "rules[1].kind"),
        ("status_callback_method", "twilio.statusCallbackMethod"),
    ],
)
def test_a_path_of_core_leads_to_the_field_of_the_schema(path: str, shown: str) -> None:
    assert schema_path(path) == shown
