"""Status callbacks: their parameters, signature, address and rules of retrying. Does no I/O.

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
    """Why an attempt did not do, in the words of `rp`: no connection, no answer in time, or a status."""

    CONNECT = "ct"
    READ = "rt"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Twilio's defaults: one retry, when no connection came about, and 15 s for everything together."""

    retries: int = 1
    retry_on: frozenset[Failure] = frozenset({Failure.CONNECT})
    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a callback goes. `url` is what is called and signed: without user, password and fragment."""

    url: str
    user: str | None
    password: str
    policy: RetryPolicy


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """`url` already holds the parameters of a GET."""

    method: str
    url: str
    body: str
    signature: str


def target(status_callback: str) -> Target:
    parts = urlsplit(status_callback)
    _, _, place = parts.netloc.rpartition("@")
    url = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
    user = unquote(parts.username) if parts.username is not None else None
    return Target(url, user, unquote(parts.password or ""), retry_policy(parts.fragment))


def retry_policy(fragment: str) -> RetryPolicy:
    """`rc=5&rp=all&ct=1000&rt=2500`. What is unknown or out of range changes nothing, as in Twilio."""
    fields = dict(field.partition("=")[::2] for field in fragment.split("&"))

    def number(name: str, least: int, most: int, default: float) -> float:
        text = fields.get(name, "")
        is_number = text.isascii() and text.isdigit()
        return float(text) if is_number and least <= int(text) <= most else default

    default = RetryPolicy()
    words = [word for word in fields.get("rp", "").split(",") if word in (*Failure, "all")]
    chosen = frozenset(Failure) if "all" in words else frozenset(Failure(word) for word in words)
    return RetryPolicy(
        retries=int(number("rc", 0, 5, default.retries)),
        retry_on=chosen or default.retry_on,
        connect_s=number("ct", 100, 10_000, default.connect_s * 1000) / 1000,
        read_s=number("rt", 100, 15_000, default.read_s * 1000) / 1000,
        total_s=number("tt", 100, 15_000, default.total_s * 1000) / 1000,
    )


def failure_of(status: int) -> Failure | None:
    """None for an answer that is no reason to call again; Twilio does not follow a callback's redirect."""
    if status >= 500:
        return Failure.SERVER_ERROR
    return Failure.CLIENT_ERROR if status >= 400 else None


def request(method: str, url: str, params: Params, auth_token: str) -> CallbackRequest:
    encoded = urlencode(params, quote_via=quote)
    if method == "GET":
        url = f"{url}{'&' if urlsplit(url).query else '?'}{encoded}"
        return CallbackRequest(method, url, "", sign(url, (), auth_token))
    return CallbackRequest(method, url, encoded, sign(url, params, auth_token))


def sign(url: str, form: Iterable[tuple[str, str]], auth_token: str) -> str:
    """The URL as it is called, then name and value of each field, sorted by both, without doubles or separators."""
    message = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(auth_token.encode(), message.encode(), "sha1")).decode()


def params(event: Event) -> Params:
    """The parameters of an event, in the order in which a published sample had them."""
    room = event.room
    fields: Params = [
        ("RoomSid", room.sid),
        ("RoomName", room.name),
        ("RoomType", room.settings.type),
    ]
    if event.recording:
        fields += _recording(event)
    else:
        fields += [("RoomStatus", room.status), ("SequenceNumber", str(event.sequence))]
        if event.participant:
            fields += _participant(event.participant)
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


def timestamp(moment: datetime) -> str:
    """Milliseconds in UTC: `2026-01-02T03:04:05.006Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _participant(participant: Participant) -> Params:
    """Callbacks know connected and disconnected: who is reconnecting is still there."""
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


def _recording(event: Event) -> Params:
    """Twilio's table for recording-* has neither SequenceNumber nor RoomStatus."""
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
