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

identities = st.text(min_size=1, max_size=128).filter(lambda text: identity_flaw(text) is None)
rooms = st.none() | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128
)
lifetimes = st.integers(1, 86_400)


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not ABSENT}


def made(header: Mapping[str, Any] | None = None, secret: str = KEY.secret, **claims: Any) -> str:
    """A token like the one that holds, but for the changes; signed as HS256 whatever its header says."""
    parts = [changed(HEADER, header or {}), changed(CLAIMS, claims)]
    body = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    signature = jwt.get_algorithm_by_name("HS256").sign(body, secret.encode())
    return (body + b"." + encoded(signature)).decode()


def encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def judged(token: str, now: float = NOW, *room_names: str) -> Explanation:
    return explain(token, KEY, now, room_names)


# Making


@given(identities, rooms, lifetimes, st.sampled_from([None, "us1", "ie1"]))
@settings(max_examples=50)
def test_twilios_own_library_makes_the_same_token(
    identity: str, room: str | None, ttl_s: int, region: str | None
) -> None:
    theirs = AccessToken(
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
        token = theirs.to_jwt()
        if int(before) == int(
            time.time()
        ):  # its clock cannot be set; a second may end while it works
            break

    ours = sign(replace(KEY, region=region), identity=identity, room=room, ttl_s=ttl_s, now=before)

    assert ours == token


@given(identities, rooms, lifetimes)
def test_a_token_that_was_made_is_valid_until_it_ends(
    identity: str, room: str | None, ttl_s: int
) -> None:
    token = sign(KEY, identity=identity, room=room, ttl_s=ttl_s, now=NOW)

    valid = judged(token, NOW + ttl_s - 0.5, *([room] if room else []))

    assert (valid.is_valid, valid.facts.identity, valid.facts.room) == (True, identity, room)
    assert judged(token, NOW + ttl_s).problem is Problem.EXPIRED
    assert len(token) <= TOKEN_LIMIT


def test_the_longest_token_is_within_the_limit() -> None:
    token = sign(KEY, identity="\u0416" * 64, room="\U0001f600" * 128, ttl_s=86_400, now=NOW)

    assert judged(token).is_valid
    assert len(token) <= TOKEN_LIMIT


def test_the_secret_does_not_show_when_printed() -> None:
    assert "s3cret" not in repr(KEY)


# Explaining


def test_a_good_token_is_explained_with_its_facts() -> None:
    explained = judged(made(), NOW, ROOM, "Daily")

    assert (explained.problem, explained.twilio_code) == (None, None)
    assert explained.sentence == "valid: expires in 1 hour"
    facts = explained.facts
    assert (facts.api_key_sid, facts.account_sid, facts.region) == (KEY.sid, ACCOUNT, "us1")
    assert (facts.identity, facts.room, facts.is_signed) == ("ada", "Daily", True)
    assert facts.begins_at is not None
    assert facts.expires_at is not None
    assert (facts.begins_at.timestamp(), facts.expires_at.timestamp()) == (NOW, NOW + 3600)


@pytest.mark.parametrize(
    ("token", "code", "sentence"),
    [
        ("", 20101, "not a JWT"),
        ("s3cret", 20101, "not a JWT"),
        (made() + "\n", 20101, "not a JWT"),
        (f'"{made()}"', 20101, "not a JWT"),
        (made() + "=", 20101, "not a JWT"),
        ("é.é.é", 20101, "not a JWT"),
        ("\ud800", 20101, "not a JWT"),
        (made(header={"alg": "none"}), 20102, "wrong header: alg must be HS256"),
        (made(header={"alg": "HS512"}), 20102, "wrong header: alg must be HS256"),
        (made(header={"alg": ["HS256"]}), 20102, "wrong header: alg must be HS256"),
        (made(header={"typ": ABSENT}), 20102, "wrong header: typ must be JWT"),
        (made(header={"cty": "twilio-fpa;v=2", "typ": "x"}), 20102, "typ must be JWT, cty must be twilio-fpa;v=1"),
        (made(sub=OTHER_ACCOUNT), 20103, f"made for another account ({OTHER_ACCOUNT}); make it for {ACCOUNT}"),
        (made(sub="AC<script>"), 20103, f"made for another account; make it for {ACCOUNT}"),
        (made(sub=ABSENT), 20103, "made for another account;"),
        (made(header={"twr": "ie1"}), 20103, "made for another region (ie1); make it with an API key of region us1"),
        (made(header={"twr": "\ud800"}), 20103, "made for another region;"),
        (made(header={"twr": 1}), 20103, "made for another region;"),
        (made(iss=OTHER_KEY), 20103, f"made with another API key ({OTHER_KEY}) than {KEY.sid}"),
        (made(iss=ACCOUNT), 20103, f"made with another API key than {KEY.sid}"),
        (made(iss=["SK"]), 20103, f"made with another API key than {KEY.sid}"),
        (made(secret="y" * 32), 20107, f"bad signature: signed with another secret than that of API key {KEY.sid}"),
        (made(exp=NOW - 240), 20104, "expired 4 minutes ago"),
        (made(exp=NOW - 299), 20104, "expired 4 minutes ago"),
        (made(exp=NOW - 1), 20104, "expired 1 second ago"),
        (made(exp=NOW), 20104, "expired less than a second ago"),
        (made(exp=0), 20104, "expired 20833 days ago"),
        (made(exp=ABSENT), 20104, "its exp is missing or is no time"),
        (made(exp=True), 20104, "its exp is missing or is no time"),
        (made(exp=str(NOW + 60)), 20104, "its exp is missing or is no time"),
        (made(exp=10**30), 20104, "its exp is missing or is no time"),
        (made(exp=1e300), 20104, "its exp is missing or is no time"),
        (made(exp=-1), 20104, "its exp is missing or is no time"),
        (made(exp=NOW + 86_401), 20104, "lives for 86401 seconds, and Twilio takes at most 86400"),
        (made(exp=NOW + 86_401, nbf=ABSENT), 20104, "lives for 86401 seconds"),
        (made(exp=NOW + 86_400, iat=NOW - 1), 20104, "lives for 86401 seconds"),
        (made(nbf=NOW + 120), 20105, "not yet valid: begins in 2 minutes; check the clock of the machine that made it"),
        (made(nbf=NOW + 1), 20105, "not yet valid: begins in 1 second"),
        (made(grants={"video": {}}), 20106, "its grants hold no identity"),
        (made(grants={"video": {}, "identity": ""}), 20106, "its grants hold no identity"),
        (made(grants={"video": {}, "identity": 7}), 20106, "its grants hold no identity"),
        (made(grants=ABSENT), 20106, "its grants hold no identity"),
        (made(grants={"video": {}, "identity": "a" * 129}), 53200, "identity has 129 characters"),
        (made(grants={"identity": "ada"}), 20106, "no video grant"),
        (made(grants={"identity": "ada", "voice": {}}), 20106, "no video grant"),
        (made(grants={"identity": "ada", "video": "Daily"}), 20106, "no video grant"),
        (made(grants={"identity": "ada", "video": {"room": 7}}), 20106, "its video grant names a room that is no text"),
        (made(grants={"identity": "ada", "video": {"room": "Weekly"}}), 20106, "the grant names another room"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(token: str, code: int, sentence: str) -> None:
    explained = judged(token, NOW, "Daily", ROOM)

    assert not explained.is_valid
    assert sentence in explained.sentence
    assert explained.twilio_code == code
    assert "s3cret" not in explained.sentence


@pytest.mark.parametrize(
    "token",
    [
        made(nbf=ABSENT),
        made(nbf=NOW - 0.5, exp=NOW + 0.5),
        made(exp=NOW + 86_400),
        made(header={"twr": "us1"}),
        made(grants={"identity": "ada", "video": {}}),
        made(grants={"identity": "ada", "video": {"room": ""}}),
        made(grants={"identity": "ada", "video": {"room": ROOM}}),
        made(grants={"identity": "ada", "video": {"room": "Daily"}, "chat": {}}),
        made(more={"claims": [1, 2]}),
    ],
)
def test_what_twilio_takes_is_valid(token: str) -> None:
    assert judged(token, NOW, "Daily", ROOM).is_valid


def test_a_region_of_our_own_is_expected_of_every_token() -> None:
    key = replace(KEY, region="ie1")

    assert explain(made(header={"twr": "ie1"}), key, NOW).is_valid
    assert "another region (us1)" in explain(made(), key, NOW).sentence


def test_without_a_room_to_check_any_will_do() -> None:
    assert judged(made()).is_valid


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
def test_of_several_flaws_the_outermost_is_told(first: int) -> None:
    together: dict[str, Any] = {}
    for _, flaw in FLAWS[first:]:
        header = {**together.get("header", {}), **flaw.get("header", {})}
        together |= {**flaw, "header": header}

    assert judged(made(**together)).problem is FLAWS[first][0]


@pytest.mark.parametrize(
    ("token", "is_signed"),
    [
        (made(), True),
        (made(secret="y" * 32), False),
        (made(iss=OTHER_KEY), None),
        (made(header={"alg": "none"}), None),
    ],
)
def test_whether_it_is_signed_is_told_where_it_can_be(token: str, is_signed: bool | None) -> None:
    assert judged(token).facts.is_signed is is_signed


def test_a_token_without_a_signature_is_never_valid() -> None:
    unsigned = jwt.encode(CLAIMS, None, algorithm="none", headers={"cty": "twilio-fpa;v=1"})

    assert judged(unsigned).problem is Problem.WRONG_HEADER
    assert judged(made().rpartition(".")[0] + ".").problem is Problem.BAD_SIGNATURE


@given(st.data())
@settings(max_examples=200)
def test_a_token_changed_in_any_place_is_not_valid(data: st.DataObject) -> None:
    token = made()
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from("ABCabc012-_.= \n").filter(lambda character: character != token[place])
    )

    assert not judged(token[:place] + other + token[place + 1 :]).is_valid


@pytest.mark.parametrize("part", range(3))
def test_a_part_of_another_token_does_not_fit(part: int) -> None:
    parts = made().split(".")
    strangers = made(header={"kid": "1"}, exp=NOW + 3000)
    parts[part] = strangers.split(".")[part]

    assert judged(".".join(parts)).problem is Problem.BAD_SIGNATURE


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
def test_no_token_makes_it_raise(
    header: dict[str, Any], claims: dict[str, Any], now: float
) -> None:
    explained = judged(made(header=header, **claims), now, "Daily")
    assert explained.sentence


@pytest.mark.parametrize(
    "part", [b"[" * 5_000, b"\xff", b"", b"[]", b"1", b'{"exp": 1', b'"\\ud800"', b"NaN"]
)
def test_a_header_or_claims_that_are_no_json_object_make_no_token(part: bytes) -> None:
    good = encoded(json.dumps(HEADER).encode())
    for token in (b".".join([good, encoded(part), b"AA"]), b".".join([encoded(part), good, b"AA"])):
        assert judged(token.decode()).problem is Problem.NOT_A_JWT


def test_a_time_beyond_all_numbers_makes_no_token() -> None:
    token = b".".join([encoded(json.dumps(HEADER).encode()), encoded(b'{"exp": 1e999}'), b"AA"])
    assert judged(token.decode()).problem is Problem.NOT_A_JWT


@given(st.text(max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    assert not judged(text).is_valid
