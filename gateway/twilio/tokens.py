"""Twilio's access tokens: making one, and telling what is wrong with one. Does no I/O; the time is an argument.

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

# Pinned: a token does not choose how it is checked.
ALGORITHM: Final = "HS256"
CONTENT_TYPE: Final = "twilio-fpa;v=1"
# Video's only one. https://www.twilio.com/docs/video/tutorials/user-identity-access-tokens#api-key-region
DEFAULT_REGION: Final = "us1"

_HEADER: Final[Mapping[str, str]] = {"alg": ALGORITHM, "typ": "JWT", "cty": CONTENT_TYPE}
_ACCOUNT_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY_SID: Final = re.compile(r"SK[0-9a-fA-F]{32}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}")
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999, the last that a datetime holds

_jws = jwt.PyJWS(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An API key of the account. Restricted keys cannot make tokens, says Twilio, and Video's must be of region us1."""

    account_sid: AccountSid
    sid: str
    secret: str = field(repr=False)
    region: str | None = None
    """Named in the token's header; without it the header has none, which means us1."""


def sign(key: SigningKey, *, identity: str, room: str | None, ttl_s: int, now: float) -> str:
    """The token that Twilio's own library makes of the same values at the same second, to the byte."""
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
    """The first thing that is wrong with the token now, if anything is. Raises on nothing.

    `room_names` are the name and the SID of the room that it is to open; empty for any room that it likes.
    """
    read = _read(token)
    if read is None:
        return Explanation(
            problem=Problem.NOT_A_JWT,
            sentence="not a JWT: three base64url parts joined by dots, of which two hold JSON; "
            "give the token whole, without quotes or blanks",
            facts=TokenFacts(),
        )
    header, claims = read
    is_ours = claims.get("iss") == key.sid and header.get("alg") == ALGORITHM
    facts = _facts(header, claims, is_signed=_is_signed(token, key) if is_ours else None)
    case = _Case(header, claims, facts, key, now, frozenset(room_names))
    flaw = next((found for check in CHECKS if (found := check(case))), None)
    if flaw is None:
        assert facts.expires_at is not None
        sentence = f"valid: expires in {_span(facts.expires_at.timestamp() - now)}"
        return Explanation(problem=None, sentence=sentence, facts=facts)
    return Explanation(problem=flaw.problem, sentence=flaw.sentence, facts=facts)


class _Flaw(NamedTuple):
    problem: Problem
    sentence: str


@dataclass(frozen=True, slots=True, repr=False)
class _Case:
    """A token that could be read, and what it is held against."""

    header: Mapping[str, object]
    claims: Mapping[str, object]
    facts: TokenFacts
    key: SigningKey
    now: float
    room_names: frozenset[str]


def _read(token: str) -> tuple[Mapping[str, object], Mapping[str, object]] | None:
    """Header and claims, unverified."""
    # PyJWT would let padding pass, of which a JWT has none. https://www.rfc-editor.org/rfc/rfc7515#section-2
    if not token.isascii() or "=" in token:
        return None
    try:
        parts = _jws.decode_complete(token, options={"verify_signature": False})
        claims = msgspec.json.decode(parts["payload"])
    # Beside its own errors msgspec raises ValueError for bad UTF-8 and RecursionError for a tower of brackets.
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
    grants = _table(claims.get("grants"))
    region = header.get("twr", DEFAULT_REGION)
    return TokenFacts(
        api_key_sid=_text(claims.get("iss")),
        account_sid=_text(claims.get("sub")),
        region=region if isinstance(region, str) and _REGION.fullmatch(region) else None,
        identity=_text(grants.get("identity")),
        room=_text(_table(grants.get("video")).get("room")),
        begins_at=_moment(claims.get("nbf")),
        expires_at=_moment(claims.get("exp")),
        is_signed=is_signed,
    )


def _has_right_header(case: _Case) -> _Flaw | None:
    wrong = [
        f"{name} must be {value}"
        for name, value in _HEADER.items()
        if case.header.get(name) != value
    ]
    if not wrong:
        return None
    return _Flaw(
        Problem.WRONG_HEADER,
        f"wrong header: {', '.join(wrong)}; let mintAccessToken or Twilio's library make it",
    )


def _is_for_our_account(case: _Case) -> _Flaw | None:
    if case.facts.account_sid == case.key.account_sid:
        return None
    which = _shown(case.facts.account_sid, _ACCOUNT_SID)
    return _Flaw(
        Problem.OTHER_ACCOUNT,
        f"made for another account{which}; make it for {case.key.account_sid}",
    )


def _is_of_our_region(case: _Case) -> _Flaw | None:
    ours = case.key.region or DEFAULT_REGION
    if case.facts.region == ours:
        return None
    which = _shown(case.facts.region, _REGION)
    return _Flaw(
        Problem.OTHER_REGION,
        f"made for another region{which}; make it with an API key of region {ours}",
    )


def _is_of_our_api_key(case: _Case) -> _Flaw | None:
    if case.facts.api_key_sid == case.key.sid:
        return None
    which = _shown(case.facts.api_key_sid, _KEY_SID)
    return _Flaw(
        Problem.OTHER_API_KEY,
        f"made with another API key{which} than {case.key.sid}, the only one that can be checked here; "
        "Twilio takes it only if that is a key of the same account",
    )


def _has_good_signature(case: _Case) -> _Flaw | None:
    if case.facts.is_signed:
        return None
    return _Flaw(
        Problem.BAD_SIGNATURE,
        f"bad signature: signed with another secret than that of API key {case.key.sid}, or changed since; "
        "check the secret where the token is made",
    )


def _ends_in_time(case: _Case) -> _Flaw | None:
    ends = case.facts.expires_at
    if ends is None:
        return _Flaw(
            Problem.BAD_EXPIRY,
            "its exp is missing or is no time; give the seconds since 1970 at which it ends",
        )
    if ends.timestamp() <= case.now:
        return _Flaw(
            Problem.EXPIRED,
            f"expired {_span(case.now - ends.timestamp())} ago; mint a new one, shortly before it is used",
        )
    made = _moment(case.claims.get("iat")) or case.facts.begins_at
    lives_s = ends.timestamp() - (case.now if made is None else made.timestamp())
    if lives_s > TTL_LIMIT_S:
        return _Flaw(
            Problem.BAD_EXPIRY,
            f"lives for {round(lives_s)} seconds, and Twilio takes at most {TTL_LIMIT_S}; mint one with a shorter ttl",
        )
    return None


def _has_begun(case: _Case) -> _Flaw | None:
    begins = case.facts.begins_at
    if begins is None or begins.timestamp() <= case.now:
        return None
    return _Flaw(
        Problem.NOT_YET_VALID,
        f"not yet valid: begins in {_span(begins.timestamp() - case.now)}; check the clock of the machine that made it",
    )


def _has_identity(case: _Case) -> _Flaw | None:
    if not case.facts.identity:
        return _Flaw(
            Problem.NO_IDENTITY,
            "its grants hold no identity; name the participant when the token is made",
        )
    flaw = identity_flaw(case.facts.identity)
    return None if flaw is None else _Flaw(Problem.BAD_IDENTITY, flaw)


def _has_video_grant(case: _Case) -> _Flaw | None:
    video = _table(case.claims.get("grants")).get("video")
    if not isinstance(video, dict):
        return _Flaw(
            Problem.NO_VIDEO_GRANT, "no video grant; add a VideoGrant when the token is made"
        )
    if not isinstance(video.get("room", ""), str):
        return _Flaw(
            Problem.NO_VIDEO_GRANT,
            "its video grant names a room that is no text; give a name or a SID",
        )
    return None


def _opens_the_room(case: _Case) -> _Flaw | None:
    # An empty room in the grant is none: Twilio's libraries leave it out.
    if not case.room_names or not case.facts.room or case.facts.room in case.room_names:
        return None
    return _Flaw(Problem.OTHER_ROOM, "the grant names another room; mint a token for this one")


# From the outside in, each resting on those before it: what another account, region or key made cannot be verified; with
# a bad signature every claim is anybody's word; and what has no force now need not be asked what it permits.
CHECKS: Final[tuple[Callable[[_Case], _Flaw | None], ...]] = (
    _has_right_header,
    _is_for_our_account,
    _is_of_our_region,
    _is_of_our_api_key,
    _has_good_signature,
    _ends_in_time,
    _has_begun,
    _has_identity,
    _has_video_grant,
    _opens_the_room,
)


def _table(given: object) -> Mapping[str, object]:
    return given if isinstance(given, dict) else {}


def _text(given: object) -> str | None:
    return given if isinstance(given, str) else None


def _moment(given: object) -> datetime | None:
    """A NumericDate: seconds, with or without a fraction. https://www.rfc-editor.org/rfc/rfc7519#section-2"""
    if (
        isinstance(given, bool)
        or not isinstance(given, int | float)
        or not 0 <= given <= _LAST_SECOND
    ):
        return None
    return datetime.fromtimestamp(given, UTC)


def _shown(given: str | None, form: re.Pattern[str]) -> str:
    """Quotes a foreign word only if it has the form it should have."""
    return f" ({given})" if given is not None and form.fullmatch(given) else ""


def _span(seconds: float) -> str:
    """In the largest unit that it fills, rounded down: 299 seconds are 4 minutes."""
    for unit, size_s in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if count := int(seconds // size_s):
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "less than a second"
