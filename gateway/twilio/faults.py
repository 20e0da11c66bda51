"""Twilio's error answers as errors of ours. Does no I/O.

Twilio's own messages are not passed on: they quote names and paths. Ours say what to do.
Codes: https://www.twilio.com/docs/api/errors
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import msgspec

from gateway.core.errors import (
    AlreadyExists,
    CursorExpired,
    FailedPrecondition,
    GatewayError,
    InvalidArgument,
    NotFound,
    QuotaExceeded,
    TwilioFault,
    UpstreamRejected,
    UpstreamUnavailable,
)

RETRY_AFTER_LIMIT_S: Final = 60
"""Twilio counts by the second; a header that asks for more than this would keep us away for no reason."""

_BODY_LIMIT: Final = 64 * 1024
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_MORE_INFO: Final = re.compile(r"https://www\.twilio\.com/docs/[A-Za-z0-9/_-]{1,100}")


class Meaning(NamedTuple):
    error: type[GatewayError]
    message: str


_NOT_FOUND = Meaning(
    NotFound, "Twilio knows nothing under this SID or name; check it, or whether it has ended"
)
_BUSY = Meaning(QuotaExceeded, "Twilio's limit of requests is reached; try again a little later")
_REFUSED = Meaning(
    UpstreamRejected, "Twilio refused the request; look its code up in Twilio's error dictionary"
)
_NO_ENTRY = Meaning(
    UpstreamRejected, "Twilio refused the gateway's credentials; the operator must check them"
)
_DOWN = Meaning(
    UpstreamUnavailable, "Twilio failed to answer the request; try again a little later"
)
_MOVED = Meaning(
    UpstreamUnavailable,
    "Twilio's address answers with a redirect; the operator must check the base URL",
)
_BAD_IDENTITY = Meaning(
    InvalidArgument, "Twilio refuses the identity; give another, of up to 128 characters"
)

BY_CODE: Final[Mapping[int, Meaning]] = {
    20003: _NO_ENTRY,
    20404: _NOT_FOUND,
    20429: _BUSY,
    21481: Meaning(
        CursorExpired, "Twilio knows this page no more; begin the list again without `after`"
    ),
    53100: Meaning(InvalidArgument, "Twilio refuses uniqueName; choose another name"),
    53101: Meaning(InvalidArgument, "uniqueName is too long; give up to 128 characters"),
    53102: Meaning(
        InvalidArgument, "uniqueName holds a character that Twilio refuses; choose another name"
    ),
    53103: Meaning(
        UpstreamUnavailable, "Twilio was unable to create the room; try again a little later"
    ),
    53105: Meaning(FailedPrecondition, "the room is full; wait until somebody leaves"),
    53106: _NOT_FOUND,
    53107: Meaning(
        InvalidArgument, "maxParticipants is out of range for the room's type; give less"
    ),
    53108: Meaning(
        InvalidArgument, "Twilio refuses this room type; leave type out or choose group"
    ),
    53109: Meaning(
        InvalidArgument,
        "emptyRoomTimeout or unusedRoomTimeout is out of range; give 1 to 60 minutes",
    ),
    # The two StatusCallback parameters are the gateway's own: the caller did not send them and cannot mend them.
    53110: Meaning(
        UpstreamRejected, "Twilio refuses the gateway's StatusCallbackMethod; report this as a bug"
    ),
    53111: Meaning(
        UpstreamRejected,
        "Twilio refuses the gateway's callback URL; the operator must check its public URL",
    ),
    53112: Meaning(
        FailedPrecondition, "the room is not in progress any more; it cannot be changed"
    ),
    53113: Meaning(
        AlreadyExists,
        "a room in progress has this uniqueName; use that room or choose another name",
    ),
    53114: Meaning(
        InvalidArgument,
        "a parameter does not fit the room's type; leave it out or choose another type",
    ),
    53115: Meaning(
        InvalidArgument, "mediaRegion is not known to Twilio; give one such as us1, ie1 or gll"
    ),
    53116: Meaning(InvalidArgument, "mediaRegion has no media servers; choose another region"),
    53117: Meaning(InvalidArgument, "rooms of this type have no subscribe rules; use a group room"),
    53118: Meaning(FailedPrecondition, "the room is completed; create a new one"),
    53119: Meaning(
        QuotaExceeded,
        "the account has as many rooms in progress as it may; complete some and try again",
    ),
    53120: Meaning(
        InvalidArgument, "Twilio refuses the recording rules; check each rule's filters"
    ),
    53122: Meaning(InvalidArgument, "rooms of this type cannot record; use a group room"),
    53123: Meaning(
        InvalidArgument, "maxParticipantDuration is out of range; give 600 to 86400 seconds"
    ),
    53124: Meaning(
        InvalidArgument, "only group rooms can be audioOnly; leave audioOnly out or choose group"
    ),
    53125: Meaning(InvalidArgument, "the room is audio-only; leave video out"),
    53126: Meaning(InvalidArgument, "this room type is closed to new accounts; choose group"),
    53127: Meaning(InvalidArgument, "audioOnly is closed to new accounts; leave it out"),
    53200: _BAD_IDENTITY,
    53201: _BAD_IDENTITY,
    53202: _BAD_IDENTITY,
    53204: Meaning(
        NotFound, "there is no such participant; check the SID, or whether it is of another room"
    ),
    53206: Meaning(
        QuotaExceeded,
        "the account has as many participants as it may; try again when some have left",
    ),
    # No other status than disconnected is ever sent, so it is the participant that does not fit it.
    53209: Meaning(
        FailedPrecondition, "the participant is not connected any more; nothing is left to do"
    ),
    53215: Meaning(
        InvalidArgument, "Twilio refuses the subscribe rules; check each rule's filters"
    ),
    53676: Meaning(
        QuotaExceeded,
        "the account has as many transcriptions as it may; stop some and try again a little later",
    ),
    70002: Meaning(
        CursorExpired, "Twilio knows this page no more; begin the list again without `after`"
    ),
}

_BY_STATUS: Final[Mapping[int, Meaning]] = {
    401: _NO_ENTRY,
    403: _NO_ENTRY,
    404: _NOT_FOUND,
    429: _BUSY,
}


def read_fault(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """The error that an answer outside 2xx stands for, whatever its body.

    The code decides; the status only where there is none or none that we know, for Twilio publishes codes and not
    statuses. A failure of Twilio's own (5xx) stays one, except for a code that we know.
    """
    said = _said(body)
    code = _code(said.get("code"))
    more_info = said.get("more_info")
    safe_more_info = (
        more_info if isinstance(more_info, str) and _MORE_INFO.fullmatch(more_info) else None
    )
    meaning = BY_CODE.get(code or 0) or _by_status(status)
    return meaning.error(
        meaning.message,
        retry_after_ms=_retry_after_ms(headers)
        if meaning.error in (QuotaExceeded, UpstreamUnavailable)
        else None,
        twilio=TwilioFault(code, status, safe_more_info),
    )


def _by_status(status: int) -> Meaning:
    if status >= 500 or status < 300:
        return _DOWN
    return _MOVED if status < 400 else _BY_STATUS.get(status, _REFUSED)


def _said(body: bytes) -> Mapping[str, object]:
    if len(body) > _BODY_LIMIT:
        return {}
    try:
        said = msgspec.json.decode(body)
    # Beside its own errors the decoder raises ValueError for bad UTF-8 and RecursionError for a tower of brackets.
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _code(given: object) -> int | None:
    if isinstance(given, str) and _WHOLE_NUMBER.fullmatch(given):
        given = int(given)
    # The bound keeps what we hand on within 32 bits; Twilio's codes have five digits.
    return given if type(given) is int and 0 < given < 10**9 else None


def _retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """What Retry-After asks for, if it can be read. A date is measured from the answer's own Date: no clock is needed."""
    lower = {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in ("retry-after", "date")
    }
    asked = lower.get("retry-after", "").strip()
    if _WHOLE_NUMBER.fullmatch(asked):
        wait_s = float(asked)
    else:
        until, answered_at = _http_date(asked), _http_date(lower.get("date", ""))
        if until is None or answered_at is None:
            return None
        wait_s = (until - answered_at).total_seconds()
    return round(min(max(wait_s, 0), RETRY_AFTER_LIMIT_S) * 1000)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
