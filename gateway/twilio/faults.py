"""Turns Twilio's error responses into the gateway's errors. Does no I/O.

Twilio's own messages are not passed on, because they quote names and paths. Ours say
what to do. Codes: https://www.twilio.com/docs/api/errors
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
    FieldViolation,
    GatewayError,
    InvalidArgument,
    NotFound,
    QuotaExceeded,
    Reason,
    TwilioFault,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.core.outcomes import (
    NAME_TAKEN,
    NOT_FOUND,
    PARTICIPANT_LEFT,
    ROOM_ENDED,
)

# The longest that a Retry-After is obeyed. Twilio's quota is per second, so a longer
# wait has no reason.
RETRY_AFTER_LIMIT_S: Final = 60

_BODY_LIMIT: Final = 64 * 1024  # bytes
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_MORE_INFO: Final = re.compile(r"https://www\.twilio\.com/docs/[A-Za-z0-9/_-]{1,100}")


class Meaning(NamedTuple):
    """The error that one of Twilio's codes or statuses stands for.

    With a `field`, the message continues a sentence that begins with the field: see
    `FieldViolation`. Without a `reason`, the error has the default reason of its kind.
    """

    error: type[GatewayError]
    message: str
    reason: Reason | None = None
    field: str | None = None

    @property
    def text(self) -> str:
        """The message as a sentence, with core's names of fields."""
        return self.build(None, None).message

    def build(self, twilio: TwilioFault | None, retry_after_ms: int | None) -> GatewayError:
        fields = () if self.field is None else (FieldViolation((self.field,), self.message),)
        return self.error(
            self.message,
            reason=self.reason,
            fields=fields,
            retry_after_ms=retry_after_ms,
            twilio=twilio,
        )


_NOT_FOUND = Meaning(NotFound, NOT_FOUND[Reason.NOT_FOUND])
_OVER_QUOTA = Meaning(QuotaExceeded, "Twilio's request quota is used up: try again later")
_REFUSED = Meaning(
    UpstreamRejected, "Twilio refused the request: look up its code in Twilio's error dictionary"
)
_BAD_CREDENTIALS = Meaning(
    UpstreamRejected, "Twilio refused the gateway's credentials: the operator must check them"
)
_SERVER_ERROR = Meaning(
    UpstreamUnavailable, "Twilio could not process the request: try again later"
)
_REDIRECT = Meaning(
    UpstreamUnavailable,
    "Twilio's base URL answers with a redirect: the operator must check the URL",
)
_BAD_IDENTITY = Meaning(
    InvalidArgument,
    "is refused by Twilio: use another one of up to 128 characters",
    field="identity",
)
_EXPIRED_PAGE = Meaning(
    CursorExpired, "the page cursor is no longer valid: start again without `page_token`"
)

# By Twilio's error code.
MEANINGS: Final[Mapping[int, Meaning]] = {
    20003: _BAD_CREDENTIALS,
    20404: _NOT_FOUND,
    20429: _OVER_QUOTA,
    21481: _EXPIRED_PAGE,
    53100: Meaning(InvalidArgument, "is refused by Twilio: use another name", field="unique_name"),
    53101: Meaning(InvalidArgument, "is too long: use up to 128 characters", field="unique_name"),
    53102: Meaning(
        InvalidArgument,
        "has a character that Twilio refuses: use another name",
        field="unique_name",
    ),
    53103: Meaning(UpstreamUnavailable, "Twilio could not create the room: try again later"),
    53105: Meaning(FailedPrecondition, "the room is full: wait until a participant leaves"),
    53106: Meaning(NotFound, NOT_FOUND[Reason.ROOM_NOT_FOUND], Reason.ROOM_NOT_FOUND),
    53107: Meaning(
        InvalidArgument,
        "is out of range for the type of room: use a lower number",
        field="max_participants",
    ),
    53108: Meaning(
        InvalidArgument, "is refused by Twilio: leave it out or use `RoomType.GROUP`", field="type"
    ),
    # The code does not say which of the two.
    53109: Meaning(
        InvalidArgument,
        "`empty_room_timeout` or `unused_room_timeout` is out of range: use 1 to 60 minutes",
    ),
    # The gateway sets both StatusCallback parameters itself, so a caller cannot fix
    # them.
    53110: Meaning(
        UpstreamRejected, "Twilio refuses the gateway's StatusCallbackMethod: report this bug"
    ),
    53111: Meaning(
        UpstreamRejected,
        "Twilio refuses the gateway's callback URL: the operator must check the public URL",
    ),
    53112: Meaning(FailedPrecondition, ROOM_ENDED, Reason.ROOM_ALREADY_ENDED),
    53113: Meaning(AlreadyExists, NAME_TAKEN, Reason.NAME_TAKEN),
    53114: Meaning(
        InvalidArgument,
        "a parameter does not fit the type of room: leave it out or use another `type`",
    ),
    53115: Meaning(
        InvalidArgument,
        "is unknown to Twilio: use one such as us1, ie1 or gll",
        field="media_region",
    ),
    53116: Meaning(
        InvalidArgument, "has no media servers: use another region", field="media_region"
    ),
    53117: Meaning(InvalidArgument, "rooms of this type have no subscribe rules: use a group room"),
    53118: Meaning(FailedPrecondition, ROOM_ENDED, Reason.ROOM_ALREADY_ENDED),
    53119: Meaning(
        QuotaExceeded,
        "the account has its maximum of rooms in progress: complete some and try again",
    ),
    53120: Meaning(
        InvalidArgument, "Twilio refuses the recording rules: check the filters of each rule"
    ),
    53122: Meaning(InvalidArgument, "rooms of this type cannot be recorded: use a group room"),
    53123: Meaning(
        InvalidArgument,
        "is out of range: use 600 to 86400 seconds",
        field="max_participant_duration",
    ),
    53124: Meaning(
        InvalidArgument,
        "is possible in group rooms only: leave it out, or use `RoomType.GROUP` as `type`",
        field="audio_only",
    ),
    53125: Meaning(InvalidArgument, "the room is audio-only: leave video out"),
    53126: Meaning(
        InvalidArgument, "is closed to new accounts: use `RoomType.GROUP`", field="type"
    ),
    53127: Meaning(InvalidArgument, "is closed to new accounts: leave it out", field="audio_only"),
    53200: _BAD_IDENTITY,
    53201: _BAD_IDENTITY,
    53202: _BAD_IDENTITY,
    53204: Meaning(NotFound, NOT_FOUND[Reason.PARTICIPANT_NOT_FOUND], Reason.PARTICIPANT_NOT_FOUND),
    53206: Meaning(
        QuotaExceeded,
        "the account has its maximum of participants: try again when some have left",
    ),
    # The gateway sends no other status than disconnected, so the participant's own
    # status is the reason.
    53209: Meaning(FailedPrecondition, PARTICIPANT_LEFT, Reason.PARTICIPANT_ALREADY_LEFT),
    53215: Meaning(
        InvalidArgument, "Twilio refuses the subscribe rules: check the filters of each rule"
    ),
    53676: Meaning(
        QuotaExceeded,
        "the account has its maximum of transcriptions: stop some and try again later",
    ),
    70002: _EXPIRED_PAGE,
}

_BY_STATUS: Final[Mapping[int, Meaning]] = {
    401: _BAD_CREDENTIALS,
    403: _BAD_CREDENTIALS,
    404: _NOT_FOUND,
    429: _OVER_QUOTA,
}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Returns the error that a response with a status other than 2xx stands for.

    The code in the body decides. The status decides if there is no code or an unknown
    one, because Twilio documents its codes and not their statuses. `twilio` of the
    error has both. `retry_after_ms` comes from the Retry-After header, at most
    `RETRY_AFTER_LIMIT_S`. Any body is accepted.
    """
    document = _parse(body)
    code = _code(document.get("code"))
    more_info = document.get("more_info")
    safe_more_info = (
        more_info if isinstance(more_info, str) and _MORE_INFO.fullmatch(more_info) else None
    )
    meaning = MEANINGS.get(code or 0) or _by_status(status)
    return meaning.build(
        TwilioFault(code, status, safe_more_info),
        _retry_after_ms(headers) if meaning.error in (QuotaExceeded, UpstreamUnavailable) else None,
    )


def _by_status(status: int) -> Meaning:
    if status >= 500 or status < 300:
        return _SERVER_ERROR
    return _REDIRECT if status < 400 else _BY_STATUS.get(status, _REFUSED)


def _parse(body: bytes) -> Mapping[str, object]:
    if len(body) > _BODY_LIMIT:
        return {}
    try:
        document = msgspec.json.decode(body)
    # The decoder also raises ValueError for bad UTF-8 and RecursionError for deep
    # nesting.
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _code(value: object) -> int | None:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    # Twilio's codes have five digits. The bound keeps others within 32 bits.
    return value if type(value) is int and 0 < value < 10**9 else None


def _retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """Returns the wait that Retry-After asks for, or None.

    A date is compared with the response's own Date, so no clock is needed.
    """
    lower = {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in ("retry-after", "date")
    }
    retry_after = lower.get("retry-after", "").strip()
    if _WHOLE_NUMBER.fullmatch(retry_after):
        wait_s = float(retry_after)
    else:
        until, responded_at = _http_date(retry_after), _http_date(lower.get("date", ""))
        if until is None or responded_at is None:
            return None
        wait_s = (until - responded_at).total_seconds()
    return round(min(max(wait_s, 0), RETRY_AFTER_LIMIT_S) * 1000)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
