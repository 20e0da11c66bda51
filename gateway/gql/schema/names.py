"""The names of core's fields in GraphQL. Does no I/O.

GraphQL writes names in camel case. It also says the unit of a number, and a boolean
that describes a state begins with `is`.
"""

import re
from collections.abc import Mapping
from typing import Final

from strawberry.schema.name_converter import HasGraphQLName, NameConverter

NAMES: Final[Mapping[str, str]] = {
    "duration": "durationSeconds",
    "max_participant_duration": "maxParticipantDurationSeconds",
    "total_participant_duration": "totalParticipantDurationSeconds",
    "total_recording_duration": "totalRecordingDurationSeconds",
    "ttl_s": "ttlSeconds",
    "empty_room_timeout": "emptyRoomTimeoutMinutes",
    "unused_room_timeout": "unusedRoomTimeoutMinutes",
    "size": "sizeBytes",
    "offset": "offsetMs",
    "audio_only": "isAudioOnly",
    "large_room": "isLargeRoom",
    "late": "isLate",
    "muted": "isMuted",
    "recording_enabled": "isRecordingEnabled",
}
"""Core's names that camel case alone does not turn into the name in the schema."""

_ARGUMENTS: Final[Mapping[str, str]] = {
    "page_size": "first",
    "page_token": "after",
    "ttid": "transcription",
}
"""Core's names of values that are arguments with another name in GraphQL."""


_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def graphql_name(field: str) -> str:
    """Returns GraphQL's name of a field, an argument or an enum's value, given core's
    name."""
    if "." in field:
        return field.rpartition(".")[2]
    return _ARGUMENTS.get(field) or schema_name(field)


def schema_name(field: str) -> str:
    """Returns the name in the schema of an attribute with this name."""
    return NAMES.get(field) or camel_case(field)


def schema_path(path: str) -> str:
    """Returns where the schema shows the field of core at this path.

    `container_format` is `containerFormat`, `rules[1].type` is `rules[1].effect`.
    """
    shown = _NAME.sub(lambda match: schema_name(match[0]), path)
    if path.startswith("rules["):
        return re.sub(r"\.type$", ".effect", shown)
    return f"twilio.{shown}" if shown.startswith("statusCallback") else shown


def camel_case(name: str) -> str:
    """Returns a name in snake case in camel case."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


class GraphQLNames(NameConverter):
    """Names the fields and arguments of the schema that have no explicit name."""

    def get_graphql_name(self, obj: HasGraphQLName) -> str:
        return obj.graphql_name or schema_name(obj.python_name)
