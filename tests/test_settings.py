import pytest
from pydantic import HttpUrl, SecretStr

from gateway.settings import Settings


@pytest.mark.parametrize(
    ("video", "insights", "expected"),
    [
        (None, None, "https://insights.twilio.com/"),
        ("http://127.0.0.1:8080", None, "http://127.0.0.1:8080/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:8081/"),
        (None, "http://127.0.0.1:8081", "http://127.0.0.1:8081/"),
    ],
)
def test_insights_is_asked_where_video_is_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, video: str | None, insights: str | None, expected: str
) -> None:
    for name, url in (("TWILIO_VIDEO_BASE_URL", video), ("TWILIO_INSIGHTS_BASE_URL", insights)):
        monkeypatch.delenv(name, raising=False)
        if url is not None:
            monkeypatch.setenv(name, url)
    settings = Settings(
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token=SecretStr("x" * 32),
        gateway_public_url=HttpUrl("https://gw.example.com"),
    )

    assert settings.insights_base_url == expected
