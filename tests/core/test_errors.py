from dataclasses import dataclass

import pytest

from gateway.core.errors import (
    REASONS,
    Code,
    FieldViolation,
    GatewayError,
    InvalidArgument,
    OutcomeUnknown,
    QuotaExceeded,
    Reason,
    TwilioFault,
    Violations,
    below,
)

KINDS = GatewayError.__subclasses__()


def test_every_code_has_exactly_one_error() -> None:
    assert sorted(kind.code for kind in KINDS) == sorted(Code)


@pytest.mark.parametrize("code", Code)
def test_a_code_is_its_own_name(code: Code) -> None:
    assert code == code.name


def test_only_temporary_errors_are_retryable() -> None:
    retryable = {kind.code for kind in KINDS if kind.is_retryable}

    assert retryable == {
        Code.THROTTLED,
        Code.QUOTA_EXCEEDED,
        Code.DEADLINE_EXCEEDED,
        Code.UPSTREAM_UNAVAILABLE,
    }


def test_an_error_holds_its_message_and_twilios_error() -> None:
    fault = TwilioFault(20429, 429)
    error = QuotaExceeded("wait", retry_after_ms=1000, twilio=fault)

    assert (str(error), error.message, error.retry_after_ms, error.twilio) == (
        "wait",
        "wait",
        1000,
        fault,
    )


def test_an_error_may_hold_a_message_only() -> None:
    error = QuotaExceeded("wait")

    assert (error.retry_after_ms, error.twilio) == (None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_reason(kind: type[GatewayError]) -> None:
    assert kind("wait").reason is kind.default_reason


def test_every_reason_belongs_to_one_code() -> None:
    assert sorted(reason for reasons in REASONS.values() for reason in reasons) == sorted(Reason)
    for kind in KINDS:
        assert kind.default_reason in REASONS[kind.code]


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_its_own_name(reason: Reason) -> None:
    assert reason == reason.name


def test_a_message_about_a_field_begins_with_its_path() -> None:
    error = InvalidArgument.at(("rules", 1, "kind"), "is UNKNOWN; give AUDIO")

    assert error.message == "rules[1].kind is UNKNOWN; give AUDIO"
    assert str(error) == error.message
    assert error.text(str.upper) == "RULES[1].KIND is UNKNOWN; give AUDIO"


def test_a_message_about_an_object_itself_names_no_field() -> None:
    assert InvalidArgument.at((), "is empty; give `a`").message == "the value is empty; give a"


def test_names_of_other_fields_stand_in_backticks() -> None:
    error = InvalidArgument.at("all", "stands beside `track`; give it alone")

    assert error.text(str.upper) == "ALL stands beside TRACK; give it alone"
    assert InvalidArgument("give `this_one` or `x`").text(str.upper) == "give THIS_ONE or X"


def test_the_path_of_an_object_is_added_to_the_fields_of_its_parts() -> None:
    with (
        pytest.raises(InvalidArgument, match=r"^rules\[0\]\.kind is wrong$") as raised,
        below("rules", 0),
    ):
        raise InvalidArgument.at("kind", "is wrong")
    assert raised.value.fields == (FieldViolation(("rules", 0, "kind"), "is wrong"),)


def test_an_unknown_outcome_tells_the_key_of_a_safe_retry() -> None:
    assert OutcomeUnknown("lost").metadata() == {}
    assert OutcomeUnknown("lost", retry_with="k1").metadata() == {"retry_with": "k1"}


@dataclass(frozen=True)
class Empty:
    high: int | None = None

    def __post_init__(self) -> None:
        if self.high is None:
            raise InvalidArgument.at((), "is empty; set `high`")


@dataclass(frozen=True)
class Pair:
    low: int
    high: int = 5

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise InvalidArgument.at("low", "is above `high`")


def test_violations_are_raised_together() -> None:
    wrong = Violations()
    wrong.raise_any()
    for index in (0, 1):
        with wrong.collect("rules", index):
            raise InvalidArgument.at("kind", "is unknown")
    with pytest.raises(InvalidArgument) as error:
        wrong.raise_any()
    assert [field.path for field in error.value.fields] == [
        ("rules", 0, "kind"),
        ("rules", 1, "kind"),
    ]


def test_error_about_no_field_is_not_collected() -> None:
    with pytest.raises(InvalidArgument, match="too long"), Violations().collect():
        raise InvalidArgument("the document is too long")


def test_object_is_built_or_its_own_violations_are_raised_with_those_of_its_parts() -> None:
    assert Violations().build(Pair, {"low": 1}) == Pair(1)
    for values, paths in (({"low": 9}, [("high",), ("low",)]), ({}, [("high",)])):
        wrong = Violations()
        with wrong.collect():
            raise InvalidArgument.at("high", "is no number")
        with pytest.raises(InvalidArgument) as error:
            wrong.build(Pair, values)
        assert [field.path for field in error.value.fields] == paths


def test_object_whose_only_part_is_wrong_is_not_called_empty() -> None:
    wrong = Violations()
    with wrong.collect("high"):
        raise InvalidArgument.at((), "is no number")
    with pytest.raises(InvalidArgument) as error:
        wrong.build(Empty, {})
    assert [field.path for field in error.value.fields] == [("high",)]
