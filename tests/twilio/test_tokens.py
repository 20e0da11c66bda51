import base64
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant

from gateway.core.rooms import AccountSid
from gateway.core.tokens import TOKEN_LIMIT, Explanation, Problem, identity_flaw
from gateway.twilio.tokens import SigningKey, explain, sign

ACCOUNT = AccountSid("AC0123456789abcdef0123456789abcdef")
OTHER_ACCOUNT = "ACffffffffffffffffffffffffffffffff"
KEY = SigningKey(
    account_sid=ACCOUNT, sid="SK0123456789abcdef0123456789abcdef", secret="s3cret" + "x" * 26
)
OTHER_KEY = "SKffffffffffffffffffffffffffffffff"
NOW = 1_800_000_000
ROOM = "RM00112233445566778899aabbccddeeff"

HEADER = {"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"}
CLAIMS = {
    "jti": f"{KEY.sid}-{NOW}",
    "grants": {"video": {"room": "Daily"}, "identity": "ada"},
    "iss": KEY.sid,
    "exp": NOW + 3600,
    "nbf": NOW,
    "sub": ACCOUNT,
}
ABSENT = object()
ODD_TIMES: list[Any] = [NOW * 1000, str(NOW), None, True, [], -1, 1e300]

identities = st.text(min_size=1, max_size=128).filter(lambda text: identity_flaw(text) is None)
rooms = st.none() | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128
)
lifetimes = st.integers(1, 86_400)


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not ABSENT}


def token_with(
    header: Mapping[str, Any] | None = None, secret: str = KEY.secret, **claims: Any
) -> str:
    """Returns a valid token with these changes.

    It is signed as HS256 whatever its header says.
    """
    parts = [changed(HEADER, header or {}), changed(CLAIMS, claims)]
    body = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    signature = jwt.get_algorithm_by_name("HS256").sign(body, secret.encode())
    return (body + b"." + encoded(signature)).decode()


def encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def explained_at(token: str, now: float = NOW, *room_names: str) -> Explanation:
    return explain(token, KEY, now, room_names)


@given(identities, rooms, lifetimes, st.sampled_from([None, "us1", "ie1"]))
@settings(max_examples=50)
def test_sign_agrees_with_twilios_library(
    identity: str, room: str | None, ttl_s: int, region: str | None
) -> None:
    twilios = AccessToken(
        ACCOUNT,
        KEY.sid,
        KEY.secret,
        grants=[VideoGrant(room=room)],
        identity=identity,
        ttl=ttl_s,
        region=region,
    )
    while True:
        before = time.time()
        token = twilios.to_jwt()
        if int(before) == int(
            time.time()
        ):  # The library reads the clock, which may reach the next second meanwhile.
            break

    ours = sign(replace(KEY, region=region), identity=identity, room=room, ttl_s=ttl_s, now=before)

    assert ours == token


@given(identities, rooms, lifetimes)
def test_token_is_valid_until_it_expires(identity: str, room: str | None, ttl_s: int) -> None:
    token = sign(KEY, identity=identity, room=room, ttl_s=ttl_s, now=NOW)

    valid = explained_at(token, NOW + ttl_s - 0.5, *([room] if room else []))

    assert (valid.is_valid, valid.facts.identity, valid.facts.room) == (True, identity, room)
    assert explained_at(token, NOW + ttl_s).problem is Problem.EXPIRED
    assert len(token) <= TOKEN_LIMIT


def test_longest_token_is_within_the_limit() -> None:
    token = sign(KEY, identity="\u0416" * 64, room="\U0001f600" * 128, ttl_s=86_400, now=NOW)

    assert explained_at(token).is_valid
    assert len(token) <= TOKEN_LIMIT


def test_repr_has_no_secret() -> None:
    assert "s3cret" not in repr(KEY)


@pytest.mark.parametrize(
    ("left_s", "span"),
    [
        (4 * 3600 - 5, "3 hours 59 minutes"),
        (3600, "1 hour"),
        (3605, "1 hour"),
        (86_400, "1 day"),
        (60, "1 minute"),
        (0.5, "less than a second"),
    ],
)
def test_time_that_is_left_has_two_units(left_s: float, span: str) -> None:
    explanation = explained_at(token_with(exp=NOW + 86_400), NOW + 86_400 - left_s, ROOM, "Daily")
    assert explanation.sentence == f"valid: expires in {span}"


def test_valid_token_is_explained_with_its_facts() -> None:
    explanation = explained_at(token_with(), NOW, ROOM, "Daily")

    assert (explanation.problem, explanation.twilio_code) == (None, None)
    assert explanation.sentence == "valid: expires in 1 hour"
    facts = explanation.facts
    assert (facts.api_key_sid, facts.account_sid, facts.region) == (KEY.sid, ACCOUNT, "us1")
    assert (facts.identity, facts.room, facts.is_signed) == ("ada", "Daily", True)
    assert facts.begin_time is not None
    assert facts.expire_time is not None
    assert (facts.begin_time.timestamp(), facts.expire_time.timestamp()) == (NOW, NOW + 3600)


@pytest.mark.parametrize(
    ("token", "code", "sentence"),
    [
        ("", 20101, "not a JWT"),
        ("s3cret", 20101, "not a JWT"),
        (token_with() + "\n", 20101, "not a JWT"),
        (f'"{token_with()}"', 20101, "not a JWT"),
        (token_with() + "=", 20101, "not a JWT"),
        ("é.é.é", 20101, "not a JWT"),
        ("\ud800", 20101, "not a JWT"),
        (token_with(header={"alg": "none"}), 20102, "wrong header: alg must be HS256"),
        (token_with(header={"alg": "HS512"}), 20102, "wrong header: alg must be HS256"),
        (token_with(header={"alg": ["HS256"]}), 20102, "wrong header: alg must be HS256"),
        (token_with(header={"typ": ABSENT}), 20102, "wrong header: typ must be JWT"),
        (
            token_with(header={"cty": "twilio-fpa;v=2", "typ": "x"}),
            20102,
            "typ must be JWT, cty must be twilio-fpa;v=1",
        ),
        (
            token_with(sub=OTHER_ACCOUNT),
            20103,
            f"made for another account ({OTHER_ACCOUNT}): make it for {ACCOUNT}",
        ),
        (token_with(sub="AC<script>"), 20103, f"made for another account: make it for {ACCOUNT}"),
        (token_with(sub=ABSENT), 20103, "made for another account:"),
        (
            token_with(header={"twr": "ie1"}),
            20103,
            "made for another region (ie1): make it with an API key of region us1",
        ),
        (token_with(header={"twr": "\ud800"}), 20103, "made for another region:"),
        (token_with(header={"twr": 1}), 20103, "made for another region:"),
        (
            token_with(iss=OTHER_KEY),
            20103,
            f"made with another API key ({OTHER_KEY}) than {KEY.sid}",
        ),
        (token_with(iss=ACCOUNT), 20103, f"made with another API key than {KEY.sid}"),
        (token_with(iss=["SK"]), 20103, f"made with another API key than {KEY.sid}"),
        (
            token_with(secret="y" * 32),
            20107,
            f"bad signature: not signed with the secret of API key {KEY.sid}",
        ),
        (token_with(exp=NOW - 240), 20104, "expired 4 minutes ago"),
        (token_with(exp=NOW - 299), 20104, "expired 4 minutes 59 seconds ago"),
        (token_with(exp=NOW - 1), 20104, "expired 1 second ago"),
        (token_with(exp=NOW), 20104, "expired less than a second ago"),
        (token_with(exp=0), 20104, "expired 20833 days 8 hours ago"),
        (token_with(exp=ABSENT), 20104, "exp is missing or not a time"),
        (token_with(exp=True), 20104, "exp is missing or not a time"),
        (token_with(exp=str(NOW + 60)), 20104, "exp is missing or not a time"),
        (token_with(exp=10**30), 20104, "exp is missing or not a time"),
        (token_with(exp=1e300), 20104, "exp is missing or not a time"),
        (token_with(exp=-1), 20104, "exp is missing or not a time"),
        (
            token_with(exp=NOW + 86_401),
            20104,
            "valid for 86401 seconds, but Twilio accepts at most 86400",
        ),
        (token_with(exp=NOW + 86_401, nbf=ABSENT), 20104, "valid for 86401 seconds"),
        (token_with(exp=NOW + 86_400, iat=NOW - 1), 20104, "valid for 86401 seconds"),
        (
            token_with(nbf=NOW + 120),
            20105,
            "not yet valid: begins in 2 minutes. Check the clock of the machine that made it",
        ),
        *(
            (token_with(nbf=odd), 20105, "nbf is not a time: set it to the Unix time in seconds")
            for odd in ODD_TIMES
        ),
        *(
            (token_with(iat=odd), 20104, "iat is not a time: set it to the Unix time in seconds")
            for odd in ODD_TIMES
        ),
        (token_with(nbf=NOW + 1), 20105, "not yet valid: begins in 1 second"),
        (token_with(grants={"video": {}}), 20106, "no identity in its grants"),
        (token_with(grants={"video": {}, "identity": ""}), 20106, "no identity in its grants"),
        (token_with(grants={"video": {}, "identity": 7}), 20106, "no identity in its grants"),
        (token_with(grants=ABSENT), 20106, "no identity in its grants"),
        (
            token_with(grants={"video": {}, "identity": "a" * 129}),
            53200,
            "identity has 129 characters",
        ),
        (token_with(grants={"identity": "ada"}), 20106, "no video grant"),
        (token_with(grants={"identity": "ada", "voice": {}}), 20106, "no video grant"),
        (token_with(grants={"identity": "ada", "video": "Daily"}), 20106, "no video grant"),
        (
            token_with(grants={"identity": "ada", "video": {"room": 7}}),
            20106,
            "the room in its video grant is not a text",
        ),
        (
            token_with(grants={"identity": "ada", "video": {"room": "Weekly"}}),
            20106,
            "its video grant is for another room",
        ),
    ],
)
def test_problem_is_explained(token: str, code: int, sentence: str) -> None:
    explanation = explained_at(token, NOW, "Daily", ROOM)

    assert not explanation.is_valid
    assert sentence in explanation.sentence
    assert explanation.twilio_code == code
    assert "s3cret" not in explanation.sentence


@pytest.mark.parametrize(
    "token",
    [
        token_with(nbf=ABSENT),
        token_with(nbf=NOW - 0.5, exp=NOW + 0.5),
        token_with(exp=NOW + 86_400),
        token_with(header={"twr": "us1"}),
        token_with(grants={"identity": "ada", "video": {}}),
        token_with(grants={"identity": "ada", "video": {"room": ""}}),
        token_with(grants={"identity": "ada", "video": {"room": ROOM}}),
        token_with(grants={"identity": "ada", "video": {"room": "Daily"}, "chat": {}}),
        token_with(more={"claims": [1, 2]}),
    ],
)
def test_token_that_twilio_accepts_is_valid(token: str) -> None:
    assert explained_at(token, NOW, "Daily", ROOM).is_valid


ODD_CLAIMS: list[object] = [None, True, 7.5, "", " ", [], {}, -1, NOW * 1000, 10**30, "7"]


@pytest.mark.parametrize("name", ["nbf", "iat", "exp", "iss", "sub", "grants"])
@pytest.mark.parametrize("odd", ODD_CLAIMS, ids=str)
def test_unreadable_claim_never_counts_as_absent(name: str, odd: object) -> None:
    if (name, odd) in (("nbf", 7.5), ("iat", 7.5)):
        return  # A time long ago.
    claims: dict[str, Any] = {name: odd}
    assert not explained_at(token_with(**claims)).is_valid


@pytest.mark.parametrize("odd", [odd for odd in ODD_CLAIMS if odd != ""], ids=str)
def test_unreadable_grant_or_region_never_counts_as_absent(odd: object) -> None:
    video = {"identity": "ada", "video": {}}
    assert not explained_at(token_with(header={"twr": odd})).is_valid
    assert not explained_at(token_with(grants=video | {"video": {"room": odd}}), NOW, "a").is_valid
    if not isinstance(odd, str):
        assert not explained_at(token_with(grants=video | {"identity": odd})).is_valid
    if odd != {}:
        assert not explained_at(token_with(grants=video | {"video": odd})).is_valid


def test_region_of_the_key_is_expected() -> None:
    key = replace(KEY, region="ie1")

    assert explain(token_with(header={"twr": "ie1"}), key, NOW).is_valid
    assert "another region (us1)" in explain(token_with(), key, NOW).sentence


def test_any_room_is_valid_if_none_is_expected() -> None:
    assert explained_at(token_with()).is_valid


FLAWS: list[tuple[Problem, dict[str, Any]]] = [
    (Problem.WRONG_HEADER, {"header": {"cty": "x"}}),
    (Problem.OTHER_ACCOUNT, {"sub": OTHER_ACCOUNT}),
    (Problem.OTHER_REGION, {"header": {"twr": "ie1"}}),
    (Problem.OTHER_API_KEY, {"iss": OTHER_KEY}),
    (Problem.BAD_SIGNATURE, {"secret": "y" * 32}),
    (Problem.EXPIRED, {"exp": NOW - 60}),
    (Problem.NOT_YET_VALID, {"nbf": NOW + 60}),
    (Problem.NO_VIDEO_GRANT, {"grants": {"identity": "ada"}}),
]


@pytest.mark.parametrize("first", range(len(FLAWS)))
def test_first_of_several_problems_is_explained(first: int) -> None:
    combined: dict[str, Any] = {}
    for _, flaw in FLAWS[first:]:
        header = {**combined.get("header", {}), **flaw.get("header", {})}
        combined |= {**flaw, "header": header}

    assert explained_at(token_with(**combined)).problem is FLAWS[first][0]


@pytest.mark.parametrize(
    ("token", "is_signed"),
    [
        (token_with(), True),
        (token_with(secret="y" * 32), False),
        (token_with(iss=OTHER_KEY), None),
        (token_with(header={"alg": "none"}), None),
    ],
)
def test_is_signed_is_none_if_it_cannot_be_verified(token: str, is_signed: bool | None) -> None:
    assert explained_at(token).facts.is_signed is is_signed


def test_unsigned_token_is_not_valid() -> None:
    unsigned = jwt.encode(CLAIMS, "", algorithm="none", headers={"cty": "twilio-fpa;v=1"})

    assert explained_at(unsigned).problem is Problem.WRONG_HEADER
    assert explained_at(token_with().rpartition(".")[0] + ".").problem is Problem.BAD_SIGNATURE


@given(st.data())
@settings(max_examples=200)
def test_modified_token_is_not_valid(data: st.DataObject) -> None:
    token = token_with()
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from("ABCabc012-_.= \n").filter(lambda character: character != token[place])
    )

    assert not explained_at(token[:place] + other + token[place + 1 :]).is_valid


@pytest.mark.parametrize("part", range(3))
def test_part_of_another_token_is_not_valid(part: int) -> None:
    parts = token_with().split(".")
    other_parts = token_with(header={"kid": "1"}, exp=NOW + 3000)
    parts[part] = other_parts.split(".")[part]

    assert explained_at(".".join(parts)).problem is Problem.BAD_SIGNATURE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "cty", "twr", "kid", "crit", "b64"]), json_values, max_size=4
    ),
    st.dictionaries(
        st.sampled_from(["iss", "sub", "exp", "nbf", "iat", "grants"]), json_values, max_size=4
    ),
    st.floats(0, 4e9),
)
@settings(max_examples=200)
def test_explain_never_raises_for_a_token(
    header: dict[str, Any], claims: dict[str, Any], now: float
) -> None:
    explanation = explained_at(token_with(header=header, **claims), now, "Daily")
    assert explanation.sentence


@pytest.mark.parametrize(
    "part", [b"[" * 5_000, b"\xff", b"", b"[]", b"1", b'{"exp": 1', b'"\\ud800"', b"NaN"]
)
def test_header_or_claims_that_are_not_an_object_are_not_a_jwt(part: bytes) -> None:
    good = encoded(json.dumps(HEADER).encode())
    for token in (b".".join([good, encoded(part), b"AA"]), b".".join([encoded(part), good, b"AA"])):
        assert explained_at(token.decode()).problem is Problem.NOT_A_JWT


def test_infinite_time_is_not_a_jwt() -> None:
    token = b".".join([encoded(json.dumps(HEADER).encode()), encoded(b'{"exp": 1e999}'), b"AA"])
    assert explained_at(token.decode()).problem is Problem.NOT_A_JWT


@given(st.text(max_size=200))
def test_explain_never_raises_for_a_text(text: str) -> None:
    assert not explained_at(text).is_valid
