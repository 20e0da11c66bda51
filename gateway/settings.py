"""The environment, read once. Only `app` and the command line look in here."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Sid = Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
ScopeWord = Literal["rooms:read", "rooms:write", "events:subscribe", "tokens:mint", "admin"]


class ApiKeySettings(BaseModel):
    """One row of GATEWAY_API_KEYS. `rooms` (SIDs or names) narrows the key to these; without it the key is for all."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=64)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[ScopeWord, ...] = ("rooms:read", "events:subscribe")
    rooms: tuple[str, ...] | None = None


VIDEO_URL = HttpUrl("https://video.twilio.com")
INSIGHTS_URL = HttpUrl("https://insights.twilio.com")


class Settings(BaseSettings):
    """What `serve` needs. Every field is an environment variable of the same name in capitals; lists are JSON."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    twilio_account_sid: Sid
    twilio_auth_token: SecretStr
    """Proves callbacks; also the REST password unless an API key is given."""
    twilio_secondary_auth_token: SecretStr | None = None
    twilio_api_key_sid: str | None = None
    twilio_api_key_secret: SecretStr | None = None
    twilio_video_base_url: HttpUrl = VIDEO_URL
    twilio_insights_base_url: HttpUrl | None = None
    """Without it Insights is asked at Twilio if Video is, else at the other Twilio that stands in for it."""

    gateway_public_url: HttpUrl
    """Where Twilio reaches this gateway: scheme, host and port as Twilio calls them. Callbacks are verified against it."""
    gateway_redis_url: str | None = None
    """Without it an embedded, durable server runs in `gateway_data_dir`."""
    gateway_data_dir: Path = Path("rooms-gateway-data")
    gateway_allow_eviction: bool = False
    gateway_secret: SecretStr | None = None
    """Seals cursors. Without it they are sealed with the auth token, and end with it."""
    gateway_previous_secret: SecretStr | None = None
    gateway_api_keys: tuple[ApiKeySettings, ...] = ()
    gateway_allowed_origins: tuple[str, ...] = ()
    gateway_documents: Path | None = None
    """A folder of trusted GraphQL documents, `*.graphql`, known by the SHA-256 of their text."""

    gateway_read_quota: Annotated[int, Field(ge=2)] = 80
    """Requests per second that Twilio grants. https://www.twilio.com/docs/video/programmable-video-limits"""
    gateway_write_quota: Annotated[int, Field(ge=2)] = 20
    gateway_concurrency: Annotated[int, Field(ge=4)] = 100
    """The most requests under way at Twilio at once, over all replicas. Twilio publishes no number; refusals lower it."""
    gateway_replicas: Annotated[int, Field(ge=1)] = 1
    """At least so many replicas share the quota: while Redis is away each spends its part of it."""
    gateway_quota_wait_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    gateway_reconcile: bool = True
    """Compare the log with Twilio's REST, in a fifth of the read quota, and log what callbacks did not tell."""
    gateway_deadline_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _api_key_is_whole(self) -> Self:
        if (self.twilio_api_key_sid is None) != (self.twilio_api_key_secret is None):
            raise ValueError("give both TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET, or neither")
        return self

    @field_validator("gateway_public_url")
    @classmethod
    def _is_bare(cls, url: HttpUrl) -> HttpUrl:
        if url.query is not None or url.fragment is not None:
            raise ValueError("give the URL without query and fragment: the path of the callbacks is put behind it")
        return url

    @property
    def rest_credentials(self) -> tuple[str, str]:
        if self.twilio_api_key_sid is not None and self.twilio_api_key_secret is not None:
            return self.twilio_api_key_sid, self.twilio_api_key_secret.get_secret_value()
        return self.twilio_account_sid, self.twilio_auth_token.get_secret_value()

    @property
    def insights_base_url(self) -> str:
        # The credentials of a test double have no business at Twilio.
        other = INSIGHTS_URL if self.twilio_video_base_url == VIDEO_URL else self.twilio_video_base_url
        return str(self.twilio_insights_base_url or other)

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        tokens = (self.twilio_auth_token, self.twilio_secondary_auth_token)
        return tuple(token.get_secret_value() for token in tokens if token is not None)

    @property
    def cursor_secrets(self) -> tuple[str, ...]:
        secrets = (self.gateway_secret or self.twilio_auth_token, self.gateway_previous_secret)
        return tuple(secret.get_secret_value() for secret in secrets if secret is not None)
