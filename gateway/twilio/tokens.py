"""Makes Twilio's access tokens, and explains what is wrong with one.

Does no I/O. Times are Unix times in seconds.
https://www.twilio.com/docs/iam/access-tokens
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

import jwt
import msgspec

from gateway.core.rooms import AccountSid
from gateway.core.tokens import TTL_LIMIT_S, Explanation, Problem, TokenFacts, identity_flaw

# Fixed, so that a token cannot choose how it is verified.
ALGORITHM: Final = "HS256"
CONTENT_TYPE: Final = "twilio-fpa;v=1"
# The only region that Video has.
# https://www.twilio.com/docs/video/tutorials/user-identity-access-tokens#api-key-region
DEFAULT_REGION: Final = "us1"

_HEADER: Final[Mapping[str, str]] = {"alg": ALGORITHM, "typ": "JWT", "cty": CONTENT_TYPE}
_ACCOUNT_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY_SID: Final = re.compile(r"SK[0-9a-fA-F]{32}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}")
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999, the last that a datetime holds

_jws = jwt.PyJWS(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An API key of the account that signs tokens.

    Twilio does not let restricted keys make tokens. A key for Video must be of region
    us1. https://www.twilio.com/docs/iam/api-keys
    """

    account_sid: AccountSid
    sid: str
    secret: str = field(repr=False)
    region: str | None = None
    """Goes into the token's header.

    Without it the header has no region, which means us1.
    """


def sign(key: SigningKey, *, identity: str, room: str | None, ttl_s: int, now: float) -> str:
    """Returns a token with which `identity` can join `room`, or any room without one.

    `room` is a name or a SID. The token is valid from `now` for `ttl_s` seconds. It is
    identical to the one that Twilio's helper library makes from the same values in the
    same second.
    """
    now_s = int(now)
    claims = {
        "jti": f"{key.sid}-{now_s}",
        "grants": {"video": {} if room is None else {"room": room}, "identity": identity},
        "iss": key.sid,
        "exp": now_s + ttl_s,
        "nbf": now_s,
        "sub": key.account_sid,
    }
    headers = (
        {"cty": CONTENT_TYPE} if key.region is None else {"cty": CONTENT_TYPE, "twr": key.region}
    )
    return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers=headers)


def explain(
    token: str, key: SigningKey, now: float, room_names: Collection[str] = ()
) -> Explanation:
    """Returns the first problem of the token at the time `now`, or that it is valid.

    `room_names` are the name and the SID of the room that the caller wants to join; if
    they are empty, the token's room is not checked. Never raises.
    """
    decoded = _decode(token)
    if decoded is None:
        return Explanation(
            problem=Problem.NOT_A_JWT,
            sentence="not a JWT: pass the complete token, without quotes or blanks. "
            "A JWT has three base64url parts that are joined by dots, and two of them are JSON",
            facts=TokenFacts(),
        )
    header, claims = decoded
    has_our_key = claims.get("iss") == key.sid and header.get("alg") == ALGORITHM
    facts = _facts(header, claims, is_signed=_is_signed(token, key) if has_our_key else None)
    token_check = _TokenCheck(header, claims, facts, key, now, frozenset(room_names))
    flaw = next((found for check in CHECKS if (found := check(token_check))), None)
    if flaw is None:
        assert facts.expire_time is not None
        sentence = f"valid: expires in {_span(facts.expire_time.timestamp() - now)}"
        return Explanation(problem=None, sentence=sentence, facts=facts)
    return Explanation(problem=flaw.problem, sentence=flaw.sentence, facts=facts)


class _Flaw(NamedTuple):
    problem: Problem
    sentence: str


@dataclass(frozen=True, slots=True, repr=False)
class _TokenCheck:
    """A decoded token, and what it is compared with."""

    header: Mapping[str, object]
    claims: Mapping[str, object]
    facts: TokenFacts
    key: SigningKey
    now: float
    room_names: frozenset[str]


def _decode(token: str) -> tuple[Mapping[str, object], Mapping[str, object]] | None:
    """Returns the header and the claims without verifying them; None if it is not a
    JWT."""
    # PyJWT accepts padding, which a JWT does not have.
    # https://www.rfc-editor.org/rfc/rfc7515#section-2
    if not token.isascii() or "=" in token:
        return None
    try:
        parts = _jws.decode_complete(token, options={"verify_signature": False})
        claims = msgspec.json.decode(parts["payload"])
    # msgspec also raises ValueError for bad UTF-8 and RecursionError for deep nesting.
    except (jwt.InvalidTokenError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return (parts["header"], claims) if isinstance(claims, dict) else None


def _is_signed(token: str, key: SigningKey) -> bool:
    try:
        _jws.decode_complete(token, key.secret, algorithms=[ALGORITHM])
    except jwt.InvalidTokenError:
        return False
    return True


def _facts(
    header: Mapping[str, object], claims: Mapping[str, object], *, is_signed: bool | None
) -> TokenFacts:
    grants = _object(claims.get("grants"))
    region = header.get("twr", DEFAULT_REGION)
    return TokenFacts(
        api_key_sid=_text(claims.get("iss")),
        account_sid=_text(claims.get("sub")),
        region=region if isinstance(region, str) and _REGION.fullmatch(region) else None,
        identity=_text(grants.get("identity")),
        room=_text(_object(grants.get("video")).get("room")),
        begin_time=_moment(claims.get("nbf")),
        expire_time=_moment(claims.get("exp")),
        is_signed=is_signed,
    )


def _check_header(token: _TokenCheck) -> _Flaw | None:
    wrong = [
        f"{name} must be {value}"
        for name, value in _HEADER.items()
        if token.header.get(name) != value
    ]
    if not wrong:
        return None
    return _Flaw(
        Problem.WRONG_HEADER,
        f"wrong header: {', '.join(wrong)}. Make the token with this gateway or Twilio's library",
    )


def _check_account(token: _TokenCheck) -> _Flaw | None:
    if token.facts.account_sid == token.key.account_sid:
        return None
    quoted = _quoted(token.facts.account_sid, _ACCOUNT_SID)
    return _Flaw(
        Problem.OTHER_ACCOUNT,
        f"made for another account{quoted}: make it for {token.key.account_sid}",
    )


def _check_region(token: _TokenCheck) -> _Flaw | None:
    ours = token.key.region or DEFAULT_REGION
    if token.facts.region == ours:
        return None
    quoted = _quoted(token.facts.region, _REGION)
    return _Flaw(
        Problem.OTHER_REGION,
        f"made for another region{quoted}: make it with an API key of region {ours}",
    )


def _check_api_key(token: _TokenCheck) -> _Flaw | None:
    if token.facts.api_key_sid == token.key.sid:
        return None
    quoted = _quoted(token.facts.api_key_sid, _KEY_SID)
    return _Flaw(
        Problem.OTHER_API_KEY,
        f"made with another API key{quoted} than {token.key.sid}, which is the only one that can "
        "be verified here: Twilio accepts it only if it is a key of the same account",
    )


def _check_signature(token: _TokenCheck) -> _Flaw | None:
    if token.facts.is_signed:
        return None
    return _Flaw(
        Problem.BAD_SIGNATURE,
        f"bad signature: not signed with the secret of API key {token.key.sid}, or changed since. "
        "Check the secret where the token is made",
    )


def _check_expiry(token: _TokenCheck) -> _Flaw | None:
    expire_time = token.facts.expire_time
    if expire_time is None:
        return _Flaw(
            Problem.BAD_EXPIRY,
            "exp is missing or not a time: set it to the Unix time at which the token expires",
        )
    if expire_time.timestamp() <= token.now:
        return _Flaw(
            Problem.EXPIRED,
            f"expired {_span(token.now - expire_time.timestamp())} ago: "
            "make a new one shortly before it is used",
        )
    if _is_unreadable(token.claims, "iat"):
        return _Flaw(
            Problem.BAD_EXPIRY,
            "iat is not a time: set it to the Unix time in seconds at which the token is made, "
            "or leave it out",
        )
    made_at = _moment(token.claims.get("iat")) or token.facts.begin_time
    lifetime_s = expire_time.timestamp() - (token.now if made_at is None else made_at.timestamp())
    if lifetime_s > TTL_LIMIT_S:
        return _Flaw(
            Problem.BAD_EXPIRY,
            f"valid for {round(lifetime_s)} seconds, but Twilio accepts at most {TTL_LIMIT_S}: "
            "make one with a shorter ttl",
        )
    return None


def _check_not_before(token: _TokenCheck) -> _Flaw | None:
    if _is_unreadable(token.claims, "nbf"):
        return _Flaw(
            Problem.NOT_YET_VALID,
            "nbf is not a time: set it to the Unix time in seconds from which the token is valid, "
            "or leave it out",
        )
    begin_time = token.facts.begin_time
    if begin_time is None or begin_time.timestamp() <= token.now:
        return None
    return _Flaw(
        Problem.NOT_YET_VALID,
        f"not yet valid: begins in {_span(begin_time.timestamp() - token.now)}. "
        "Check the clock of the machine that made it",
    )


def _check_identity(token: _TokenCheck) -> _Flaw | None:
    if not token.facts.identity:
        return _Flaw(
            Problem.NO_IDENTITY,
            "no identity in its grants: name the participant when the token is made",
        )
    flaw = identity_flaw(token.facts.identity)
    return None if flaw is None else _Flaw(Problem.BAD_IDENTITY, f"its identity {flaw}")


def _check_video_grant(token: _TokenCheck) -> _Flaw | None:
    video = _object(token.claims.get("grants")).get("video")
    if not isinstance(video, dict):
        return _Flaw(
            Problem.NO_VIDEO_GRANT, "no video grant: add a VideoGrant when the token is made"
        )
    if not isinstance(video.get("room", ""), str):
        return _Flaw(
            Problem.NO_VIDEO_GRANT,
            "the room in its video grant is not a text: use a name or a SID",
        )
    return None


def _check_room(token: _TokenCheck) -> _Flaw | None:
    # Twilio's libraries omit an empty room, so it means any room.
    if not token.room_names or not token.facts.room or token.facts.room in token.room_names:
        return None
    return _Flaw(
        Problem.OTHER_ROOM, "its video grant is for another room: make a token for this one"
    )


# In this order each check can rely on those before it. A token of another account,
# region or key cannot be verified here. Without a valid signature no claim can be
# trusted. The grants of a token that is not valid now do not matter.
CHECKS: Final[tuple[Callable[[_TokenCheck], _Flaw | None], ...]] = (
    _check_header,
    _check_account,
    _check_region,
    _check_api_key,
    _check_signature,
    _check_expiry,
    _check_not_before,
    _check_identity,
    _check_video_grant,
    _check_room,
)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_unreadable(claims: Mapping[str, object], name: str) -> bool:
    """Whether the claim is there and is no time, for example one in milliseconds."""
    return name in claims and _moment(claims[name]) is None


def _moment(value: object) -> datetime | None:
    """Returns the time of a NumericDate, which may have a fraction; None for another
    value.

    https://www.rfc-editor.org/rfc/rfc7519#section-2
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value <= _LAST_SECOND
    ):
        return None
    return datetime.fromtimestamp(value, UTC)


def _quoted(text: str | None, form: re.Pattern[str]) -> str:
    """Returns the text in parentheses if it has the form that it should have."""
    return f" ({text})" if text is not None and form.fullmatch(text) else ""


def _span(seconds: float) -> str:
    """Returns the time in its two largest units, rounded down: 3 hours 59 minutes."""
    parts, rest_s = [], int(seconds)
    for unit, size_s in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest_s = divmod(rest_s, size_s)
        if count:
            parts.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
        elif parts:
            break
    return " ".join(parts[:2]) or "less than a second"
