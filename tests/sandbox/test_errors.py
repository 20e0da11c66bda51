import pytest

from gateway.sandbox.errors import ERRORS, TwilioError, not_found


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_body_has_twilios_shape(code: int) -> None:
    body = TwilioError(code).body()

    assert body == {
        "code": code,
        "message": ERRORS[code][1],
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": ERRORS[code][0],
    }


def test_documented_statuses_are_used() -> None:
    documented = {20001: 400, 20003: 401, 20404: 404, 20429: 429, 53120: 400}

    assert {code: ERRORS[code][0] for code in documented} == documented


def test_404_names_the_requested_path() -> None:
    assert (
        str(not_found("Rooms", "DailyStandup"))
        == "The requested resource /Rooms/DailyStandup was not found"
    )
