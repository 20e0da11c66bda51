from datetime import UTC, datetime

import pytest

from gateway.sandbox import forms
from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import Form


def test_empty_values_and_repeated_names_are_kept() -> None:
    form = forms.parse("VideoCodecs=VP8&UniqueName=&VideoCodecs=H264")

    assert form.all("VideoCodecs") == ["VP8", "H264"]
    assert (form.first("UniqueName"), form.first("Type")) == ("", None)


def test_bytes_that_are_not_utf8_are_kept_as_surrogates() -> None:
    name = forms.parse("UniqueName=%FF%FE").first("UniqueName")

    assert name is not None
    assert not forms.is_unicode(name)
    assert forms.is_unicode("Zoë 日本")


@pytest.mark.parametrize("text", ["0", "51", "many", "", " 5", "5.0", "1_0", "٥", "-1", "9" * 30])
def test_number_out_of_range_gets_the_parameters_code(text: str) -> None:
    with pytest.raises(TwilioError) as caught:
        Form({"MaxParticipants": [text]}).integer("MaxParticipants", 1, 50, 53107)

    assert caught.value.code == 53107


def test_booleans_are_true_or_false() -> None:
    form = Form({"A": ["true"], "B": ["False"], "C": ["yes"]})

    assert (form.boolean("A", False), form.boolean("B", True), form.boolean("D", True)) == (
        True,
        False,
        True,
    )
    with pytest.raises(TwilioError):
        form.boolean("C", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+01:00", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_dates_and_date_times_are_parsed(text: str, expected: datetime) -> None:
    assert Form({"DateCreatedAfter": [text]}).date_time("DateCreatedAfter") == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-01-02T25:00:00Z"])
def test_invalid_date_is_refused(text: str) -> None:
    with pytest.raises(TwilioError):
        Form({"DateCreatedAfter": [text]}).date_time("DateCreatedAfter")
