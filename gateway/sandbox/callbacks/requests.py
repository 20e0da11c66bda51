"""Status callbacks: parameters, signature, target URL and retry rules. Does no I/O.

https://www.twilio.com/docs/video/api/status-callbacks
https://www.twilio.com/docs/usage/security#validating-requests
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from gateway.sandbox.world.model import Event, EventName, Participant, ParticipantStatus

Params = list[tuple[str, str]]


class Failure(StrEnum):
    """Why an attempt failed, in the values of the override `rp`.

    `ct`: no connection. `rt`: no response in time. `4xx` and `5xx`: the status.
    """

    CONNECT = "ct"
    READ = "rt"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a callback is retried, and its timeouts.

    The defaults are Twilio's: one retry, only if no connection could be made, and 15 s
    for all attempts together.
    """

    retries: int = 1
    retry_on: frozenset[Failure] = frozenset({Failure.CONNECT})
    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """The target of a callback.

    `url` is what is called and signed. It has no user, password or fragment.
    """

    url: str
    user: str | None
    password: str
    policy: RetryPolicy


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A callback as an HTTP request. The `url` of a GET already has the parameters."""

    method: str
    url: str
    body: str
    signature: str


def parse_target(status_callback: str) -> CallbackTarget:
    """Splits a `StatusCallback` into the URL, the credentials and the retry policy."""
    parts = urlsplit(status_callback)
    _, _, host_and_port = parts.netloc.rpartition("@")
    url = urlunsplit((parts.scheme, host_and_port, parts.path, parts.query, ""))
    user = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password or "")
    return CallbackTarget(url, user, password, parse_retry_policy(parts.fragment))


def parse_retry_policy(fragment: str) -> RetryPolicy:
    """Parses connection overrides such as `rc=5&rp=all&ct=1000&rt=2500`.

    Unknown names and values out of range are ignored, as Twilio ignores them.
    """
    fields = dict(field.partition("=")[::2] for field in fragment.split("&"))

    def number(name: str, minimum: int, maximum: int, default: float) -> float:
        text = fields.get(name, "")
        is_number = len(text) <= 9 and text.isascii() and text.isdigit()
        return float(text) if is_number and minimum <= int(text) <= maximum else default

    default = RetryPolicy()
    names = [name for name in fields.get("rp", "").split(",") if name in (*Failure, "all")]
    retry_on = frozenset(Failure) if "all" in names else frozenset(Failure(name) for name in names)
    return RetryPolicy(
        retries=int(number("rc", 0, 5, default.retries)),
        retry_on=retry_on or default.retry_on,
        connect_s=number("ct", 100, 10_000, default.connect_s * 1000) / 1000,
        read_s=number("rt", 100, 15_000, default.read_s * 1000) / 1000,
        total_s=number("tt", 100, 15_000, default.total_s * 1000) / 1000,
    )


def failure_of(status: int) -> Failure | None:
    """Returns the failure of a status, or None for a delivery.

    A redirect counts as a delivery: Twilio does not follow a callback's redirect.
    """
    if status >= 500:
        return Failure.SERVER_ERROR
    return Failure.CLIENT_ERROR if status >= 400 else None


def build_request(method: str, url: str, params: Params, auth_token: str) -> CallbackRequest:
    """Returns the signed request.

    A POST has the parameters in its body, a GET in its URL.
    """
    encoded = urlencode(params, quote_via=quote)
    if method == "GET":
        url = f"{url}{'&' if urlsplit(url).query else '?'}{encoded}"
        return CallbackRequest(method, url, "", sign(url, (), auth_token))
    return CallbackRequest(method, url, encoded, sign(url, params, auth_token))


def sign(url: str, form: Iterable[tuple[str, str]], auth_token: str) -> str:
    """Returns the value of `X-Twilio-Signature`.

    It covers the URL as it is called, followed by the name and value of each field. The
    fields are sorted by name and value, without duplicates and without separators.
    """
    message = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(auth_token.encode(), message.encode(), "sha1")).decode()


def event_params(event: Event) -> Params:
    """Returns the parameters of an event, in the order of Twilio's published sample."""
    room = event.room
    fields: Params = [
        ("RoomSid", room.sid),
        ("RoomName", room.name),
        ("RoomType", room.settings.type),
    ]
    if event.recording:
        fields += _recording_params(event)
    else:
        fields += [("RoomStatus", room.status), ("SequenceNumber", str(event.sequence))]
        if event.participant:
            fields += _participant_params(event.participant)
        if event.track:
            fields += [("TrackSid", event.track.sid), ("TrackKind", event.track.kind)]
        if event.name is EventName.PARTICIPANT_DISCONNECTED and event.participant:
            fields.append(("ParticipantDuration", str(event.participant.duration_s)))
        if event.name is EventName.ROOM_ENDED:
            fields.append(("RoomDuration", str(room.duration_s)))
    return [
        *fields,
        ("StatusCallbackEvent", event.name),
        ("Timestamp", timestamp(event.at)),
        ("AccountSid", room.account_sid),
    ]


def timestamp(time: datetime) -> str:
    """Formats a UTC time with milliseconds: `2026-01-02T03:04:05.006Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def _participant_params(participant: Participant) -> Params:
    """Callbacks have two statuses: a reconnecting participant counts as connected."""
    status = (
        ParticipantStatus.CONNECTED
        if participant.left_at is None
        else ParticipantStatus.DISCONNECTED
    )
    return [
        ("ParticipantSid", participant.sid),
        ("ParticipantStatus", status),
        ("ParticipantIdentity", participant.identity),
    ]


def _recording_params(event: Event) -> Params:
    """Twilio's table of recording-* has no SequenceNumber and no RoomStatus."""
    recording, participant = event.recording, event.participant
    if recording is None or participant is None:
        raise ValueError(f"{event.name} needs a recording and its participant")
    uri = f"/v1/Recordings/{recording.sid}"
    fields: Params = [
        ("RecordingSid", recording.sid),
        ("SourceSid", recording.track_sid),
        ("RecordingUri", uri),
        ("ParticipantSid", participant.sid),
        ("ParticipantIdentity", participant.identity),
        ("TrackName", recording.track_name),
        ("Type", recording.kind),
        ("Container", recording.container),
        ("Codec", recording.codec),
        ("OffsetFromTwilioVideoEpoch", str(recording.offset_ms)),
    ]
    if event.name is EventName.RECORDING_COMPLETED:
        fields += [
            ("MediaUri", f"{uri}/Media"),
            ("Duration", str(recording.duration_s)),
            ("Size", str(recording.size)),
            ("MediaExternalLocation", ""),
        ]
    if event.failed_operation:
        fields.append(("FailedOperation", event.failed_operation))
    return fields
