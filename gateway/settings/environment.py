"""The environment, and the file of accounts that it may name, read once. Only `app` and the command line look in here."""

import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

Sid = Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
ScopeWord = Literal["rooms:read", "rooms:write", "events:subscribe", "tokens:mint", "admin"]


QuotaPerSecond = Annotated[int, Field(ge=2)]
Limit = Annotated[int, Field(ge=100, le=1_000_000_000)]

READ_QUOTA: Final = 80
WRITE_QUOTA: Final = 20
"""Requests per second that Twilio grants an account. https://www.twilio.com/docs/video/programmable-video-limits"""
ACCOUNTS: Final = 100
"""An account in memory may take 60 MB: its ring of events and its answers."""


class ApiKeySettings(BaseModel):
    """One row of GATEWAY_API_KEYS."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    id: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of the key in logs. Rows of one account with the same id share one points limit,
    so a key can be rotated with two rows."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 digest of the key, in hex. The key itself is not stored."""
    scopes: tuple[ScopeWord, ...] = ("rooms:read", "events:subscribe")
    """What the key may do."""
    rooms: tuple[str, ...] | None = None
    """SIDs and names of the rooms that the key may access. Unset: all rooms of the account."""
    limit: Limit | None = None
    """Points per minute. Unset: 1,500,000."""


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "[::1]", "localhost"})


class JwtIssuerSettings(BaseModel):
    """One row of GATEWAY_JWT_ISSUERS: an issuer whose JSON Web Tokens are accepted."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    issuer: Annotated[str, Field(min_length=1, max_length=255)]
    """Value of the token's `iss` claim."""
    audience: Annotated[str, Field(min_length=1, max_length=255)]
    """Value of the token's `aud` claim."""
    jwks_url: HttpUrl
    """Where the issuer publishes its keys: an https URL, or http on loopback."""
    algorithm: Algorithm = "RS256"
    """Signature algorithm. The token's header cannot choose another one."""
    scopes: tuple[ScopeWord, ...] = ("rooms:read", "events:subscribe")
    """The most that a token of this issuer may do."""
    limit: Limit | None = None
    """Points per minute for each subject. Unset: 1,500,000."""

    @field_validator("jwks_url")
    @classmethod
    def _is_safe(cls, url: HttpUrl) -> HttpUrl:
        if url.scheme != "https" and url.host not in _LOOPBACK:
            raise ValueError(
                "give an https URL: who can change the keys on their way is believed as the issuer is"
            )
        return url


class AccountSettings(BaseModel):
    """One Twilio account: from the environment, or one row of GATEWAY_ACCOUNTS_FILE."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    sid: Sid
    """Account SID."""
    auth_token: SecretStr
    """Verifies callbacks. Also the REST password unless an API key is given."""
    secondary_auth_token: SecretStr | None = None
    """Second auth token that callbacks may be signed with, during a rotation."""
    api_key_sid: str | None = None
    """SID of the API key for REST and for signing access tokens."""
    api_key_secret: SecretStr | None = None
    """Secret of that API key."""
    secret: SecretStr | None = None
    """Authenticates cursors. Unset: GATEWAY_SECRET, else the auth token; cursors then become
    invalid when the auth token changes."""
    previous_secret: SecretStr | None = None
    """Cursors made with this secret stay valid, during a rotation."""
    read_quota: QuotaPerSecond = READ_QUOTA
    """Reads per second that Twilio grants the account."""
    write_quota: QuotaPerSecond = WRITE_QUOTA
    """Writes per second that Twilio grants the account."""
    api_keys: tuple[ApiKeySettings, ...] = ()
    """API keys for this account."""
    jwt_issuers: tuple[JwtIssuerSettings, ...] = ()
    """Issuers whose tokens are accepted for this account."""

    @model_validator(mode="after")
    def _api_key_is_whole(self) -> Self:
        if (self.api_key_sid is None) != (self.api_key_secret is None):
            raise ValueError("give both api_key_sid and api_key_secret, or neither")
        return self

    @property
    def rest_credentials(self) -> tuple[str, str]:
        if self.api_key_sid is not None and self.api_key_secret is not None:
            return self.api_key_sid, self.api_key_secret.get_secret_value()
        return self.sid, self.auth_token.get_secret_value()

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        tokens = (self.auth_token, self.secondary_auth_token)
        return tuple(token.get_secret_value() for token in tokens if token is not None)

    @property
    def cursor_secrets(self) -> tuple[str, ...]:
        secrets = (self.secret or self.auth_token, self.previous_secret)
        return tuple(secret.get_secret_value() for secret in secrets if secret is not None)


VIDEO_URL = HttpUrl("https://video.twilio.com")
INSIGHTS_URL = HttpUrl("https://insights.twilio.com")


class Settings(BaseSettings):
    """What `serve` needs. Every field is an environment variable of the same name in capitals; lists are JSON."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    gateway_accounts_file: Path | None = None
    """File with several accounts, instead of the one account of the environment. TOML if the
    name ends in `.toml`, else JSON."""
    twilio_account_sid: Annotated[Sid | None, Field(validate_default=True)] = None
    """Account SID. Required without GATEWAY_ACCOUNTS_FILE."""
    twilio_auth_token: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """Auth token: verifies callbacks. Required without GATEWAY_ACCOUNTS_FILE."""
    twilio_secondary_auth_token: SecretStr | None = None
    """Second auth token that callbacks may be signed with, during a rotation."""
    twilio_api_key_sid: str | None = None
    """SID of an API key for REST and for signing access tokens. Unset: REST uses the auth
    token, and no access tokens can be made. A restricted key cannot sign access tokens."""
    twilio_api_key_secret: SecretStr | None = None
    """Secret of that API key."""
    twilio_video_base_url: HttpUrl = VIDEO_URL
    """Base URL of Twilio Video, or of a substitute such as the sandbox."""
    twilio_insights_base_url: HttpUrl | None = None
    """Base URL of Twilio Insights. Unset: Twilio's own, or TWILIO_VIDEO_BASE_URL when that is
    set to a substitute."""

    gateway_public_url: HttpUrl
    """URL at which Twilio reaches this gateway, exactly as Twilio calls it, without query and
    fragment. Callback signatures are verified against it."""
    gateway_redis_url: str | None = None
    """Redis or Valkey: one server, Sentinels, or a cluster. Unset: an embedded durable server
    in GATEWAY_DATA_DIR."""
    gateway_data_dir: Path = Path("rooms-gateway-data")
    """Data directory of the embedded server."""
    gateway_allow_eviction: bool = False
    """Accept a Redis whose `maxmemory-policy` may evict the event log."""
    gateway_secret: SecretStr | None = None
    """Authenticates the cursors of every account without its own secret. Unset: the auth
    token; cursors then become invalid when it changes."""
    gateway_previous_secret: SecretStr | None = None
    """Cursors made with this secret stay valid, during a rotation."""
    gateway_api_keys: tuple[ApiKeySettings, ...] = ()
    """API keys: a JSON list. `serve` needs at least one key or one issuer."""
    gateway_jwt_issuers: tuple[JwtIssuerSettings, ...] = ()
    """Issuers whose JSON Web Tokens are accepted: a JSON list."""
    gateway_allowed_origins: tuple[str, ...] = ()
    """Browser origins that may call the gateway: a JSON list."""
    gateway_documents: Path | None = None
    """Folder of trusted GraphQL documents (`*.graphql`), identified by the SHA-256 digest of
    their text."""

    gateway_read_quota: QuotaPerSecond = READ_QUOTA
    """Reads per second that Twilio grants the account."""
    gateway_write_quota: QuotaPerSecond = WRITE_QUOTA
    """Writes per second that Twilio grants the account."""
    gateway_concurrency: Annotated[int, Field(ge=4)] = 100
    """Most requests in flight at Twilio, for each account over all replicas. Twilio publishes
    no limit; a 429 lowers this number for a while."""
    gateway_replicas: Annotated[int, Field(ge=1)] = 1
    """Least number of replicas that share the quota. While Redis is away, each replica spends
    its part of the quota."""
    gateway_quota_wait_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """Longest time in seconds that a call waits for a permit before QUOTA_EXCEEDED."""
    gateway_reconcile: bool = True
    """Compare the log with Twilio's REST API, within a fifth of the read quota, and log the
    events that callbacks missed."""
    gateway_deadline_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Longest time in seconds that a unary call may take. A caller can ask for less."""

    _accounts: tuple[AccountSettings, ...] = PrivateAttr()

    @field_validator("twilio_account_sid", "twilio_auth_token")
    @classmethod
    def _is_given(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("gateway_accounts_file") is None:
            raise ValueError("set it, or GATEWAY_ACCOUNTS_FILE for several accounts")
        return value

    @model_validator(mode="after")
    def _read_accounts(self) -> Self:
        if self.gateway_accounts_file is None:
            self._accounts = (self._own_account(),)
            _check_once("GATEWAY_API_KEYS", "API key", _digests(self._accounts))
            _check_once("GATEWAY_JWT_ISSUERS", "issuer and audience", _issuers(self._accounts))
            return self
        both = sorted(name.upper() for name in _OWN & self.model_fields_set if getattr(self, name))
        if both:
            raise ValueError(
                f"GATEWAY_ACCOUNTS_FILE is set, and so is {', '.join(both)}; describe all accounts in the file, or one "
                "in the environment"
            )
        self._accounts = tuple(
            self._sealed(row) for row in read_accounts(self.gateway_accounts_file)
        )
        return self

    def _own_account(self) -> AccountSettings:
        if (self.twilio_api_key_sid is None) != (self.twilio_api_key_secret is None):
            raise ValueError("give both TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET, or neither")
        assert self.twilio_account_sid is not None
        assert self.twilio_auth_token is not None
        return AccountSettings(
            sid=self.twilio_account_sid,
            auth_token=self.twilio_auth_token,
            secondary_auth_token=self.twilio_secondary_auth_token,
            api_key_sid=self.twilio_api_key_sid,
            api_key_secret=self.twilio_api_key_secret,
            secret=self.gateway_secret,
            previous_secret=self.gateway_previous_secret,
            read_quota=self.gateway_read_quota,
            write_quota=self.gateway_write_quota,
            api_keys=self.gateway_api_keys,
            jwt_issuers=self.gateway_jwt_issuers,
        )

    def _sealed(self, row: AccountSettings) -> AccountSettings:
        if row.secret is not None:
            return row
        secrets = {
            "secret": self.gateway_secret,
            "previous_secret": row.previous_secret or self.gateway_previous_secret,
        }
        return row.model_copy(update=secrets)

    @field_validator("gateway_public_url")
    @classmethod
    def _is_bare(cls, url: HttpUrl) -> HttpUrl:
        if url.query is not None or url.fragment is not None:
            raise ValueError(
                "give the URL without query and fragment: the path of the callbacks is put behind it"
            )
        return url

    @property
    def accounts(self) -> tuple[AccountSettings, ...]:
        return self._accounts

    @property
    def insights_base_url(self) -> str:
        # The credentials of a test double have no business at Twilio.
        other = (
            INSIGHTS_URL if self.twilio_video_base_url == VIDEO_URL else self.twilio_video_base_url
        )
        return str(self.twilio_insights_base_url or other)


# What describes the one account of the environment.
_OWN: Final = frozenset(
    {
        "twilio_account_sid",
        "twilio_auth_token",
        "twilio_secondary_auth_token",
        "twilio_api_key_sid",
        "twilio_api_key_secret",
        "gateway_api_keys",
        "gateway_jwt_issuers",
        "gateway_read_quota",
        "gateway_write_quota",
    }
)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    accounts: Annotated[tuple[AccountSettings, ...], Field(min_length=1, max_length=ACCOUNTS)]


def read_accounts(path: Path) -> tuple[AccountSettings, ...]:
    """The accounts in the file. Raises ValueError, which quotes nothing of the file: it holds secrets."""
    try:
        rows = _File.model_validate(_parse(path)).accounts
    except ValidationError as exc:
        faults = (f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
        raise ValueError(f"{path}: {'; '.join(faults)}") from None
    _check_once(path, "account", [row.sid for row in rows])
    _check_once(path, "API key", _digests(rows))
    _check_once(path, "issuer and audience", _issuers(rows))
    return rows


def _digests(rows: Sequence[AccountSettings]) -> list[str]:
    return [key.sha256 for row in rows for key in row.api_keys]


def _issuers(rows: Sequence[AccountSettings]) -> list[str]:
    return [f"{each.issuer} for {each.audience}" for row in rows for each in row.jwt_issuers]


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"{path} is not TOML: {exc}") from None
    except json.JSONDecodeError as exc:
        raise ValueError(f"{path} is not JSON: line {exc.lineno}, column {exc.colno}") from None


def _check_once(where: Path | str, what: str, each: list[str]) -> None:
    twice = [one for one, count in Counter(each).items() if count > 1]
    if twice:
        raise ValueError(
            f"{where} names {what} {twice[0]} more than once; a credential has one row, and like a callback belongs to one "
            "account"
        )
