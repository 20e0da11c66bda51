"""One question in the words of both faces, and how a refusal of it must look."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from string import Template
from typing import Any

from gateway.rooms.v1.recording_pb2 import RecordingRule
from tests.flows.scene import Scene
from tests.rpc.client import Clients, refusal
from tests.running import Gateway, new_sid

BAD, LOST, TOO_LATE = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"
IN_GRAPHQL = {BAD: "BAD_USER_INPUT", LOST: "NOT_FOUND", TOO_LATE: "FAILED_PRECONDITION"}
WHAT_TO_DO = re.compile(
    r"\b(give|set|send|start|retry|remove|use|check|choose|leave|alone|shorten|create|ask|"
    r"nothing is left to do|cannot be changed)\b"
)
BY_THE_SCHEMA = re.compile(r"does not exist in '\w+' enum")


@dataclass(frozen=True, slots=True)
class Question:
    """On both faces. In `graphql` a `$name` is the scene's."""

    graphql: str
    grpc: Callable[[Clients, Scene], Awaitable[Any]]

    def document(self, scene: Scene) -> str:
        return Template(self.graphql).substitute(asdict(scene), nowhere=NOWHERE, nobody=DETACHED)


NOWHERE, DETACHED = new_sid("RM"), new_sid("PA")


async def check_refused(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question, code: str
) -> None:
    """Twilio is not asked to change anything by what the gateway can see to be wrong, and has agreed to nothing else."""
    before = time.time()
    by_graphql = await gateway.execute_error(asked.document(scene))
    status, info, by_grpc = await refusal(asked.grpc(clients, scene))
    calls = await gateway.sandbox("GET", f"/calls?since={before}")
    writes = [call["status"] for call in calls if call["method"] != "GET"]
    assert (by_graphql["code"], status, info.reason) == (IN_GRAPHQL[code], code, code), (
        by_graphql,
        by_grpc,
    )
    assert by_graphql.get("twilio", {}).get("code") == (
        int(info.metadata.get("twilioCode", 0)) or None
    )
    for sentence in (by_graphql["message"], by_grpc):
        assert WHAT_TO_DO.search(sentence) or BY_THE_SCHEMA.search(sentence), sentence
    assert all(answered >= 400 for answered in writes)
    assert code is not BAD or not writes


async def check_accepted(gateway: Gateway, clients: Clients, scene: Scene, asked: Question) -> None:
    await gateway.execute(asked.document(scene))
    await asked.grpc(clients, scene)


# A rule is written once, with GraphQL's names and words.

NAMES = ("publisher", "track")
ALL = {"type": "INCLUDE", "all": True}
WORDS = {"type": "RULE_TYPE_", "priority": "TRACK_PRIORITY_"}


def in_graphql(rule: dict[str, Any]) -> str:
    """As GraphQL writes it."""
    parts = ((name, f'"{value}"' if name in NAMES else str(value)) for name, value in rule.items())
    return (
        "{"
        + ", ".join(f"{name}: {value.lower() if name == 'all' else value}" for name, value in parts)
        + "}"
    )


def in_grpc(kind: type[Any], rule: dict[str, Any]) -> Any:
    words = {**WORDS, "kind": "RECORDED_KIND_" if kind is RecordingRule else "TRACK_KIND_"}
    return kind(
        **{name: words[name] + value if name in words else value for name, value in rule.items()}
    )
