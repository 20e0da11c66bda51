"""Twilio's error codes, each with its HTTP status and message. Does no I/O.

Twilio documents the statuses of 20001, 20003, 20404, 20429 and 53120. The status 400 of
the other 53xxx codes is a guess: a client must look at the code.
https://www.twilio.com/docs/api/errors
"""

from typing import Any

ERRORS: dict[int, tuple[int, str]] = {
    20001: (400, "Invalid parameter"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    21481: (400, "Invalid PageToken"),
    53100: (400, "Room name is invalid"),
    53101: (400, "Room name is too long"),
    53102: (400, "Room name contains invalid characters"),
    53105: (400, "Room contains too many Participants"),
    53107: (400, "MaxParticipants is out of range"),
    53108: (400, "RoomType is not valid"),
    53109: (400, "Timeout is out of range"),
    53110: (400, "StatusCallbackMethod is invalid"),
    53111: (400, "StatusCallback is invalid"),
    53112: (400, "Status is invalid"),
    53113: (400, "Room exists"),
    53114: (400, "Invalid parameters for the Room type"),
    53115: (400, "MediaRegion is invalid"),
    53117: (400, "Subscription operations are not supported for the Room type"),
    53118: (400, "Room completed"),
    53119: (400, "The account's quota of concurrent Rooms is exceeded"),
    53120: (400, "Invalid Recording Rule(s)"),
    53122: (400, "Recording operations are not supported for the Room type"),
    53123: (400, "MaxParticipantDuration is out of range"),
    53124: (400, "AudioOnly is not supported for the Room type"),
    53125: (400, "The track's kind is not supported by an audio-only Room"),
    53126: (400, "The Room type is not available to this account"),
    53200: (400, "Participant identity is invalid"),
    53201: (400, "Participant identity is too long"),
    53202: (400, "Participant identity contains invalid characters"),
    53204: (400, "Participant not found"),
    53206: (400, "The account's quota of concurrent Participants is exceeded"),
    53209: (400, "Participant Status is invalid"),
    53215: (400, "Invalid Subscribe Rule(s)"),
    53300: (400, "Track is invalid"),
    53301: (400, "Track name is invalid"),
    53302: (400, "Track name is too long"),
    53303: (400, "Track name contains invalid characters"),
    53304: (400, "Track name is duplicated"),
    53305: (400, "The Room has reached its capacity of published tracks"),
    53676: (400, "The account's quota of transcriptions is exceeded"),
    70002: (400, "Paged requests must include a PageToken"),
}


class TwilioError(Exception):
    """A request that Twilio refuses. The code determines the HTTP status.

    `detail` replaces the code's standard message.
    """

    def __init__(self, code: int, detail: str = "") -> None:
        self.status, message = ERRORS[code]
        self.code = code
        super().__init__(detail or message)

    def body(self) -> dict[str, Any]:
        """Returns the JSON body. https://www.twilio.com/docs/usage/twilios-response"""
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def not_found(*path: str) -> TwilioError:
    """Returns the 404 error of a path below `/v1`, with Twilio's own message."""
    return TwilioError(20404, f"The requested resource /{'/'.join(path)} was not found")
