"""The table of operations. Does no I/O.

It has the 30 operations of Video v1 and Insights on rooms, and the media of recordings.
"""

from collections.abc import Callable

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest.requests import RestRequest, RestResponse
from gateway.sandbox.rest.resources import (
    insights,
    participants,
    recordings,
    rooms,
    rules,
    tracks,
    transcriptions,
)
from gateway.sandbox.world.world import World

# Its arguments are the world, the request, and one string for each `{}` of the path.
Operation = Callable[..., RestResponse]

ROUTES: dict[str, dict[str, Operation]] = {
    "Rooms": {"GET": rooms.read, "POST": rooms.create},
    "Rooms/{}": {"GET": rooms.fetch, "POST": rooms.update},
    "Rooms/{}/Participants": {"GET": participants.read},
    "Rooms/{}/Participants/{}": {"GET": participants.fetch, "POST": participants.update},
    "Rooms/{}/Participants/{}/Anonymize": {"POST": participants.anonymize},
    "Rooms/{}/Participants/{}/PublishedTracks": {"GET": tracks.read_published},
    "Rooms/{}/Participants/{}/PublishedTracks/{}": {"GET": tracks.fetch_published},
    "Rooms/{}/Participants/{}/SubscribedTracks": {"GET": tracks.read_subscribed},
    "Rooms/{}/Participants/{}/SubscribedTracks/{}": {"GET": tracks.fetch_subscribed},
    "Rooms/{}/Participants/{}/SubscribeRules": {
        "GET": rules.fetch_subscribe,
        "POST": rules.update_subscribe,
    },
    "Rooms/{}/RecordingRules": {"GET": rules.fetch_recording, "POST": rules.update_recording},
    "Rooms/{}/Recordings": {"GET": recordings.read_of_room},
    "Rooms/{}/Recordings/{}": {
        "GET": recordings.fetch_of_room,
        "DELETE": recordings.delete_of_room,
    },
    "Rooms/{}/Recordings/{}/Media": {"GET": recordings.media_of_room},
    "Rooms/{}/Transcriptions": {"GET": transcriptions.read, "POST": transcriptions.create},
    "Rooms/{}/Transcriptions/{}": {"GET": transcriptions.fetch, "POST": transcriptions.update},
    "Recordings": {"GET": recordings.read},
    "Recordings/{}": {"GET": recordings.fetch, "DELETE": recordings.delete},
    "Recordings/{}/Media": {"GET": recordings.media},
    "Video/Rooms": {"GET": insights.read},
    "Video/Rooms/{}": {"GET": insights.fetch},
    "Video/Rooms/{}/Participants": {"GET": insights.read_participants},
    "Video/Rooms/{}/Participants/{}": {"GET": insights.fetch_participant},
}

_ROUTES = [(path.split("/"), operations) for path, operations in ROUTES.items()]


class Rest:
    """Handles requests. Raises `TwilioError` for a request that Twilio refuses."""

    def __init__(self, world: World) -> None:
        self._world = world

    def handle(self, request: RestRequest) -> RestResponse:
        for path, operations in _ROUTES:
            refs = _match(path, request.segments)
            if refs is None:
                continue
            if request.method not in operations:
                # https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
                return RestResponse(
                    405, TwilioError(20004).body(), {"Allow": ", ".join(operations)}
                )
            return operations[request.method](self._world, request, *refs)
        raise request.not_found()


def _match(path: list[str], segments: tuple[str, ...]) -> list[str] | None:
    """Returns the segments in place of `{}`, or None if the path does not match."""
    if len(path) != len(segments):
        return None
    pairs = list(zip(path, segments, strict=True))
    if any(name not in ("{}", segment) for name, segment in pairs):
        return None
    return [segment for name, segment in pairs if name == "{}"]
