"""API calls that exist on both faces, and checks of their results."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from string import Template
from typing import Any

from tests.flows.scenario import FlowScenario
from tests.rpc.client import Clients, reasons_of, refusal
from tests.running import Gateway, new_sid

INVALID_ARGUMENT = "INVALID_ARGUMENT"
NOT_FOUND = "NOT_FOUND"
FAILED_PRECONDITION = "FAILED_PRECONDITION"
# Every error message must say what to do.
ADVICE = re.compile(
    r"\b(give|set|send|start|retry|remove|use|check|choose|leave|alone|shorten|create|ask|"
    r"nothing is left to do|cannot be changed)\b"
)
# Except the messages of graphql-core for an unknown enum value and an unknown field.
SCHEMA_ERROR = re.compile(r"does not exist in '\w+' enum|not to include unknown field")

MISSING_ROOM, MISSING_PARTICIPANT = new_sid("RM"), new_sid("PA")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call on both faces. A `$name` in `graphql` is a field of the scenario."""

    graphql: str
    grpc: Callable[[Clients, FlowScenario], Awaitable[Any]]

    def document(self, scenario: FlowScenario) -> str:
        return Template(self.graphql).substitute(asdict(scenario), missing_room=MISSING_ROOM)


async def check_rejected(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall, code: str
) -> None:
    """Checks that both faces reject the call with the code and change nothing.

    The gateway must reject an invalid argument without a write request to Twilio.
    """
    before = time.time()
    by_graphql = await gateway.execute_error(call.document(scenario))
    status, info, by_grpc = await refusal(call.grpc(clients, scenario))
    requests = await gateway.sandbox("GET", f"/calls?since={before}")
    writes = [request["status"] for request in requests if request["method"] != "GET"]
    assert status == code, (by_graphql, by_grpc)
    # A mutation has the reason as the code of an error in its payload.
    assert by_graphql.get("reason", by_graphql["code"]) == info.reason, (by_graphql, by_grpc)
    assert info.reason in reasons_of(code)
    for message in (by_graphql["message"], by_grpc):
        assert ADVICE.search(message) or SCHEMA_ERROR.search(message), message
    assert all(write >= 400 for write in writes)
    assert code != INVALID_ARGUMENT or not writes


async def check_accepted(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall
) -> None:
    await gateway.execute(call.document(scenario))
    await call.grpc(clients, scenario)


# Rules are written once, with the names and enum values of GraphQL.

STRING_FILTERS = ("publisher", "track")
ALL = {"type": "INCLUDE", "all": True}
ENUM_PREFIXES = {
    "effect": "TRACK_RULE_EFFECT_",
    "kind": "TRACK_KIND_",
    "priority": "TRACK_PRIORITY_",
}


def rule_to_graphql(rule: dict[str, Any]) -> str:
    """Returns the rule as `include` or `exclude`, or else in Twilio's own words.

    Only in those can a rule say that it is for all tracks, and for some tracks.
    """
    filters = {name: value for name, value in rule.items() if name not in ("type", "all")}
    if rule.get("all", not filters) == (not filters) and ("all" in rule or filters):
        fields = ", ".join(
            f'{name}: "{value}"' if name in STRING_FILTERS else f"{name}: {value}"
            for name, value in filters.items()
        )
        return f"{{{rule['type'].lower()}: {{{fields}}}}}"
    words = ", ".join(
        f"{name}: {str(value).lower()}"
        if isinstance(value, bool)
        else f'{name}: "{value if name in STRING_FILTERS else value.lower()}"'
        for name, value in rule.items()
    )
    return f"{{twilio: {{{words}}}}}"


def rule_to_grpc(kind: type[Any], rule: dict[str, Any]) -> Any:
    renamed = {"effect" if name == "type" else name: value for name, value in rule.items()}
    return kind(
        **{
            name: ENUM_PREFIXES[name] + value if name in ENUM_PREFIXES else value
            for name, value in renamed.items()
        }
    )
