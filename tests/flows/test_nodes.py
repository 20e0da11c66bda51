"""Objects by the ids that queries return, as a client's cache fetches them again."""

from collections.abc import Iterator
from typing import Any

from tests.flows.scenario import create_flow_scenario
from tests.running import Gateway

ALL = """query($room: ID!, $ended: ID!) {
  room(ref: {sid: $room}) {
    __typename id
    participants(first: 5) { nodes {
      __typename id
      publishedTracks { nodes { __typename id } }
      subscribedTracks { nodes { __typename id } }
      subscribeRules { __typename id }
    } }
    recordings { nodes { __typename id } }
    recordingRules { __typename id }
    transcriptions { nodes { __typename id } }
  }
  ended: insightsRoom(ref: $ended) {
    __typename id
    participants { nodes { __typename id } }
  }
}"""
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


def objects_with_ids(data: Any) -> Iterator[tuple[str, str]]:
    """The id and the type of every object in a response."""
    if isinstance(data, dict):
        if "id" in data:
            yield data["id"], data["__typename"]
        for value in data.values():
            yield from objects_with_ids(value)
    elif isinstance(data, list):
        for item in data:
            yield from objects_with_ids(item)


async def test_every_id_that_a_query_returns_is_found_by_nodes(gateway: Gateway) -> None:
    scenario = await create_flow_scenario(gateway)
    data = await gateway.execute(ALL, room=scenario.room, ended=scenario.ended)
    objects = list(objects_with_ids(data))

    assert {type_ for _, type_ in objects} == {
        "Room",
        "Participant",
        "PublishedTrack",
        "SubscribedTrack",
        "SubscribeRules",
        "Recording",
        "RecordingRules",
        "Transcription",
        "InsightsRoom",
        "InsightsParticipant",
    }
    ids = [id_ for id_, _ in objects]
    assert len(set(ids)) == len(ids), "an id names one object"
    nodes = (await gateway.execute(NODES, ids=ids))["nodes"]
    assert [(node["id"], node["__typename"]) for node in nodes] == objects


async def test_a_ref_takes_the_id_of_the_object(gateway: Gateway) -> None:
    scenario = await create_flow_scenario(gateway)
    participant = f"{scenario.room}:{scenario.participant}"
    data = await gateway.execute(
        """query($room: ID!, $participant: ID!, $track: ID!, $ttid: ID!) {
            participant(room: {sid: $room}, ref: {sid: $participant}) {
                id publishedTrack(ref: {sid: $track}) { id } }
            room(ref: {sid: $room}) { transcription(ref: $ttid) { id } } }""",
        room=scenario.room,
        participant=participant,
        track=f"{participant}:{scenario.published}",
        ttid=f"{scenario.room}:{scenario.ttid}",
    )
    assert data == {
        "participant": {
            "id": participant,
            "publishedTrack": {"id": f"{participant}:{scenario.published}"},
        },
        "room": {"transcription": {"id": f"{scenario.room}:{scenario.ttid}"}},
    }


async def test_viewer_tells_what_the_caller_may_do_and_has_left(gateway: Gateway) -> None:
    data = await gateway.execute(
        "{ viewer { id scopes rooms pointsLimit pointsLeft } gateway { version } }"
    )
    viewer = data["viewer"]
    assert (viewer["id"], viewer["scopes"], viewer["rooms"]) == ("dev", ["ADMIN"], None)
    assert 0 < viewer["pointsLeft"] < viewer["pointsLimit"]
    assert data["gateway"]["version"]
