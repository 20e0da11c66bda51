from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidArgument
from gateway.core.participants import (
    NewSubscribeRules,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    SubscribeRule,
    TrackKind,
    TrackRef,
    checked_track_sid,
)
from gateway.core.rules import RuleType, TrackPriority

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGITS = "0123456789abcdef" * 2


def test_a_text_in_the_form_of_a_sid_is_a_sid() -> None:
    assert ParticipantRef.of("PA" + DIGITS) == ParticipantRef("PA" + DIGITS, None)  # type: ignore[arg-type]
    assert TrackRef.of("MT" + DIGITS) == TrackRef("MT" + DIGITS, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["Zoë", "a/b", "..", "x" * 128, "RM" + DIGITS, "PA" + DIGITS[1:], "%2F"]
)
def test_any_other_printable_text_is_an_identity_or_a_name(text: str) -> None:
    assert ParticipantRef.of(text) == ParticipantRef(None, text)
    assert TrackRef.of(text) == TrackRef(None, text)


@pytest.mark.parametrize(
    ("text", "complaint"), [("", "empty"), ("x" * 129, "129"), ("a\r\nb", "control")]
)
def test_other_text_is_refused_with_advice(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=f"participant .*{complaint}"):
        ParticipantRef.of(text)
    with pytest.raises(InvalidArgument, match=f"track .*{complaint}"):
        TrackRef.of(text)


@given(st.text())
def test_a_ref_is_a_sid_or_an_identity_or_refused(text: str) -> None:
    try:
        ref = ParticipantRef.of(text)
    except InvalidArgument:
        return
    assert (ref.sid is None) is not (ref.identity is None)


def test_a_subscribed_track_has_no_name() -> None:
    assert checked_track_sid("MT" + DIGITS) == "MT" + DIGITS
    with pytest.raises(InvalidArgument, match="track is not the SID of a track; give MT"):
        checked_track_sid("cam")


def test_a_status_that_twilio_adds_later_is_unknown() -> None:
    assert ParticipantStatus("dozing") is ParticipantStatus.UNKNOWN


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"statuses": (ParticipantStatus.UNKNOWN,)}, "statuses cannot be UNKNOWN; give CONNECTED"),
        ({"identity": ""}, "identity is empty"),
        ({"identity": "x" * 129}, "129"),
        ({"created_after": AT.replace(tzinfo=None)}, "created_after has no time zone"),
        ({"created_before": AT.replace(tzinfo=None)}, "created_before has no time zone"),
    ],
)
def test_an_invalid_filter_is_refused_with_advice(
    parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        ParticipantFilter(**parameters)


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({"priority": TrackPriority.HIGH}, "no filter"),
        ({"all": True, "priority": TrackPriority.HIGH}, "give it alone"),
        (
            {"track": "cam", "priority": TrackPriority.UNKNOWN},
            "priority cannot be UNKNOWN",
        ),
    ],
)
def test_a_priority_needs_a_filter(filters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        SubscribeRule(type=RuleType.INCLUDE, **filters)


def test_a_participant_may_subscribe_to_data() -> None:
    rule = SubscribeRule(type=RuleType.INCLUDE, kind=TrackKind.DATA, priority=TrackPriority.LOW)

    assert NewSubscribeRules((rule,)).rules == (rule,)


def test_contradicting_rules_are_refused() -> None:
    rules = tuple(SubscribeRule(type=word, all=True) for word in RuleType)

    with pytest.raises(InvalidArgument, match=r"rules\[1\] includes or excludes the same tracks"):
        NewSubscribeRules(rules)
