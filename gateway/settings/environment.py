"""The settings, read from environment variables and from the files that they name.

Only `app` and the command line use them.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    Field,
    HttpUrl,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.settings.accounts import (
    READ_QUOTA,
    WRITE_QUOTA,
    AccountSettings,
    ApiKeySettings,
    JwtIssuerSettings,
    QuotaPerSecond,
    Sid,
    check_credentials,
    read_accounts,
)
from gateway.settings.messages import describe, faults, field_path
from gateway.settings.values import (
    Credential,
    CredentialSid,
    Text,
    Unreadable,
    Values,
    is_blank,
    matching,
)

Origin = Annotated[
    Text,
    matching(
        r"(?i)[a-z][a-z0-9+.-]*://[^/?#@\s'\"*]+/?",
        "the origin of a page, such as https://app.example.com",
    ),
]
HeaderName = Annotated[
    Text,
    matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "the name of a request header, such as x-tenant"),
]
# More than any setting needs: GATEWAY_API_KEYS with ten thousand rows.
_FILE_LIMIT_BYTES: Final = 4_000_000
VIDEO_URL = HttpUrl("https://video.twilio.com")
INSIGHTS_URL = HttpUrl("https://insights.twilio.com")


class Environment(EnvSettingsSource):
    """The environment variables, and the files that `NAME_FILE` names for `NAME`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        path = self.env_vars.get(f"{field_name}_file")
        # `dev` gives some values itself: the environment does not count for them.
        is_given = field_name in self.current_state or field_name.endswith("_file")
        if path is None or is_blank(path) or is_given:
            return value, key, is_complex
        name = field_name.upper()
        if not is_blank(value):
            return Unreadable(f"is set together with {name}_FILE: keep one"), key, is_complex
        return _read_file(f"{name}_FILE", path.strip()), key, is_complex


def _read_file(variable: str, path: str) -> str | Unreadable:
    """Returns the text of the file that the variable names."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_FILE_LIMIT_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no path"
        return Unreadable(f"cannot read {path}, which {variable} names: {reason}")
    if len(content) > _FILE_LIMIT_BYTES:
        return Unreadable(
            f"{path}, which {variable} names, has more than {_FILE_LIMIT_BYTES:,} bytes"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Unreadable(f"{path}, which {variable} names, is not UTF-8")
    if is_blank(text):
        # It is more likely that the secret was not delivered than that it is unset.
        return Unreadable(f"{path}, which {variable} names, is blank: write the value into it")
    return text


class Settings(Values, BaseSettings):
    """The settings of `serve`.

    Every field is an environment variable of the same name in capitals. With `_FILE`
    after its name, the variable names a file that holds the value.
    """

    # `Values` decodes lists, and says in our own words what is wrong with them.
    model_config = SettingsConfigDict(extra="ignore", enable_decoding=False)
    lists_are_texts = True

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: Any, **others: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return others["init_settings"], Environment(settings_cls)

    gateway_accounts_file: Path | None = None
    """File with several accounts, instead of the one account of the environment. TOML
    if the name ends in `.toml`, else JSON."""
    twilio_account_sid: Annotated[Sid | None, Field(validate_default=True)] = None
    """Account SID. Required without GATEWAY_ACCOUNTS_FILE."""
    twilio_auth_token: Annotated[Credential | None, Field(validate_default=True)] = None
    """Auth token: verifies callbacks. Required without GATEWAY_ACCOUNTS_FILE."""
    twilio_secondary_auth_token: Credential | None = None
    """Second auth token that callbacks may be signed with, during a rotation."""
    twilio_api_key_sid: CredentialSid | None = None
    """SID of an API key for REST and for signing access tokens. Unset: REST uses the
    auth token, and no access tokens can be made. A restricted key cannot sign access
    tokens."""
    twilio_api_key_secret: Credential | None = None
    """Secret of that API key."""
    twilio_video_base_url: HttpUrl = VIDEO_URL
    """Base URL of Twilio Video, or of a substitute such as the sandbox."""
    twilio_insights_base_url: HttpUrl | None = None
    """Base URL of Twilio Insights. Unset: Twilio's own, or TWILIO_VIDEO_BASE_URL when
    that is set to a substitute."""

    gateway_public_url: HttpUrl
    """URL at which Twilio reaches this gateway, exactly as Twilio calls it, without
    query and fragment. Callback signatures are verified against it."""
    gateway_redis_url: str | None = None
    """Redis or Valkey: one server, Sentinels, or a cluster. Unset: an embedded durable
    server in GATEWAY_DATA_DIR."""
    gateway_data_dir: Path = Path("rooms-gateway-data")
    """Data directory of the embedded server."""
    gateway_allow_eviction: bool = False
    """Accept a Redis whose `maxmemory-policy` may evict the event log."""
    gateway_secret: SecretStr | None = None
    """Authenticates the cursors of every account without its own secret. Unset: the
    auth token; cursors then become invalid when it changes."""
    gateway_previous_secret: SecretStr | None = None
    """Cursors made with this secret stay valid, during a rotation."""
    gateway_api_keys: Annotated[
        tuple[ApiKeySettings, ...],
        Field(examples=[[{"id": "web", "sha256": "…", "scopes": ["rooms:read"]}]]),
    ] = ()
    """API keys: a JSON list. `serve` needs at least one key or one issuer."""
    gateway_jwt_issuers: Annotated[
        tuple[JwtIssuerSettings, ...],
        Field(
            examples=[
                [
                    {
                        "issuer": "https://login.example.com/",
                        "audience": "rooms",
                        "jwks_url": "https://login.example.com/jwks.json",
                    }
                ]
            ]
        ),
    ] = ()
    """Issuers whose JSON Web Tokens are accepted: a JSON list."""
    gateway_allowed_origins: Annotated[
        tuple[Origin, ...], Field(examples=[["https://app.example.com"]])
    ] = ()
    """Browser origins that may call the gateway: a JSON list, or with commas in
    between."""
    gateway_allowed_headers: Annotated[tuple[HeaderName, ...], Field(examples=[["x-tenant"]])] = ()
    """Request headers that pages of other origins may send, besides those that clients
    and tracing libraries are known to send: a JSON list, or with commas in between."""
    gateway_documents: Path | None = None
    """Folder of trusted GraphQL documents (`*.graphql`), identified by the SHA-256
    digest of their text."""
    gateway_persisted_queries: bool = False
    """Let GraphQL clients register documents by their SHA-256 digest, as Apollo's
    automatic persisted queries do."""

    gateway_read_quota: QuotaPerSecond = READ_QUOTA
    """Reads per second that Twilio grants the account."""
    gateway_write_quota: QuotaPerSecond = WRITE_QUOTA
    """Writes per second that Twilio grants the account."""
    gateway_concurrency: Annotated[int, Field(ge=4)] = 100
    """Most requests in flight at Twilio, for each account over all replicas. Twilio
    publishes no limit; a 429 lowers this number for a while."""
    gateway_replicas: Annotated[int, Field(ge=1)] = 1
    """Least number of replicas that share the quota. While Redis is away, each replica
    spends its part of the quota."""
    gateway_quota_wait_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """Longest time in seconds that a call waits for a permit before QUOTA_EXCEEDED."""
    gateway_reconcile: bool = True
    """Compare the log with Twilio's REST API, within a fifth of the read quota, and log
    the events that callbacks missed."""
    gateway_deadline_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Longest time in seconds that a unary call may take. A caller can ask for less."""

    _accounts: tuple[AccountSettings, ...] = PrivateAttr()

    @field_validator("twilio_account_sid", "twilio_auth_token")
    @classmethod
    def _check_given(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("gateway_accounts_file") is None:
            raise ValueError("not set: set it, or set GATEWAY_ACCOUNTS_FILE for several accounts")
        return value

    @model_validator(mode="after")
    def _read_accounts(self) -> Self:
        if self.gateway_accounts_file is None:
            self._accounts = (self._environment_account(),)
            check_credentials(
                self._accounts, keys_in="GATEWAY_API_KEYS", issuers_in="GATEWAY_JWT_ISSUERS"
            )
            return self
        both = sorted(
            name.upper() for name in _ACCOUNT_FIELDS & self.model_fields_set if getattr(self, name)
        )
        if both:
            raise ValueError(
                f"GATEWAY_ACCOUNTS_FILE is set together with {', '.join(both)}: "
                "describe every account in the file, or one account in the environment"
            )
        self._accounts = tuple(map(self._with_secrets, read_accounts(self.gateway_accounts_file)))
        return self

    def _environment_account(self) -> AccountSettings:
        if (self.twilio_api_key_sid is None) != (self.twilio_api_key_secret is None):
            raise ValueError("set both TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET, or neither")
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

    def _with_secrets(self, account: AccountSettings) -> AccountSettings:
        if account.secret is not None:
            return account
        secrets = {
            "secret": self.gateway_secret,
            "previous_secret": account.previous_secret or self.gateway_previous_secret,
        }
        return account.model_copy(update=secrets)

    @field_validator("gateway_public_url")
    @classmethod
    def _check_public_url(cls, url: HttpUrl) -> HttpUrl:
        if url.query is not None or url.fragment is not None:
            raise ValueError(
                "must have no query and no fragment: the path of the callbacks is appended to it"
            )
        return url

    @property
    def accounts(self) -> tuple[AccountSettings, ...]:
        """The account of the environment, or those of GATEWAY_ACCOUNTS_FILE."""
        return self._accounts

    @property
    def insights_base_url(self) -> str:
        """The base URL of Insights, with its default applied."""
        if self.twilio_insights_base_url is not None:
            return str(self.twilio_insights_base_url)
        # The credentials of a substitute must not be sent to Twilio.
        is_twilio = self.twilio_video_base_url == VIDEO_URL
        return str(INSIGHTS_URL if is_twilio else self.twilio_video_base_url)


# The fields that describe the account of the environment.
_ACCOUNT_FIELDS: Final = frozenset(
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


def explain(error: ValidationError) -> str:
    """Returns one line for each invalid setting, with the name of its variable."""
    return "\n".join(_fault(details) for details in faults(error))


def _fault(details: ErrorDetails) -> str:
    message = describe(details)
    if not details["loc"]:
        return message
    variable, *rest = details["loc"]
    if details["type"] == "missing" and not rest:
        description = " ".join((Settings.model_fields[str(variable)].description or "").split())
        message = f"not set: set it to the {description.partition('. ')[0]}"
    return f"{field_path((str(variable).upper(), *rest))}: {message}"
