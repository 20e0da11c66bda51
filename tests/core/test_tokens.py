from dataclasses import replace

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.rooms import AccountSid, Room, RoomRef, RoomSid, RoomStatus, RoomType
from gateway.core.tokens import (
    TTL_DEFAULT_S,
    TTL_LIMIT_S,
    TWILIO_CODE,
    AccessToken,
    Explanation,
    NewToken,
    Problem,
    TokenFacts,
    identity_flaw,
)

ROOM = Room(
    sid=RoomSid("RM00112233445566778899aabbccddeeff"),
    account_sid=AccountSid("AC0123456789abcdef0123456789abcdef"),
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=3600,
    empty_room_timeout=5,
    unused_room_timeout=5,
)


@pytest.mark.parametrize(
    "identity", ["a", "a" * 128, "é" * 64, "a" * 126 + "é", "Ada Lovelace", "/..?&", "😀"]
)
def test_an_identity_within_the_limits_has_no_flaw(identity: str) -> None:
    assert identity_flaw(identity) is None


@pytest.mark.parametrize(
    ("identity", "flaw"),
    [
        ("", "empty"),
        ("a" * 129, "has 129"),
        ("é" * 65, "has 130"),
        ("a" * 127 + "é", "has 129"),
        ("a\nb", "control character"),
        ("\x7f", "control character"),
        ("\u2028", "control character"),
        ("\ud800", "control character"),
    ],
)
def test_an_identity_that_twilio_would_refuse_is_refused_with_advice(
    identity: str, flaw: str
) -> None:
    with pytest.raises(InvalidArgument, match=flaw):
        NewToken(identity=identity)


@pytest.mark.parametrize("identity", ["s3cret" * 30, "s3cret\n"])
def test_a_refusal_does_not_repeat_the_identity(identity: str) -> None:
    flaw = identity_flaw(identity)

    assert flaw is not None
    assert "s3cret" not in flaw


@pytest.mark.parametrize("ttl_s", [1, 60, TTL_LIMIT_S])
def test_a_ttl_of_up_to_a_day_is_accepted(ttl_s: int) -> None:
    assert NewToken(identity="ada", ttl_s=ttl_s).lifetime_s(None) == ttl_s


@pytest.mark.parametrize("ttl_s", [-1, 0, TTL_LIMIT_S + 1])
def test_any_other_ttl_is_refused(ttl_s: int) -> None:
    with pytest.raises(InvalidArgument, match=f"ttl_s is {ttl_s} seconds; give 1 to 86400"):
        NewToken(identity="ada", ttl_s=ttl_s)


def test_without_a_ttl_a_token_is_valid_for_the_longest_stay_in_its_room() -> None:
    assert NewToken(identity="ada").lifetime_s(ROOM) == 3600
    assert NewToken(identity="ada").lifetime_s(None) == TTL_DEFAULT_S
    unknown = replace(ROOM, max_participant_duration=None)
    assert NewToken(identity="ada").lifetime_s(unknown) == TTL_DEFAULT_S


def test_a_token_does_not_outlive_the_longest_stay_in_its_room() -> None:
    assert NewToken(identity="ada", ttl_s=3600).lifetime_s(ROOM) == 3600
    with pytest.raises(
        InvalidArgument, match="longest stay in the room is 3600; give at most 3600"
    ):
        NewToken(identity="ada", ttl_s=3601).lifetime_s(ROOM)


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_has_twilios_code(problem: Problem) -> None:
    assert (
        Explanation(problem=problem, sentence="", facts=TokenFacts()).twilio_code
        == TWILIO_CODE[problem]
    )


def test_only_a_token_without_a_problem_is_valid() -> None:
    assert Explanation(problem=None, sentence="", facts=TokenFacts()).is_valid
    assert Explanation(problem=None, sentence="", facts=TokenFacts()).twilio_code is None
    assert not Explanation(problem=Problem.EXPIRED, sentence="", facts=TokenFacts()).is_valid


def test_the_repr_shows_nothing_personal_or_secret() -> None:
    facts = TokenFacts(identity="s3cret", room="s3cret")
    explanation = Explanation(problem=None, sentence="s3cret", facts=facts)
    new = NewToken(identity="s3cret", room=RoomRef.of("s3cret"))
    token = AccessToken(jwt="s3cret", identity="s3cret", room="s3cret", expire_time=None)  # type: ignore[arg-type]

    assert "s3cret" not in repr((facts, explanation, new, token))
